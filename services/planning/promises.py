"""What the signals under way are still to order: the legs that follow others, and what opens after a close."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from domain.enums import Purpose, Side
from domain.order_status import FAILED, SignalStatus
from models import BrokerAccount, Order, Signal
from models.order import OPEN
from models.signal import UNBALANCED

ZERO = Decimal(0)
UNDER_WAY = (SignalStatus.CREATED, SignalStatus.LEG_FILLED, SignalStatus.PART_FILLED)


class Promise(NamedTuple):
    """Shares of a symbol that a book is still to order, signed; nobody else may count on that symbol until then."""

    account: str
    name: str
    symbol: str
    quantity: Decimal


_SIGNAL, _ORDER = aliased(Signal), aliased(Order)
# Few signals are under way, so they are found by their open orders and their unequal legs, never by a walk over all.
_BEGUN: sa.CompoundSelect[int] = sa.union_all(
    sa.select(Order.signal_id).where(OPEN), sa.select(Signal.id).where(UNBALANCED)
)
_PROMISES = (
    sa.select(
        _SIGNAL.id,
        BrokerAccount.name.label("account"),
        _SIGNAL.name,
        _SIGNAL.symbol1,
        _SIGNAL.symbol2,
        _SIGNAL.leg_quantity1,
        _SIGNAL.leg_quantity2,
        _ORDER.leg,
        _ORDER.side,
        _ORDER.quantity,
        _ORDER.status,
        _ORDER.purpose,
        _ORDER.cancel_requested_at,
    )
    .join(_ORDER, _ORDER.signal_id == _SIGNAL.id)
    .join(BrokerAccount, BrokerAccount.id == _SIGNAL.account_id)
    .where(
        _SIGNAL.id.in_(_BEGUN),
        _SIGNAL.status.in_(UNDER_WAY),
        _SIGNAL.leg_quantity1.is_not(None) | _SIGNAL.leg_quantity2.is_not(None),
    )
    .order_by(_SIGNAL.id, _ORDER.id)
)


def read_promises(session: Session) -> tuple[Promise, ...]:
    """Return what all signals under way are still to order, oldest first; what a failure has stopped is left out."""
    rows = session.execute(_PROMISES).all()
    return tuple(promise for _, orders in groupby(rows, key=lambda row: row.id) for promise in _of_signal(list(orders)))


def _of_signal(orders: list[Any]) -> Iterable[Promise]:
    """Yield what one signal is still to order; each row is an order of it, with the signal's plan beside it."""
    if any(_has_failed(order) for order in orders):
        return
    first = orders[0]
    sides = {order.leg: Side(order.side) for order in orders}
    for leg, symbol, planned in ((1, first.symbol1, first.leg_quantity1), (2, first.symbol2, first.leg_quantity2)):
        ordered = sum((order.quantity for order in orders if order.leg == leg), ZERO)
        if symbol and planned and planned > ordered:
            side = sides.get(leg) or next(iter(sides.values())).opposite
            yield Promise(first.account, first.name, symbol, side.sign * (planned - ordered))


def _has_failed(order: Any) -> bool:
    return order.purpose == Purpose.UNWIND or order.status in FAILED or order.cancel_requested_at is not None
