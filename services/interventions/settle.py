"""What a person settles by hand: signals that needed one, and orders of which no look-up can tell."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.errors import Conflict, InvalidInput, NotFound
from domain.order_status import CLOSED, IN_FLIGHT, OrderStatus, SignalStatus
from domain.trace import step
from extensions import transaction
from models import ForeignOrder, Order, Signal
from services import journal
from services.account_lock import lock_signal
from services.execution.cancel_orders import cancel_signal_orders
from services.execution.order_moves import move_order, note
from services.execution.order_records import Locked, fail_order, lock_order
from services.execution.roll_up import refresh_signal
from services.signal_moves import move_signal

logger = logging.getLogger(__name__)


def settle_signal(rowid: int, reason: str, actor: str) -> Signal:
    """Close a `critical err` that a person has dealt with; its fills and positions stay as they are.

    Raises NotFound, and Conflict when it is not critical or its orders are still open.
    """
    with transaction() as session:
        signal = lock_signal(session, rowid)
        if signal is None:
            raise NotFound("item not found.")
        if signal.status != SignalStatus.CRITICAL:
            raise Conflict(f"The signal is '{signal.status}'; only a 'critical err' is settled by hand.")
        if signal.external:
            cancel_signal_orders(session, signal, f"settled by {actor}: {reason}", actor)
        orders = session.execute(sa.select(Order).where(Order.signal_id == rowid)).scalars().all()
        if any(order.status not in CLOSED for order in orders):
            raise Conflict("Orders of this signal are still open; they must end first.")
        held = any(order.filled_quantity > 0 for order in orders)
        settled = SignalStatus.PART_FILLED if held else SignalStatus.CANCELED
        move_signal(session, signal, settled, f"settled by {actor}: {reason}", actor)
        signal.unbalanced_at = None
        signal.trace = [*signal.trace, step("settled", True, f"{actor} has settled it by hand: {reason}")]
        journal.record(session, actor, "settle", f"signal {rowid}", reason)
    return signal


def resolve_order(order_id: int, reason: str, actor: str) -> Order:
    """Record a person's word that an order is not at the broker, where no look-up can tell; NotFound or Conflict."""
    with transaction() as session:
        locked = _lock_manual(session, order_id)
        journal.record(session, actor, "resolve", f"order {locked.order.client_order_id}", reason)
        if locked.order.broker_order_id is not None:  # should the broker show it again, it is taken over from there
            note(session, locked.order, f"its id at the broker was {locked.order.broker_order_id}", actor)
            locked.order.broker_order_id = None
        fail_order(session, locked, OrderStatus.REJECTED, f"{actor} says it is not at the broker: {reason}", actor)
    return locked.order


def identify_order(order_id: int, broker_order_id: str, reason: str, actor: str) -> Order:
    """Record which of the broker's orders a MANUAL one is, as a person has seen there; a worker then looks that one up.

    Raises NotFound, Conflict when the order is not MANUAL, and InvalidInput when that id is known to be another's.
    """
    with transaction() as session:
        locked = _lock_manual(session, order_id)
        order = locked.order
        _check_free(session, order, broker_order_id)
        what = f"is the broker's order {broker_order_id}"
        journal.record(session, actor, "resolve", f"order {order.client_order_id}", f"{what}: {reason}")
        mine = sa.delete(ForeignOrder).where(
            ForeignOrder.account_id == order.account_id, ForeignOrder.broker_order_id == broker_order_id
        )
        session.execute(mine)  # what it has traded is the desk's own, not somebody else's
        order.broker_order_id, order.lookups, order.next_at, order.reason = broker_order_id, 0, locked.now, None
        move_order(session, order, OrderStatus.UNKNOWN, f"{actor} says it {what}: {reason}", actor)
        refresh_signal(session, locked.signal, order, locked.now, actor)
    return order


def _lock_manual(session: Session, order_id: int) -> Locked:
    if session.execute(sa.select(Order.id).where(Order.id == order_id)).scalar() is None:
        raise NotFound("item not found.")
    locked = lock_order(session, order_id)
    if locked.order.status != OrderStatus.MANUAL:
        raise Conflict(f"The order is {locked.order.status}; only a MANUAL one is resolved by hand.")
    return locked


def _check_free(session: Session, order: Order, broker_order_id: str) -> None:
    others = (Order.account_id == order.account_id, Order.id != order.id)
    named = sa.select(Order.client_order_id).where(*others, Order.broker_order_id == broker_order_id)
    if (other := session.execute(named).scalar()) is not None:
        raise InvalidInput({"broker_order_id": f"is the id of order {other}"})
    busy = sa.select(Order.client_order_id).where(*others, Order.symbol == order.symbol, Order.status.in_(IN_FLIGHT))
    if (other := session.execute(busy).scalar()) is not None:  # never two of a symbol whose outcome is not known
        raise Conflict(f"Order {other} of {order.symbol} is on its way to the broker; try again in a moment.")
