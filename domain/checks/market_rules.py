"""Checks that hold an alert against the market: its price, a pair's spread, and what earlier fills cost."""

from decimal import Decimal

from domain.checks.alert_rules import is_pair
from domain.checks.catalog import STRICT
from domain.checks.facts import Facts
from domain.checks.rules import Rules
from domain.checks.verdict import Finding, exempt, fresh_quotes, show
from domain.enums import Side

PERCENT = Decimal(100)


def price_deviation(facts: Facts, rules: Rules) -> Finding | None:
    """The alert's price must be near the middle of the market."""
    limit = rules.limit("price_deviation", facts.subject)
    if limit is None:
        return None
    quotes = fresh_quotes(facts, rules)
    missing = [symbol for symbol in facts.symbols if symbol not in quotes]
    if facts.price is None or missing:
        return _unknown("price_deviation", facts, rules, missing)
    ratio = facts.hedge_ratio or Decimal(1)
    middles = [quotes[symbol].middle for symbol in facts.symbols]
    middle, gross = middles[0], middles[0]
    if is_pair(facts):
        middle, gross = middles[0] - ratio * middles[1], middles[0] + ratio * middles[1]
    if gross <= 0:
        return Finding(None, f"The quote of {' and '.join(facts.symbols)} is not above 0.")
    deviation = abs(facts.price - middle) / abs(gross) * PERCENT
    values = {"price": facts.price, "market": show(middle), "deviation": show(deviation), "limit": limit.limit}
    text = (
        f"The alert's price {show(facts.price)} is {show(deviation)} % away from the market's {show(middle)}; "
        f"{show(limit.limit)} % are allowed by {limit.where}."
    )
    return Finding(deviation <= limit.limit, text, values)


def spread_limit(facts: Facts, rules: Rules) -> Finding | None:
    """The spread a pair would really trade at must not be much worse than the alert's."""
    limit = rules.limit("spread_limit", facts.subject)
    if limit is None or not is_pair(facts):
        return None
    quotes = fresh_quotes(facts, rules)
    missing = [symbol for symbol in facts.symbols if symbol not in quotes]
    if facts.price is None or missing:
        return _unknown("spread_limit", facts, rules, missing)
    first, second = (quotes[symbol] for symbol in facts.symbols)
    ratio = facts.hedge_ratio or Decimal(1)
    buys = facts.side is Side.BUY
    real = first.ask - ratio * second.bid if buys else first.bid - ratio * second.ask
    worse = facts.side.sign * (real - facts.price)
    values = {"price": facts.price, "spread": show(real), "worse": show(worse), "limit": limit.limit}
    text = (
        f"The spread would be traded at {show(real)}, {show(abs(worse))} {'worse' if worse > 0 else 'better'} than the "
        f"alert's {show(facts.price)}; {show(limit.limit)} worse is allowed by {limit.where}."
    )
    return Finding(worse <= limit.limit, text, values)


def slippage_guard(facts: Facts, rules: Rules) -> Finding | None:
    """No entry where the last fills were much worse than their alerts on average."""
    limit = rules.limit("slippage_guard", facts.subject)
    if limit is None:
        return None
    if facts.is_exit:
        return exempt()
    if facts.mean_slip is None:
        return Finding(None, f"No {facts.side} of {facts.subject.name} has been filled yet.")
    mean = facts.mean_slip.mean
    values = {"mean_slip": show(mean), "fills": facts.mean_slip.fills, "limit": limit.limit}
    text = (
        f"The last {facts.mean_slip.fills} fills of {facts.side} {facts.subject.name} slipped by {show(mean)} on "
        f"average; {show(-limit.limit)} is allowed by {limit.where}."
    )
    return Finding(mean >= -limit.limit, text, values)


def _unknown(check: str, facts: Facts, rules: Rules, missing: list[str]) -> Finding:
    lacking = []
    if facts.price is None:
        lacking.append("the alert names no price")
    if missing:
        lacking.append(f"there is no fresh quote of {' and '.join(missing)}")
    strict = rules.choice(check, facts.subject) == STRICT
    text = " and ".join(lacking)
    return Finding(False if strict else None, f"{text[0].upper()}{text[1:]}.", {"choice": STRICT} if strict else {})
