"""Trailing stops: what Alpaca asks of them, and how their stop follows the market.

https://docs.alpaca.markets/docs/orders-at-alpaca, "Trailing Stop Orders".
"""

from __future__ import annotations

from decimal import Decimal

from simulators.alpaca.account import Order
from simulators.alpaca.wire import BUSINESS, VALIDATION, Refused, fits, text

HUNDRED = Decimal(100)
NAMES = ("trail_price", "trail_percent")


def check_trail(order: Order) -> None:
    """Refuse a trail that the page above does not know.

    One of `trail_price` and `trail_percent` is given, with this type only; the order is for the day or good till
    canceled, and a single one: no part of a bracket.
    """
    told = [getattr(order, name) for name in NAMES if getattr(order, name) is not None]
    if order.type != "trailing_stop":
        if told:
            raise Refused(422, VALIDATION, f"{order.type} orders must not have trail_price or trail_percent")
        return
    if len(told) != 1:
        raise Refused(422, VALIDATION, "trailing stop orders must specify one of trail_price or trail_percent")
    if told[0] <= 0 or (order.trail_percent is not None and told[0] >= HUNDRED):
        raise Refused(422, VALIDATION, "trail must be > 0, and trail_percent below 100")
    if order.trail_price is not None and not fits(order.trail_price, 2):
        raise Refused(422, BUSINESS, f"invalid trail_price {text(order.trail_price)}. sub-penny increment")
    if order.time_in_force not in ("day", "gtc"):
        raise Refused(422, BUSINESS, "trailing stop orders must be DAY or GTC orders")
    if order.qty is not None and not fits(order.qty, 0):
        # https://docs.alpaca.markets/docs/fractional-trading: market, limit, stop and stop limit orders only.
        raise Refused(422, BUSINESS, "fractional orders must not be trailing stop orders")


def follow(order: Order, price: Decimal) -> None:
    """Take up a price: the best one so far is the water mark, and the stop stays so far behind it.

    The same page: of a sale the stop is `hwm - trail_price`, or `hwm * (1 - trail_percent / 100)`; of a buy the lowest
    price counts, and the stop lies above it. A price that moves the other way leaves it where it is.
    """
    best = max if order.side == "sell" else min
    order.hwm = price if order.hwm is None else best(order.hwm, price)
    away = order.trail_price if order.trail_price is not None else order.hwm * (order.trail_percent or 0) / HUNDRED
    order.stop_price = order.hwm + order.sign * away
