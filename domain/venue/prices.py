"""Prices in the steps that a venue takes."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from domain.enums import Side
from domain.exact import EXACT
from domain.venue.order_plans import BrokerFacts


def is_in_steps(price: Decimal, step: Decimal) -> bool:
    """Return True if a price is a multiple of a step."""
    return EXACT.remainder(price, step) == 0


def aligned(broker: BrokerFacts, symbol: str, side: Side, price: Decimal | None, *, stop: bool) -> Decimal | None:
    """Return a price as the venue takes it; one that would come to nothing stays as it is, and is refused.

    A limit is never rounded to the worse side, and a stop never to where it would be hit sooner.
    """
    if price is None or price <= 0 or (step := broker.price_step_of(symbol, price)) is None or is_in_steps(price, step):
        return price
    down = (side is Side.BUY) is not stop
    steps = EXACT.divide(price, step).to_integral_value(ROUND_FLOOR if down else ROUND_CEILING, EXACT)
    return EXACT.multiply(steps, step) or price
