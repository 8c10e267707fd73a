"""What orders cost about, and whether an account has it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from domain.enums import Side
from domain.venue.costs import Costs
from domain.venue.objections import Objection
from domain.venue.order_plans import BrokerFacts, LegOrderPlan

ZERO, ONE = Decimal(0), Decimal(1)


def unit_value(leg: LegOrderPlan, broker: BrokerFacts) -> Decimal | None:
    """Return what the broker counts for one share of an order; None = no price is known.

    A buy counts at the worst price it takes. Where the rules say so, a short sale counts at its limit or so much above
    the ask, whichever is more.
    """
    limit = leg.limit_price if leg.order_type.has_limit else None
    rules = broker.rules_of(leg.symbol)
    if leg.is_short_sale and rules is not None and rules.short_markup is not None:
        quote = broker.quotes.get(leg.symbol)
        ask = leg.price if quote is None else quote.ask
        known = [price for price in (limit, None if ask is None else abs(ask) * (ONE + rules.short_markup)) if price]
        return max(known) if ask is not None else None
    if limit is not None and limit > 0:
        return limit
    stop = leg.stop_price if leg.order_type.has_stop and leg.side is Side.BUY else None
    if leg.trail is not None and leg.side is Side.BUY and leg.price is not None:
        stop = leg.trail.stop(leg.side, abs(leg.price))
    if leg.price is None:
        return stop
    return abs(leg.price) if stop is None else max(stop, abs(leg.price))


def costs(legs: Sequence[LegOrderPlan], broker: BrokerFacts) -> Costs:
    """Return what the growing holdings cost about; legs without a price count nothing."""
    every = in_cash = ZERO
    for leg in legs:
        value = leg.increase * (unit_value(leg, broker) or ZERO)
        every += value
        if _in_cash(leg, broker):
            in_cash += value
    return Costs(every, in_cash)


def money_objections(legs: Sequence[LegOrderPlan], broker: BrokerFacts) -> list[Objection]:
    """Return what speaks against orders for want of money, and what cannot be judged."""
    growing = [leg for leg in legs if leg.increase > 0]
    account = broker.account
    if not growing or account is None:
        return []
    power = account.buying_power - broker.reserved.all
    unpriced = [leg.symbol for leg in growing if unit_value(leg, broker) is None]
    if unpriced:
        text = f"Not judged: no price of {', '.join(unpriced)} is known."
        return [Objection("buying power", text, {"buying_power": power}, ok=True)]
    need, in_cash = costs(growing, broker)
    text = f"The legs together need {need:.2f}; the account can buy for {power:.2f}."
    found = [Objection("buying power", text, {"need": f"{need:.2f}", "buying_power": f"{power:.2f}"}, ok=need <= power)]
    if in_cash:
        own = account.cash_power - broker.reserved.in_cash
        names = " and ".join(leg.symbol for leg in growing if _in_cash(leg, broker))
        text = (
            f"{names} cannot be bought on margin: {in_cash:.2f} are needed, and the account has {own:.2f} of its own."
        )
        values = {"need": f"{in_cash:.2f}", "cash_power": f"{own:.2f}"}
        found.append(Objection("margin", text, values, ok=in_cash <= own))
    return found


def _in_cash(leg: LegOrderPlan, broker: BrokerFacts) -> bool:
    rules = broker.rules_of(leg.symbol)
    return rules is not None and not rules.on_margin
