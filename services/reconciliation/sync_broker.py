"""Polling a broker: what has changed there, and what works in our book and is not to be seen there."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from brokers.base import Broker
from domain.messages import OrderRef, OrderReport
from domain.order_identity import as_ours, assign
from domain.order_status import AT_BROKER, OrderStatus
from extensions import database_time, reading, transaction
from models import Order
from models.order import WORKING
from services import failpoints
from services.execution.claims import REF_COLUMNS, ref_of
from services.execution.order_moves import move_order, note
from services.execution.order_records import lock_order
from services.reconciliation.booking import book_reports
from services.reconciliation.order_lists import list_these
from services.timing import LOOK_BACK, OVERLAP

logger = logging.getLogger(__name__)

S = OrderStatus
NOT_SHOWN = "the broker does not show it any more, which proves nothing; look there"


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll came to: `until` is where the next one begins, `soon` whether it should come at once."""

    until: datetime
    soon: bool


def poll_account(account_id: int, broker: Broker, since: datetime | None, worker: str) -> Polled:
    """Book all changes at the broker since `since` (None = the last hour).

    Raises BrokerUnavailable. Orders that are not ours are put on record and left alone.
    """
    with reading():
        now = database_time()
    reports = broker.list_orders(now - LOOK_BACK if since is None else since - OVERLAP)
    failpoints.reach("poll answered")
    soon = book_reports(account_id, reports, worker) or any(map(lacks_fills, reports))
    able = broker.capabilities
    settled = now - timedelta(seconds=able.pace.settle if able.is_remote else 0)
    missed = _working_before(account_id, reports, settled)
    listed = list_these(broker, missed)
    if listed:
        shown = [report for _, report in listed]
        soon = book_reports(account_id, shown, worker) or any(map(lacks_fills, shown)) or soon
    for row in missed.keys() - {row for row, _ in listed}:
        soon = _look_up(account_id, row, missed[row], broker, worker) or soon
    return Polled(now, soon)


def lacks_fills(report: OrderReport) -> bool:
    """Return True if a broker calls an order filled and has not shown all its executions yet."""
    return report.status is S.FILLED and report.filled < report.quantity


def has_working_orders(account_id: int) -> bool:
    """Return True if an account has orders whose end is still to come."""
    with reading() as session:
        return session.execute(sa.select(sa.exists().where(WORKING, Order.account_id == account_id))).scalar_one()


def _look_up(account_id: int, row: int, order: OrderRef, broker: Broker, worker: str) -> bool:
    """Look up one order that the list does not show; returns whether the next poll should come at once."""
    found = broker.find_order(order)
    if found.report is not None:
        report = as_ours(order, found.report)
        return book_reports(account_id, [report], worker) or lacks_fills(report)
    if found.is_proof:
        _doubt(row, worker)
    else:
        _note_not_shown(row, worker)
    return False


def _doubt(row: int, worker: str) -> None:
    """Look up once more an order that works in our book but is not found at the broker."""
    cause = "working in our book, not found at the broker"
    try:
        with transaction() as session:
            locked = lock_order(session, row)
            if locked.order.status not in AT_BROKER:
                return
            logger.error("order %s: working in our book, but the broker does not know it", locked.order.client_order_id)
            locked.order.lookups, locked.order.next_at = 0, locked.now
            move_order(session, locked.order, S.UNKNOWN, cause, worker, by_evidence=True)
    except IntegrityError:
        # Another order of this symbol is in flight, and there can be one only: this one's turn comes with a later poll.
        logger.info("order %s: looked up once the other order of its symbol is settled", row)


def _note_not_shown(row: int, worker: str) -> None:
    """Say, once, that the broker shows an order of ours no more: it may work there all the same."""
    with transaction() as session:
        order = lock_order(session, row).order
        if order.status in AT_BROKER and order.reason != NOT_SHOWN:
            order.reason = NOT_SHOWN
            note(session, order, NOT_SHOWN, worker)
            logger.error("order %s: %s", order.client_order_id, NOT_SHOWN)


def _working_before(account_id: int, reports: Collection[OrderReport], settled: datetime) -> dict[int, OrderRef]:
    """Return the orders that work in our book, were sent before `settled`, and are not among those reported, by row.

    One that was sent a moment ago may have come to the broker after it was asked: the next poll shows it.
    """
    with reading() as session:
        query = sa.select(*REF_COLUMNS).where(WORKING, Order.account_id == account_id)
        query = query.where(Order.sent_at.is_(None) | (Order.sent_at <= settled)).order_by(Order.id)
        working = {row.id: ref_of(row) for row in session.execute(query)}
    reported = {row for row, _ in assign(working, list(reports)).ours}
    return {row: order for row, order in working.items() if row not in reported}
