"""Prices that follow from fills: averages, the spread of a pair, and slip."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from domain.enums import Side

FOUR = Decimal("0.0001")


def round4(price: Decimal) -> Decimal:
    """Return a price at four decimals, half to even."""
    return price.quantize(FOUR, ROUND_HALF_EVEN) + 0  # no price is "-0"


def average_price(fills: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Return the quantity-weighted price of (quantity, price) pairs at eight decimals; None without any."""
    quantity = money = Decimal(0)
    for filled, price in fills:
        quantity += filled
        money += filled * price
    return (money / quantity).quantize(Decimal("1e-8"), ROUND_HALF_EVEN) if quantity else None


def spread_price(price1: Decimal, price2: Decimal, hedge_ratio: Decimal) -> Decimal:
    """Return price1 - hedge_ratio * price2 at four decimals."""
    return round4(price1 - hedge_ratio * price2)


def slip(side: Side, alert_price: Decimal, fill_price: Decimal) -> Decimal:
    """Return how much better than the alert's price a fill is; negative = worse. Price units, four decimals."""
    return round4(side.sign * (alert_price - fill_price))
