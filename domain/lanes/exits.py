"""An exit that the venue ends before it is filled: it is tried again while the alert lives, a few times."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.enums import Purpose
from domain.exact import plain_text
from domain.lanes.leg import MOST_FIXES, LegOrder, Send
from domain.lanes.roll_up import SHORT
from domain.order_status import OrderStatus

S = OrderStatus
UNFINISHED = "exit unfinished"
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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An exit that has ended short: how many shares it has left, why, and whether they are sent again."""

    left: Decimal
    why: str
    is_sent_again: bool

    def __str__(self) -> str:
        more = "they are sent again" if self.is_sent_again else "a person must decide"
        return f"{UNFINISHED}: {self.why}; {plain_text(self.left)} are not closed, {more}"


def unfinished(orders: Sequence[LegOrder]) -> Unfinished | None:
    """Return what an exit has not closed although its orders have ended; `orders` are all of its signal, oldest first.

    None where it goes on, where somebody ended it on purpose, and where there was nothing left to close at sending.
    """
    for number in sorted({order.leg for order in orders}):
        forward = [order for order in orders if order.leg == number and order.purpose is not Purpose.UNWIND]
        first = [order for order in forward if order.purpose is Purpose.SIGNAL]
        left = sum((order.quantity for order in first), Decimal(0)) - sum(
            (order.filled for order in forward), Decimal(0)
        )
        ended = [order for order in forward if order.status in SHORT]
        if left <= 0 or not ended or any(order.is_open for order in first):
            continue
        last = ended[-1]
        if last.cancel_requested or (last.status is S.CANCELED and not last.was_sent):
            continue
        again = any(order.is_open for order in forward)
        return Unfinished(left, last.reason or last.status.lower(), again)
    return None
