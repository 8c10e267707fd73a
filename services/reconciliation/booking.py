"""Booking what a broker reports of orders: each report to the order it speaks of, those of others put on record."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from domain.executions import may_book
from domain.messages import FillReport, OrderReport
from domain.order_identity import assign, is_like
from domain.order_status import OrderStatus
from extensions import reading, transaction
from models import Order
from models.order import PENDING
from services import failpoints
from services.execution.claims import REF_COLUMNS, ref_of
from services.execution.order_records import Locked, apply_report, can_be_adopted, is_same_order, lock_orders
from services.reconciliation.foreign_orders import see_foreign
from services.timing import CLOCK_MARGIN

logger = logging.getLogger(__name__)

S = OrderStatus
UNBOOKABLE = (DataError, IntegrityError, ValueError, ArithmeticError)


def book_reports(account_id: int, reports: Sequence[OrderReport], worker: str) -> bool:
    """Book what a poll has brought, in one transaction; nothing happens where it is no news.

    Returns True if some had to be left, because a worker is sending these very orders and its own answer comes first.
    One report that no book takes keeps no other waiting: then the batch is halved, down to one.
    """
    if not reports:
        return False
    with reading() as session:
        known = _known(session, account_id, reports)
        assigned = assign({row: ref_of(order) for row, order in known.items()}, reports)
        doubted = _doubted(session, account_id, assigned.others)
    adopted, others = _by_likeness(doubted, assigned.others)
    news: list[tuple[int, OrderReport]] = list(adopted)
    left = False
    for row, report in assigned.ours:
        if known[row].status in (S.CLAIMED, S.SENDING):  # it belongs to the worker that sends it, whose answer is near
            left = True
        elif _is_news(known[row], report):
            news.append((row, report))
    for report in others:
        _take_foreign(account_id, report)
    return _book_news(account_id, news, worker) or left


def _known(session: Session, account_id: int, reports: Sequence[OrderReport]) -> Mapping[int, Any]:
    ours = {report.client_order_id for report in reports} - {""}
    theirs = {name for each in reports for name in (each.broker_order_id, each.replaces, each.replaced_by)} - {""}
    query = sa.select(*REF_COLUMNS).where(
        Order.account_id == account_id, Order.client_order_id.in_(ours) | Order.broker_order_id.in_(theirs)
    )
    return {row.id: row for row in session.execute(query)}


def _doubted(session: Session, account_id: int, others: Sequence[OrderReport]) -> list[Any]:
    """Return the orders that reports without our id may speak of: sent, and the broker has named no id yet."""
    if all(report.client_order_id for report in others):
        return []
    query = sa.select(*REF_COLUMNS).where(
        PENDING, Order.account_id == account_id, Order.sent_at.is_not(None), Order.broker_order_id.is_(None)
    )
    return list(session.execute(query))


def _by_likeness(
    doubted: Sequence[Any], others: Sequence[OrderReport]
) -> tuple[list[tuple[int, OrderReport]], list[OrderReport]]:
    """Return the reports of orders that a person was left with, and those of orders that are none of ours.

    Of what may be an order on its way, or one of unknown outcome, nothing is said here: its own answer or look-up
    decides. An order that a person was left with is taken over where nothing else at the broker looks like it.
    """
    like: dict[int, list[OrderReport]] = defaultdict(list)
    foreign = []
    for report in others:
        rows = [row for row in doubted if is_like(ref_of(row), report, CLOCK_MARGIN)]
        for row in rows:
            like[row.id].append(report)
        if not rows:
            foreign.append(report)
    status = {row.id: row.status for row in doubted}
    names = {row.id: row.client_order_id for row in doubted}
    adopted = [
        (row, replace(reports[0], client_order_id=names[row]))
        for row, reports in like.items()
        if status[row] == S.MANUAL and len(reports) == 1
    ]
    several = {each.broker_order_id for _, each in adopted}
    return (adopted if len(several) == len(adopted) else []), foreign


def _is_news(known: Any, report: OrderReport) -> bool:
    filled = report.filled
    if report.replaces and report.replaces == known.broker_order_id:
        return True
    if report.replaced_by:
        return bool(filled > known.filled_quantity)
    return bool(filled != known.filled_quantity or report.status != known.status or known.broker_order_id is None)


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
        fills: dict[int, tuple[FillReport, ...]] = {}
        for order_id, report in news:
            fills[order_id] = (*fills.get(order_id, ()), *may_book(report))
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
