"""What a position is worth at the price at which it could be closed."""

from dataclasses import dataclass
from decimal import Decimal

from domain.exact import EXACT, round8


@dataclass(frozen=True, slots=True)
class Valuation:
    """A position's worth in money: signed market value, and what closing it would gain (negative = lose)."""

    market_value: Decimal
    unrealised: Decimal


def middle(bid: Decimal, ask: Decimal) -> Decimal | None:
    """Return the price halfway between bid and ask; None where one side has no price."""
    return round8(EXACT.divide(EXACT.add(bid, ask), Decimal(2))) if bid > 0 and ask > 0 else None


def value_position(
    quantity: Decimal, average_price: Decimal, bid: Decimal | None, ask: Decimal | None
) -> Valuation | None:
    """Return what a position of signed quantity is worth: a long closes at the bid, a short at the ask.

    A flat one is worth 0 whatever the price. None where the price is not known: that is not 0.
    """
    if not quantity:
        return Valuation(Decimal(0), Decimal(0))
    price = bid if quantity > 0 else ask
    if price is None or price <= 0:  # nobody trades on that side
        return None
    gain = EXACT.multiply(quantity, EXACT.subtract(price, average_price))
    return Valuation(round8(EXACT.multiply(quantity, price)), round8(gain))
