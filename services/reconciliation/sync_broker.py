"""Learning from the broker what became of orders: look-ups of unknown outcomes, and polls of working ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from brokers.base import Broker, Capabilities
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from extensions import database_time, reading, transaction
from models import Order
from models.order import WORKING
from services import failpoints
from services.execution.claims import MOST_ATTEMPTS
from services.execution.due import take
from services.execution.order_moves import move_order, note
from services.execution.order_records import (
    Locked,
    apply_report,
    can_be_adopted,
    fail_order,
    is_same_order,
    lock_order,
    lock_orders,
)
from services.execution.roll_up import refresh_signal
from services.reconciliation.foreign_orders import see_foreign
from services.reconciliation.order_lists import list_these
from services.timing import LOOK_BACK, LOOKUP_DELAYS, OVERLAP

logger = logging.getLogger(__name__)

S = OrderStatus
UNBOOKABLE = (DataError, IntegrityError, ValueError, ArithmeticError)
MIN_LOOKUPS = 3


def resolve_next(brokers: Mapping[int, Broker], worker: str) -> bool:
    """Look up one order whose outcome is not known; False when none is due. Raises BrokerUnavailable."""
    due = take(S.UNKNOWN, brokers, _until_next)
    if due is None:
        return False
    failpoints.reach("look-up before asking")
    broker = brokers[due.account_id]
    report = broker.find_order(due.client_order_id)
    failpoints.reach("look-up answered")
    with transaction() as session:
        locked = lock_order(session, due.order_id)
        if locked.order.status != S.UNKNOWN:
            return True
        if report is None:
            _absent(session, locked, broker.capabilities, worker)
        elif not is_same_order(locked.order, report):
            _to_manual(session, locked, "the broker has another order under this id", worker)
        else:
            apply_report(session, locked, report, worker)
        failpoints.reach("look-up before commit")
    return True


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
    settled = now - timedelta(seconds=able.settle_seconds if able.is_remote else 0)
    missed = _working_before(account_id, {report.client_order_id for report in reports}, settled)
    if listed := list_these(broker, missed):
        soon = book_reports(account_id, listed, worker) or any(map(lacks_fills, listed)) or soon
    shown = {report.client_order_id for report in listed}
    for client_order_id in [row.client_order_id for row in missed if row.client_order_id not in shown]:
        found = broker.find_order(client_order_id)
        if found is None:
            _doubt(account_id, client_order_id, worker)
        else:
            soon = book_reports(account_id, [found], worker) or lacks_fills(found) or soon
    return Polled(now, soon)


def lacks_fills(report: OrderReport) -> bool:
    """Return True if a broker calls an order filled and has not shown all its executions yet."""
    return report.status is S.FILLED and sum((fill.quantity for fill in report.fills), Decimal(0)) < report.quantity


def book_reports(account_id: int, reports: Sequence[OrderReport], worker: str) -> bool:
    """Book what a poll has brought, in one transaction; nothing happens where it is no news.

    Returns True if some had to be left, because a worker is sending these very orders and its own answer comes first.
    One report that no book takes keeps no other waiting: then the batch is halved, down to one.
    """
    with reading() as session:
        query = sa.select(
            Order.id, Order.client_order_id, Order.status, Order.filled_quantity, Order.broker_order_id
        ).where(
            Order.account_id == account_id,
            Order.client_order_id.in_({report.client_order_id for report in reports}),
        )
        known = {row.client_order_id: row for row in session.execute(query)} if reports else {}
    news: list[tuple[int, OrderReport]] = []
    left = False
    for report in reports:
        row = known.get(report.client_order_id)
        if row is None:
            _take_foreign(account_id, report)
        elif row.status in (S.CLAIMED, S.SENDING):  # it belongs to the worker that sends it; its answer is on the way
            left = True
        elif _is_news(row, report):
            news.append((row.id, report))
    return _book_news(account_id, news, worker) or left


def _take_foreign(account_id: int, report: OrderReport) -> None:
    try:
        see_foreign(account_id, report)
    except UNBOOKABLE:
        # Others are not kept waiting for one that no book takes; it comes again with the next polls.
        logger.exception("account %s: what the broker says of %s cannot be booked", account_id, report)


def _book_news(account_id: int, news: Sequence[tuple[int, OrderReport]], worker: str) -> bool:
    if not news:
        return False
    try:
        return _book_all(account_id, news, worker)
    except UNBOOKABLE:
        if len(news) == 1:
            logger.exception("account %s: what the broker says of %s cannot be booked", account_id, news[0][1])
            return False
    half = len(news) // 2
    left = _book_news(account_id, news[:half], worker)
    return _book_news(account_id, news[half:], worker) or left


def _book_all(account_id: int, news: Sequence[tuple[int, OrderReport]], worker: str) -> bool:
    left = False
    with transaction() as session:
        fills = {order_id: report.fills for order_id, report in news}
        found = lock_orders(session, sorted(fills), fills, accounts=[account_id])
        with session.no_autoflush:
            for order_id, report in news:
                left = _book_one(session, found.of(order_id), report, worker) or left
            found.ledger.store()
        failpoints.reach("booking before commit")
    failpoints.reach("booking after commit")
    return left


def _book_one(session: Session, locked: Locked, report: OrderReport, worker: str) -> bool:
    if locked.order.status in (S.CLAIMED, S.SENDING):
        return True
    if not is_same_order(locked.order, report):
        logger.error("order %s: the broker reports other terms under this id; ignored", report.client_order_id)
        return False
    adopted = can_be_adopted(locked.order, report)
    if adopted:
        logger.critical(
            "order %s: %s in our book, but %s at the broker; taken over from there",
            report.client_order_id,
            locked.order.status,
            report.status,
        )
    apply_report(session, locked, report, worker, by_evidence=adopted)
    return False


def has_working_orders(account_id: int) -> bool:
    """Return True if an account has orders whose end is still to come."""
    with reading() as session:
        return session.execute(sa.select(sa.exists().where(WORKING, Order.account_id == account_id))).scalar_one()


def _until_next(order: Order) -> timedelta:
    return timedelta(seconds=LOOKUP_DELAYS[min(order.lookups, len(LOOKUP_DELAYS) - 1)])


def _absent(session: Session, locked: Locked, able: Capabilities, worker: str) -> None:
    """Count one 'not found'. Only several of them, after the broker had time to show it, prove absence."""
    order, now = locked.order, locked.now
    order.lookups += 1
    settled = order.sent_at is not None and now >= order.sent_at + timedelta(seconds=able.settle_seconds)
    note(session, order, f"not found at the broker, look-up {order.lookups}", worker)
    if order.lookups < MIN_LOOKUPS or not settled:
        return
    if order.broker_order_id is not None:
        _to_manual(session, locked, "the broker had it, and now does not know it; a person must look there", worker)
        return
    if not (able.lookup_by_client_order_id and able.refuses_repeated_client_order_id):
        _to_manual(session, locked, "sent, but never seen at the broker; a person must look there", worker)
        return
    order.next_at = now
    move_order(session, order, S.QUEUED, "surely absent at the broker, may be sent again under the same id", worker)
    if order.cancel_requested_at is not None:
        fail_order(session, locked, S.CANCELED, order.cancel_reason or "canceled before it arrived", worker)
    elif order.not_after is not None and order.not_after <= now:
        fail_order(session, locked, S.STALE, "never arrived, and now it is too old to send", worker)
    elif order.send_attempts >= MOST_ATTEMPTS:
        fail_order(session, locked, S.DENIED, f"did not arrive in {order.send_attempts} attempts", worker)


def _to_manual(session: Session, locked: Locked, reason: str, worker: str) -> None:
    locked.order.reason = reason
    move_order(session, locked.order, S.MANUAL, reason, worker)
    refresh_signal(session, locked.signal, locked.order, locked.now, worker)


def _doubt(account_id: int, client_order_id: str, worker: str) -> None:
    """Look up once more an order that works in our book but is not found at the broker."""
    cause = "working in our book, not found at the broker"
    try:
        with transaction() as session:
            query = sa.select(Order.id).where(Order.client_order_id == client_order_id, Order.account_id == account_id)
            locked = lock_order(session, session.execute(query).scalar_one())
            if locked.order.status not in (S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING):
                return
            logger.error("order %s: working in our book, but the broker does not know it", client_order_id)
            locked.order.lookups, locked.order.next_at = 0, locked.now
            move_order(session, locked.order, S.UNKNOWN, cause, worker, by_evidence=True)
    except IntegrityError:
        # Another order of this symbol is in flight, and there can be one only: this one's turn comes with a later poll.
        logger.info("order %s: looked up once the other order of its symbol is settled", client_order_id)


def _is_news(known: Any, report: OrderReport) -> bool:
    filled = sum(fill.quantity for fill in report.fills)
    return bool(filled != known.filled_quantity or report.status != known.status or known.broker_order_id is None)


def _working_before(account_id: int, reported: set[str], settled: datetime) -> list[Any]:
    """Return the orders that work in our book, were sent before `settled`, and are not among those reported.

    One that was sent a moment ago may have come to the broker after it was asked: the next poll shows it.
    """
    with reading() as session:
        query = sa.select(Order.client_order_id, Order.sent_at).where(WORKING, Order.account_id == account_id)
        query = query.where(Order.sent_at.is_(None) | (Order.sent_at <= settled)).order_by(Order.id)
        return [row for row in session.execute(query) if row.client_order_id not in reported]
