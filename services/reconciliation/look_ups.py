"""Looking up orders whose outcome is not known: found ones are booked, absent ones sent again or given to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from brokers.base import Broker
from domain.messages import Found, OrderReport
from domain.order_identity import as_ours, is_like
from domain.order_status import OrderStatus
from domain.venue.capabilities import AccountCapabilities, Identity
from extensions import reading, transaction, utc_now
from models import ForeignOrder, Order
from models.order import OPEN
from services import failpoints
from services.execution.claims import MOST_ATTEMPTS, REF_COLUMNS, ref_of
from services.execution.due import InHand, take
from services.execution.order_moves import move_order, note
from services.execution.order_records import Locked, apply_report, fail_order, is_same_order, lock_order
from services.execution.roll_up import refresh_signal
from services.reconciliation.booking import book_reports
from services.reconciliation.order_lists import FEW, list_these
from services.timing import CLOCK_MARGIN, LOOKUP_DELAYS

S = OrderStatus
MIN_LOOKUPS = 3


def resolve_together(account_id: int, broker: Broker, worker: str) -> int:
    """Book what became of the orders whose outcome is not known, if several are to be looked up; returns how many were.

    One that the list does not show is looked up by itself as before: no list proves that an order never arrived.
    Raises BrokerUnavailable.
    """
    with reading() as session:
        query = sa.select(*REF_COLUMNS).where(
            OPEN, Order.account_id == account_id, Order.status == S.UNKNOWN, Order.next_at <= utc_now()
        )
        due = {row.id: ref_of(row) for row in session.execute(query)}
    if len(due) < FEW:
        return 0
    failpoints.reach("look-up before asking")
    reports = [report for _, report in list_these(broker, due)]
    failpoints.reach("look-up answered")
    book_reports(account_id, reports, worker)
    return len(reports)


def resolve_next(brokers: Mapping[int, Broker], worker: str) -> bool:
    """Look up one order whose outcome is not known; False when none is due. Raises BrokerUnavailable."""
    due = take(S.UNKNOWN, brokers, _until_next)
    if due is None:
        return False
    failpoints.reach("look-up before asking")
    broker = brokers[due.account_id]
    found = broker.find_order(due.ref)
    failpoints.reach("look-up answered")
    with transaction() as session:
        locked = lock_order(session, due.order_id)
        if locked.order.status == S.UNKNOWN:
            _Looked(session, locked, due, broker.capabilities, worker).book(found)
        failpoints.reach("look-up before commit")
    return True


@dataclass(frozen=True, slots=True)
class _Looked:
    """An order that was looked up, locked; and what its broker can do."""

    session: Session
    locked: Locked
    due: InHand
    able: AccountCapabilities
    worker: str

    def book(self, found: Found) -> None:
        """Book what was found, or count that nothing was."""
        if found.report is not None:
            report = as_ours(self.due.ref, found.report)
            if is_same_order(self.locked.order, report):
                apply_report(self.session, self.locked, report, self.worker)
            else:
                self._give_up("the broker has another order under this id")
            return
        like = _untaken(self.session, self.due, found.candidates)
        if len(like) == 1:
            text = f"taken for the broker's order {like[0].broker_order_id}, the only one like it"
            note(self.session, self.locked.order, text, self.worker)
            apply_report(self.session, self.locked, like[0], self.worker)
        elif like:
            ids = ", ".join(report.broker_order_id for report in like)
            self._give_up(f"the broker has several orders like it ({ids}); a person must look there")
        else:
            self._count_absent(found)

    def _count_absent(self, found: Found) -> None:
        """Count one 'not found'. Only several of them, after the broker had time to show it, prove absence."""
        order, now = self.locked.order, self.locked.now
        order.lookups += 1
        settled = order.sent_at is not None and now >= order.sent_at + timedelta(seconds=self.able.pace.settle)
        note(self.session, order, f"not found at the broker, look-up {order.lookups}", self.worker)
        if order.lookups < MIN_LOOKUPS or not settled:
            return
        if order.broker_order_id is not None:
            self._give_up("the broker had it, and now does not know it; a person must look there")
        elif found.is_proof and self.able.identity is Identity.UNIQUE:
            _queue_again(self.session, self.locked, self.worker)
        else:
            self._give_up("sent, but never seen at the broker; a person must look there")

    def _give_up(self, reason: str) -> None:
        order = self.locked.order
        order.reason = reason[:500]
        move_order(self.session, order, S.MANUAL, reason[:500], self.worker)
        refresh_signal(self.session, self.locked.signal, order, self.locked.now, self.worker)


def _untaken(session: Session, due: InHand, candidates: Sequence[OrderReport]) -> list[OrderReport]:
    """Return the candidates that look like the order and belong to no other one of ours."""
    like = [report for report in candidates if is_like(due.ref, report, CLOCK_MARGIN)]
    if not like:
        return []
    ids = [report.broker_order_id for report in like]
    query = sa.select(Order.broker_order_id).where(
        Order.account_id == due.account_id, Order.broker_order_id.in_(ids), Order.id != due.order_id
    )
    foreign = sa.select(ForeignOrder.broker_order_id).where(
        ForeignOrder.account_id == due.account_id,
        ForeignOrder.broker_order_id.in_(ids),
        ForeignOrder.first_seen_at < (due.ref.sent_at or utc_now()),  # it was there before ours was sent
    )
    taken = set(session.execute(query.union(foreign)).scalars())
    return [report for report in like if report.broker_order_id not in taken]


def _until_next(order: Order) -> timedelta:
    return timedelta(seconds=LOOKUP_DELAYS[min(order.lookups, len(LOOKUP_DELAYS) - 1)])


def _queue_again(session: Session, locked: Locked, worker: str) -> None:
    """Send an order that surely never arrived again, or end it where it is not wanted any more."""
    order, now = locked.order, locked.now
    order.next_at = now
    move_order(session, order, S.QUEUED, "surely absent at the broker, may be sent again under the same id", worker)
    if order.cancel_requested_at is not None:
        fail_order(session, locked, S.CANCELED, order.cancel_reason or "canceled before it arrived", worker)
    elif order.not_after is not None and order.not_after <= now:
        fail_order(session, locked, S.STALE, "never arrived, and now it is too old to send", worker)
    elif order.send_attempts >= MOST_ATTEMPTS:
        fail_order(session, locked, S.DENIED, f"did not arrive in {order.send_attempts} attempts", worker)
