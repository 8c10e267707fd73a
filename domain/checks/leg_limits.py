"""Limits that a stock sets for itself, held against it as a leg of a pair.

Only what is about the shares, the money and the orders of the stock itself. What a leg alone has earned, how far its
price is from the alert's or how its fills slipped says nothing without the other leg: there the pair's limits count.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from domain.checks.alert_rules import is_pair
from domain.checks.facts import Facts
from domain.checks.limit_rules import money_left, quantity_of, worth_of
from domain.checks.rules import LegLimit, Rules
from domain.checks.verdict import Finding, show
from domain.enums import CheckMode


def findings_of_legs(check: str, facts: Facts, rules: Rules) -> Iterator[tuple[Finding, CheckMode]]:
    """Yield what is found of each leg whose stock has a limit of its own, and what that stock's rules make of it."""
    if check not in LEG_LIMITS or not is_pair(facts) or facts.is_exit:
        return
    for own in rules.of_legs(check, facts.subject.account, facts.symbols):
        if quantity_of(facts, own.symbol):
            finding = LEG_LIMITS[check](facts, rules, own)
            finding.values["leg"] = own.symbol
            yield finding, own.mode


def _quantity(facts: Facts, rules: Rules, own: LegLimit) -> Finding:
    limit, quantity = own.ceiling, quantity_of(facts, own.symbol)
    values = {"quantity": quantity, "limit": limit.limit, "limit_of": limit.where}
    text = f"The leg {own.symbol} is {show(quantity)} shares; {show(limit.limit)} are allowed by {limit.where}."
    return Finding(quantity <= limit.limit, text, values)


def _worth(facts: Facts, rules: Rules, own: LegLimit) -> Finding:
    return worth_of(facts, rules, own.ceiling, own.choice, own.symbol)


def _orders(facts: Facts, rules: Rules, own: LegLimit) -> Finding:
    limit = own.ceiling
    more = sum(leg.symbol == own.symbol for leg in facts.legs)
    count = Decimal(facts.orders_of_stocks.get(own.symbol, 0) + more)
    values = {"count": count, "limit": limit.limit, "limit_of": limit.where}
    text = f"{show(count)} orders of {own.symbol} within 60 s with this leg; {show(limit.limit)} are allowed by "
    return Finding(count <= limit.limit, f"{text}{limit.where}.", values)


def _money(facts: Facts, rules: Rules, own: LegLimit) -> Finding:
    return money_left(facts, rules, own.ceiling, own.choice)


LEG_LIMITS: Mapping[str, Callable[[Facts, Rules, LegLimit], Finding]] = {
    "max_quantity": _quantity,
    "max_notional": _worth,
    "orders_per_minute": _orders,
    "funds_floor": _money,
}
