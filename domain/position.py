"""Average-cost book-keeping of one holding."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from domain.enums import Side

ZERO = Decimal(0)
EIGHT = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class Holding:
    """Signed quantity (negative = short) and average entry price."""

    quantity: Decimal = ZERO
    average_price: Decimal = ZERO


def add_fill(held: Holding, side: Side, quantity: Decimal, price: Decimal) -> tuple[Holding, Decimal]:
    """Return the holding after a fill, and what the fill realised before commission.

    Adding averages the price, reducing keeps it, crossing zero starts anew at the fill's price.
    """
    signed = side.sign * quantity
    total = held.quantity + signed
    if held.quantity * signed >= 0:
        cost = abs(held.quantity) * held.average_price + quantity * price
        return Holding(total, _round8(cost / abs(total))), ZERO
    closed = min(abs(held.quantity), quantity)
    realised = _round8(-side.sign * closed * (price - held.average_price))
    if total == 0:
        return Holding(), realised
    return Holding(total, held.average_price if held.quantity * total > 0 else price), realised


def unrealised(quantity: Decimal, average_price: Decimal, price: Decimal) -> Decimal:
    """Return what closing a holding at `price` would realise, before commission."""
    return _round8(quantity * (price - average_price))


def _round8(number: Decimal) -> Decimal:
    return number.quantize(EIGHT, ROUND_HALF_EVEN) + 0  # never "-0"
