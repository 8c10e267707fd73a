"""Limits of entries: of one signal, of what is open, of the day, of the minute, of the account's money."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from domain.checks.alert_rules import is_pair
from domain.checks.catalog import BUYING_POWER, CASH, STRICT
from domain.checks.facts import Facts, PlannedLeg
from domain.checks.rules import Ceiling, Rules
from domain.checks.verdict import Finding, exempt, fresh_quotes, show
from domain.enums import Scope


def max_quantity(facts: Facts, rules: Rules) -> Finding | None:
    """An entry has so many shares of leg 1 at most."""
    limit = rules.limit("max_quantity", facts.subject)
    if limit is None:
        return None
    if facts.is_exit:
        return exempt()
    first = facts.symbols[0]
    quantity = quantity_of(facts, first)
    values = {"quantity": quantity, "limit": limit.limit, "limit_of": limit.where}
    text = f"The entry is {show(quantity)} {first}; {show(limit.limit)} are allowed by {limit.where}."
    return Finding(quantity <= limit.limit, text, values)


def quantity_of(facts: Facts, symbol: str) -> Decimal:
    """Return the planned shares of a symbol."""
    return sum((leg.quantity for leg in facts.legs if leg.symbol == symbol), Decimal(0))


def max_notional(facts: Facts, rules: Rules) -> Finding | None:
    """An entry is worth so much at most."""
    limit = rules.limit("max_notional", facts.subject)
    if limit is None:
        return None
    if facts.is_exit:
        return exempt()
    return worth_of(facts, rules, limit, rules.choice("max_notional", facts.subject))


def worth_of(facts: Facts, rules: Rules, limit: Ceiling, choice: str, symbol: str = "") -> Finding:
    """Return what is found of the worth of all legs, or of the one of a symbol."""
    legs = [leg for leg in facts.legs if symbol in ("", leg.symbol)]
    prices = _prices(facts, rules, legs)
    if missing := [leg.symbol for leg in legs if leg.symbol not in prices]:
        return _no_price(missing, choice)
    worth = sum((leg.quantity * prices[leg.symbol] for leg in legs), Decimal(0))
    shown = {f"price of {symbol}": show(price) for symbol, price in prices.items()}
    values = {"value": show(worth), "limit": limit.limit, "limit_of": limit.where, **shown}
    what = f"leg {symbol}" if symbol else "entry"
    text = f"The {what} is worth {show(worth)}; {show(limit.limit)} is allowed by {limit.where}."
    return Finding(worth <= limit.limit, text, values)


def open_positions(facts: Facts, rules: Rules) -> Finding | None:
    """So many stocks and pairs are open at a time; one that is open already does not count again."""
    ceilings = rules.ceilings("open_positions", facts.subject)
    if not ceilings:
        return None
    if facts.is_exit:
        return exempt()
    mine = (facts.subject.account, facts.subject.name)
    if mine in facts.open_books:
        return Finding(True, f"{facts.subject.name} is open already, so no position is opened.")
    counts = {
        Scope.DESK: Decimal(len(facts.open_books)),
        Scope.ACCOUNT: Decimal(sum(account == mine[0] for account, _ in facts.open_books)),
    }
    return _hold_against(ceilings, counts, Decimal(1), "open stocks and pairs with this one")


def daily_loss(facts: Facts, rules: Rules) -> Finding | None:
    """Nothing is opened once the day has lost its limit."""
    ceilings = rules.ceilings("daily_loss", facts.subject)
    if not ceilings:
        return None
    if facts.is_exit:
        return exempt()
    findings = [_loss(facts, ceiling) for ceiling in ceilings]
    return next((finding for finding in findings if not finding.ok), findings[0])


def _loss(facts: Facts, ceiling: Ceiling) -> Finding:
    """Return what is found of one limit: the loss in each currency is held against it on its own."""
    results = facts.results.get(_measure(ceiling), {})
    own = facts.account_currency
    counted, aside = dict(results), {}
    if ceiling.scope is Scope.ACCOUNT and own:  # the limit is a sum of the account's own money
        aside = {currency: amount for currency, amount in results.items() if currency not in (own, "")}
        counted = {currency: amount for currency, amount in results.items() if currency in (own, "")}
    counted = counted or {own or "": Decimal(0)}
    worst = max(-amount for amount in counted.values())
    said = ", ".join(_earned(-amount, currency) for currency, amount in sorted(counted.items(), key=lambda of: of[1]))
    each = " in any one currency" if len(counted) > 1 else ""
    text = f"Today {ceiling.where} {said}; a loss of {show(ceiling.limit)}{each} ends the day's entries."
    values: dict[str, Any] = {"loss": show(worst), "limit": ceiling.limit, "limit_of": ceiling.where}
    currency = next(currency for currency, amount in counted.items() if -amount == worst)
    if currency:
        values["currency"] = currency
    if aside:
        others = ", ".join(f"{show(amount)} {currency}" for currency, amount in sorted(aside.items()))
        text += f" Results in other currencies than the account's do not count: {others}."
        values |= {f"result in {currency}": show(amount) for currency, amount in aside.items()}
    return Finding(worst < ceiling.limit, text, values)


def _earned(loss: Decimal, currency: str) -> str:
    money = f"{show(abs(loss))} {currency}".strip()
    return f"has lost {money}" if loss > 0 else f"has earned {money}"


def orders_per_minute(facts: Facts, rules: Rules) -> Finding | None:
    """So many orders of entries are made within 60 seconds."""
    ceilings = rules.ceilings("orders_per_minute", facts.subject)
    if not ceilings:
        return None
    if facts.is_exit:
        return exempt()
    counts = {scope: Decimal(count) for scope, count in facts.orders_in_minute.items()}
    return _hold_against(ceilings, counts, Decimal(len(facts.legs)), "orders within 60 s with these")


def funds_floor(facts: Facts, rules: Rules) -> Finding | None:
    """So much money is left after an entry."""
    limit = rules.limit("funds_floor", facts.subject)
    if limit is None:
        return None
    if facts.is_exit:
        return exempt()
    return money_left(facts, rules, limit, rules.choice("funds_floor", facts.subject))


def money_left(facts: Facts, rules: Rules, limit: Ceiling, choice: str) -> Finding:
    """Return what is found of the money that is left after all legs."""
    which = CASH if choice == CASH else BUYING_POWER
    have = getattr(facts.money, which) if facts.money else None
    if have is None:
        text = f"The broker has not told the account's {which.replace('_', ' ')}."
        return Finding(False if choice == STRICT else None, text)
    prices = _prices(facts, rules, facts.legs)
    if missing := [leg.symbol for leg in facts.legs if leg.symbol not in prices]:
        return _no_price(missing, choice)
    # A sale brings cash in, but takes buying power as a purchase does.
    worths = [(leg.side.sign if which == CASH else 1) * leg.quantity * prices[leg.symbol] for leg in facts.legs]
    left = have - sum(worths, Decimal(0))
    values = {which: have, "left": show(left), "limit": limit.limit, "limit_of": limit.where}
    text = (
        f"After the entry {show(left)} of {which.replace('_', ' ')} would be left; "
        f"{show(limit.limit)} must be, by {limit.where}."
    )
    return Finding(left >= limit.limit, text, values)


def _prices(facts: Facts, rules: Rules, legs: Sequence[PlannedLeg]) -> dict[str, Decimal]:
    """Return a price for each leg: the quote's middle, the alert's for a single, else what the book paid."""
    quotes = fresh_quotes(facts, rules)
    prices: dict[str, Decimal] = {}
    for leg in legs:
        price = _price_of(leg, facts, quotes[leg.symbol].middle if leg.symbol in quotes else None)
        if price is not None:
            prices[leg.symbol] = abs(price)
    return prices


def _price_of(leg: PlannedLeg, facts: Facts, middle: Decimal | None) -> Decimal | None:
    if middle is not None:
        return middle
    if not is_pair(facts) and facts.price:
        return facts.price
    return facts.own(leg.symbol).average_price or None


def _no_price(missing: list[str], choice: str) -> Finding:
    return Finding(False if choice == STRICT else None, f"No price of {' and '.join(missing)} is known.")


def _measure(ceiling: Ceiling) -> Scope:
    return ceiling.scope or Scope.DESK


def _hold_against(ceilings: tuple[Ceiling, ...], counts: dict[Scope, Decimal], more: Decimal, what: str) -> Finding:
    """Return what is found of the first scope that is full, else of the narrowest one."""
    findings = []
    for ceiling in ceilings:
        count = counts.get(_measure(ceiling), Decimal(0)) + more
        text = f"{show(count)} {what} for {ceiling.where}; {show(ceiling.limit)} are allowed."
        values = {"count": count, "limit": ceiling.limit, "limit_of": ceiling.where}
        findings.append(Finding(count <= ceiling.limit, text, values))
    return next((finding for finding in findings if not finding.ok), findings[0])
