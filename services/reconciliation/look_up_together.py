"""Many look-ups as one list: what became of several orders is read in the few requests that one poll takes."""

from __future__ import annotations

import sqlalchemy as sa

from brokers.base import Broker
from domain.order_status import OrderStatus
from extensions import reading, utc_now
from models import Order
from models.order import OPEN
from services import failpoints
from services.reconciliation import sync_broker
from services.reconciliation.order_lists import FEW, list_these


def resolve_together(account_id: int, broker: Broker, worker: str) -> int:
    """Book what became of the orders whose outcome is not known, if several are to be looked up; returns how many were.

    One that the list does not show is looked up by its id as before: no list proves that an order never arrived.
    Raises BrokerUnavailable.
    """
    with reading() as session:
        query = sa.select(Order.client_order_id, Order.sent_at).where(
            OPEN, Order.account_id == account_id, Order.status == OrderStatus.UNKNOWN, Order.next_at <= utc_now()
        )
        due = session.execute(query).all()
    if len(due) < FEW:
        return 0
    failpoints.reach("look-up before asking")
    reports = list_these(broker, due)
    failpoints.reach("look-up answered")
    sync_broker.book_reports(account_id, reports, worker)
    return len(reports)
