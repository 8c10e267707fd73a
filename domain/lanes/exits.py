"""An exit that the venue ends before it is filled: it is tried again while the alert lives, a few times."""

from collections.abc import Sequence
from decimal import Decimal

from domain.enums import Purpose
from domain.leg import MOST_FIXES, LegOrder, Send
from domain.order_status import OrderStatus

S = OrderStatus
ENDED_THERE = frozenset({S.CANCELED, S.EXPIRED, S.REJECTED})


def next_try(orders: Sequence[LegOrder], *, is_alive: bool) -> Send | None:
    """Return the order that closes what the exit of a single has left; `orders` are all of its signal, oldest first.

    None while one works, once it is filled, when it was canceled on purpose, and after a few tries: then a person must
    look. How much is held by then is asked at sending.
    """
    if not orders or not is_alive or any(order.is_open for order in orders):
        return None
    first, last = orders[0], orders[-1]
    lacking = first.quantity - sum((order.filled for order in orders), Decimal(0))
    tries = sum(order.purpose is Purpose.COMPLETE for order in orders)
    if lacking <= 0 or tries >= MOST_FIXES or last.cancel_requested or last.status not in ENDED_THERE:
        return None
    return Send(first.leg, first.side, lacking, Purpose.COMPLETE, tries + 1)
