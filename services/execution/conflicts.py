"""What becomes of an order that a broker does not take because another one of the account stands against it."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.orm import Session

from brokers.errors import Conflicts
from models import Order
from models.order import OPEN
from services.execution.cancel_orders import cancel_for_exits
from services.execution.order_records import Locked

logger = logging.getLogger(__name__)


def make_way(session: Session, locked: Locked, conflict: Conflicts, worker: str) -> bool:
    """Return True if the order that stands in the way is ours, so that its end is only a matter of time.

    An entry that stands against an exit is canceled; whatever else is ours is waited for. The account is locked.
    """
    order = locked.order
    query = sa.select(Order).where(
        OPEN, Order.account_id == order.account_id, Order.broker_order_id == conflict.broker_order_id
    )
    other = session.execute(query).scalar_one_or_none() if conflict.broker_order_id else None
    if other is None:
        what = conflict.broker_order_id or "which it does not name"
        logger.warning("order %s: an order that is not ours stands against it (%s)", order.client_order_id, what)
        return False
    if order.is_exit and not other.is_exit and other.cancel_requested_at is None:
        reason = f"it stands against the exit {order.client_order_id}"
        cancel_for_exits(session, {other.id: reason}, worker, locked.now)
        logger.warning("order %s: its cancel is requested, %s", other.client_order_id, reason)
    return True
