"""Prices that follow from fills: averages, the spread of a pair, and slip. All at eight decimals: coins cost little."""

from collections.abc import Iterable
from decimal import Decimal

from domain.enums import Side
from domain.exact import EXACT, divide, round8


def average_price(fills: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Return the quantity-weighted price of (quantity, price) pairs at eight decimals; None without any."""
    quantity = money = Decimal(0)
    for filled, price in fills:
        quantity = EXACT.add(quantity, filled)
        money = EXACT.add(money, EXACT.multiply(filled, price))
    return divide(money, quantity)


def spread_price(price1: Decimal, price2: Decimal, hedge_ratio: Decimal) -> Decimal:
    """Return price1 - hedge_ratio * price2 at eight decimals."""
    return round8(EXACT.subtract(price1, EXACT.multiply(hedge_ratio, price2)))


def slip(side: Side, alert_price: Decimal, fill_price: Decimal) -> Decimal:
    """Return how much better than the alert's price a fill is; negative = worse. In units of price, eight decimals."""
    return round8(EXACT.multiply(side.sign, EXACT.subtract(alert_price, fill_price)))
