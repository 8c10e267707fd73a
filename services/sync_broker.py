"""Learning from the broker what became of orders: look-ups of unknown outcomes, and polls of working ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from brokers.base import Broker, Capabilities
from brokers.errors import BrokerUnavailable
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from extensions import database_time, reading, transaction
from models import Order
from models.order import IN_FLIGHT, WORKING
from services import crash_points
from services.book import (
    apply_report,
    fail_order,
    is_same_order,
    lock_order,
    move_order,
    note,
    refresh_signal,
)

logger = logging.getLogger(__name__)

S = OrderStatus
LOOKUP_DELAYS = [2, 5, 10, 20, 30, 60]  # seconds until the next look-up, then each 60 s
MIN_LOOKUPS = 3
LOOK_BACK = timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class LookUp:
    """An order whose outcome is to be asked for."""

    order_id: int
    account_id: int
    client_order_id: str


def resolve_next(brokers: Mapping[int, Broker], worker: str) -> bool:
    """Look up one order whose outcome is not known; False when none is due."""
    due = _due_lookup(tuple(brokers))
    if due is None:
        return False
    crash_points.reach("look-up before asking")
    broker = brokers[due.account_id]
    try:
        report = broker.find_order(due.client_order_id)
    except BrokerUnavailable as e:
        logger.warning("order %s: cannot be looked up now (%s)", due.client_order_id, e)
        return True
    crash_points.reach("look-up answered")
    with transaction() as session:
        order = lock_order(session, due.order_id)
        if order.status != S.UNKNOWN:
            return True
        if report is None:
            _absent(session, order, broker.capabilities, worker)
        elif not is_same_order(order, report):
            order.reason = "the broker has another order under this id"
            move_order(session, order, S.MANUAL, order.reason, worker)
            refresh_signal(session, order.signal_id, worker)
        else:
            apply_report(session, order, report, worker)
        crash_points.reach("look-up before commit")
    return True


def poll_account(account_id: int, broker: Broker, since: datetime | None, worker: str) -> datetime:
    """Book all changes at the broker since `since` (None = the last hour); returns where the next poll begins.

    Raises BrokerUnavailable. Orders that are not ours are left alone.
    """
    now = database_time()
    reports = broker.list_orders((since or now) - (timedelta(seconds=60) if since else LOOK_BACK))
    crash_points.reach("poll answered")
    for report in reports:
        _book(account_id, report, worker)
    for missed in _working_before(account_id, {report.client_order_id for report in reports}):
        found = broker.find_order(missed)
        if found is None:
            logger.error("order %s: working in our book, but the broker does not know it", missed)
        else:
            _book(account_id, found, worker)
    return now


def has_working_orders(account_id: int) -> bool:
    """Tell whether an account has orders whose end is still to come."""
    with reading() as session:
        return session.execute(sa.select(sa.exists().where(WORKING, Order.account_id == account_id))).scalar_one()


def _due_lookup(accounts: tuple[int, ...]) -> LookUp | None:
    with transaction() as session:
        now = database_time()
        query = (
            sa.select(Order)
            .where(IN_FLIGHT, Order.status == S.UNKNOWN, Order.account_id.in_(accounts), Order.next_at <= now)
            .order_by(Order.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=Order)
        )
        order = session.execute(query).scalar_one_or_none()
        if order is None:
            return None
        # Moving the next look-up keeps other workers off this one while we ask.
        order.next_at = now + timedelta(seconds=LOOKUP_DELAYS[min(order.lookups, len(LOOKUP_DELAYS) - 1)])
        return LookUp(order.id, order.account_id, order.client_order_id)


def _absent(session: Session, order: Order, able: Capabilities, worker: str) -> None:
    """Count one 'not found'. Only several of them, after the broker had time to show it, prove absence."""
    order.lookups += 1
    now = database_time()
    settled = order.sent_at is not None and now >= order.sent_at + timedelta(seconds=able.settle_seconds)
    note(session, order, f"not found at the broker, look-up {order.lookups}", worker)
    if order.lookups < MIN_LOOKUPS or not settled:
        return
    if not (able.lookup_by_client_order_id and able.refuses_repeated_client_order_id):
        order.reason = "sent, but never seen at the broker; a person must look there"
        move_order(session, order, S.MANUAL, order.reason, worker)
        refresh_signal(session, order.signal_id, worker)
        return
    order.next_at = now
    move_order(session, order, S.QUEUED, "surely absent at the broker, sent again under the same id", worker)
    if order.not_after is not None and order.not_after <= now:
        fail_order(session, order, S.STALE, "never arrived, and now it is too old to send", worker)


def _book(account_id: int, report: OrderReport, worker: str) -> None:
    with transaction() as session:
        query = sa.select(Order.id).where(
            Order.client_order_id == report.client_order_id, Order.account_id == account_id
        )
        order_id = session.execute(query).scalar_one_or_none()
        if order_id is None:
            return
        order = lock_order(session, order_id)
        # An order in SENDING belongs to the worker that sends it; its own answer is on the way.
        if order.status in (S.CLAIMED, S.SENDING, S.QUEUED):
            return
        if not is_same_order(order, report):
            logger.error("order %s: the broker reports other terms under this id; ignored", order.client_order_id)
            return
        if not _is_news(order, report):
            return
        apply_report(session, order, report, worker)
        crash_points.reach("booking before commit")
    crash_points.reach("booking after commit")


def _is_news(order: Order, report: OrderReport) -> bool:
    filled = sum((fill.quantity for fill in report.fills), start=order.filled_quantity * 0)
    return filled != order.filled_quantity or report.status != order.status or order.broker_order_id is None


def _working_before(account_id: int, reported: set[str]) -> list[str]:
    with reading() as session:
        query = sa.select(Order.client_order_id).where(WORKING, Order.account_id == account_id).order_by(Order.id)
        return [
            client_order_id for client_order_id in session.execute(query).scalars() if client_order_id not in reported
        ]
