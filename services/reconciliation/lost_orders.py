"""Orders that were given up because the broker did not show them: asked for again for a day, taken over once they show.

By then they are older than what the polls look back to, and the broker may have filled them long ago.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from brokers.base import Broker
from domain.messages import OrderRef
from domain.order_status import OrderStatus
from domain.venue.capabilities import Identity
from extensions import database_time, reading, transaction
from models import Order
from services.execution.claims import ref_of
from services.reconciliation.booking import book_reports
from services.timing import LOST_LOOK_BACK

S = OrderStatus
GIVEN_UP = (S.STALE, S.DENIED, S.REJECTED, S.CANCELED)
MOST = 5  # look-ups at a time: the broker's limit of requests is for orders first
# Until the next look-up, by how long ago the order was sent: an hour, say, is late already for one to show.
PAUSES = (
    (timedelta(minutes=10), timedelta(seconds=15)),
    (timedelta(hours=1), timedelta(minutes=1)),
    (LOST_LOOK_BACK, timedelta(minutes=10)),
)


def look_for_lost(account_id: int, broker: Broker, worker: str, symbols: Collection[str] | None = None) -> bool:
    """Look up orders of an account that were given up, and book those that show; True when any was asked for.

    Those whose time has come; of `symbols`, where they are named, all at once. Raises BrokerUnavailable.
    """
    if broker.capabilities.identity is Identity.LIKENESS:
        return False
    wanted = _take(account_id, symbols)
    for order in wanted:
        report = broker.find_order(order).report
        if report is not None:
            book_reports(account_id, [report], worker)
    return bool(wanted)


def _take(account_id: int, symbols: Collection[str] | None) -> list[OrderRef]:
    """Return the orders to be looked up, put off for all others."""
    with reading() as session:
        if not session.execute(_lost(account_id, symbols, database_time()).limit(1)).first():
            return []
    with transaction() as session:
        now = database_time()
        locked = _lost(account_id, symbols, now).limit(MOST).with_for_update(skip_locked=True, of=Order)
        orders = session.execute(locked).scalars().all()
        for order in orders:
            order.next_at = now + _pause(order, now)
        return [ref_of(order) for order in orders]


def _lost(account_id: int, symbols: Collection[str] | None, now: datetime) -> sa.Select[Order]:
    return (
        sa.select(Order)
        .where(Order.account_id == account_id, Order.created_at > now - LOST_LOOK_BACK, Order.status.in_(GIVEN_UP))
        # It was sent, looked up in vain, and the broker never named an id of its own.
        .where(Order.sent_at.is_not(None), Order.lookups > 0, Order.broker_order_id.is_(None))
        .where(Order.next_at <= now if symbols is None else Order.symbol.in_(symbols))
        .order_by(Order.next_at, Order.id)
    )


def _pause(order: Order, now: datetime) -> timedelta:
    age = now - (order.sent_at or order.created_at)
    return next((pause for until, pause in PAUSES if age < until), LOST_LOOK_BACK)
