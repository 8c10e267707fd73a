"""Average-cost book-keeping of one holding. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from brokers.paper.pricing import EXACT, round8
from domain.enums import Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; `sequence` counts from 1 within its order."""

    sequence: int
    quantity: Decimal
    price: Decimal
    commission: Decimal
    at: datetime
    synthetic: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """Signed quantity (negative = short) and average entry price in dollars."""

    quantity: Decimal = ZERO
    average_price: Decimal = ZERO

    def after(self, side: Side, quantity: Decimal, price: Decimal) -> "Holding":
        """Return it after one fill: adding averages, reducing keeps the price, crossing zero starts anew."""
        with localcontext(EXACT):
            signed = side.sign * quantity
            total = self.quantity + signed
            if total == 0:
                return Holding()
            if self.quantity * signed > 0:
                cost = abs(self.quantity) * self.average_price + quantity * price
                return Holding(total, round8(cost / abs(total)))
            if self.quantity * total > 0:
                return Holding(total, self.average_price)
            return Holding(total, price)


def cash_flow(side: Side, quantity: Decimal, price: Decimal, commission: Decimal) -> Decimal:
    """Return what one fill adds to the cash, dollars; the notional is rounded to 8 decimals."""
    with localcontext(EXACT):
        return -side.sign * round8(quantity * price) - commission


def commission_of(quantity: Decimal, per_share: Decimal) -> Decimal:
    """Return the commission of one fill, dollars, rounded to 8 decimals."""
    with localcontext(EXACT):
        return round8(quantity * per_share)
