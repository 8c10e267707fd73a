"""Pairs out of balance: the time one leg may work while the other is filled, and what a person settles by hand."""

from __future__ import annotations

import logging
from collections.abc import Collection

import sqlalchemy as sa

from domain.errors import Conflict, NotFound
from domain.order_status import CLOSED, OrderStatus, SignalStatus
from domain.trace import step
from extensions import database_time, reading, transaction
from models import Order, Signal
from models.signal import UNBALANCED
from services import failpoints, journal
from services.account_lock import lock_signal
from services.execution.cancel_orders import cancel_signal_orders
from services.execution.order_moves import note
from services.execution.order_records import fail_order, lock_order
from services.execution.roll_up import is_overdue, refresh_signal
from services.signal_moves import move_signal

logger = logging.getLogger(__name__)


def tend(accounts: Collection[int], worker: str) -> int:
    """Act on signals whose legs have been out of balance for too long; returns how many were looked at.

    Of accounts other than `accounts`, which cannot be traded now, a lone leg is only told of.
    """
    with reading() as session:
        # Once it is told, it stays so until an order changes; there is nothing more to do where nothing can be traded.
        wanted = Signal.account_id.in_(accounts) | (Signal.status != SignalStatus.CRITICAL)
        query = sa.select(Signal.id).where(UNBALANCED, wanted).order_by(Signal.id)
        found = list(session.execute(query).scalars())
        now = database_time() if found else None
    for rowid in found:
        with transaction() as session:
            signal = lock_signal(session, rowid)
            if now is not None and signal is not None and is_overdue(signal, now):
                refresh_signal(session, signal, None, now, worker, timed_out=signal.account_id in accounts)
                failpoints.reach("tend before commit")
    return len(found)


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
        if session.execute(sa.select(Order.id).where(Order.id == order_id)).scalar() is None:
            raise NotFound("item not found.")
        locked = lock_order(session, order_id)
        if locked.order.status != OrderStatus.MANUAL:
            raise Conflict(f"The order is {locked.order.status}; only a MANUAL one is resolved by hand.")
        journal.record(session, actor, "resolve", f"order {locked.order.client_order_id}", reason)
        if locked.order.broker_order_id is not None:  # should the broker show it again, it is taken over from there
            note(session, locked.order, f"its id at the broker was {locked.order.broker_order_id}", actor)
            locked.order.broker_order_id = None
        fail_order(session, locked, OrderStatus.REJECTED, f"{actor} says it is not at the broker: {reason}", actor)
    return locked.order
