"""Ending orders before they are filled: a person or a stop asks, a worker tells the broker, the broker decides."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from brokers.base import Broker
from brokers.errors import BrokerError, BrokerUnavailable, OrderRejected, OutcomeUnknown
from domain.enums import Purpose
from domain.errors import Conflict, NotFound
from domain.messages import Found, OrderReport
from domain.order_status import CLOSED, OrderStatus
from extensions import database_time, transaction
from models import Order, Signal
from services import failpoints, journal
from services.execution.due import InHand, take
from services.execution.external_orders import ExternalOrders
from services.execution.order_moves import move_order, note, request_cancel
from services.execution.order_records import Locked, apply_report, is_same_order, lock_order
from services.execution.roll_up import refresh_signal
from services.timing import CANCEL_AGAIN, CANCEL_LEASE

logger = logging.getLogger(__name__)

S = OrderStatus


def cancel_order(order_id: int, reason: str, actor: str) -> Order:
    """Request the cancel of an order, of both legs where it is a pair's; raises NotFound, Conflict.

    A leg is never canceled alone: what the other one holds would be left without its hedge. Of an order that an outside
    executor has, this says that it has ended there.
    """
    with transaction() as session:
        if session.execute(sa.select(Order.id).where(Order.id == order_id)).scalar() is None:
            raise NotFound("item not found.")
        locked = lock_order(session, order_id)
        order = locked.order
        if order.status in CLOSED:
            raise Conflict(f"The order has ended before: it is {order.status}.")
        journal.record(session, actor, "cancel", f"order {order.client_order_id}", reason)
        if locked.signal is None:
            request_cancel(session, order, f"{reason} ({actor})", actor, locked.now)
        else:
            cancel_signal_orders(session, locked.signal, f"{reason} ({actor})", actor)
        session.flush()
        session.refresh(order)
    return order


def cancel_signal_orders(session: Session, signal: Signal, reason: str, actor: str) -> int:
    """Request the cancel of all open orders of a locked signal; returns how many were asked for.

    Those of an outside executor end at once: no broker of the desk's has them, so no worker could cancel them.
    """
    now = database_time()
    query = sa.select(Order).where(Order.signal_id == signal.id, Order.status.not_in(CLOSED)).order_by(Order.id)
    orders = session.execute(query.with_for_update(of=Order)).scalars().all()
    if signal.external:
        external = ExternalOrders(session, signal, now, actor)
        external.end(None, reason)
        if external.holds_any:
            external.tell_of_end()
        return len(orders)
    for order in orders:
        if order.cancel_requested_at is None:
            request_cancel(session, order, reason, actor, now)
    session.flush()
    if orders:
        refresh_signal(session, signal, None, now, actor)
    return len(orders)


def cancel_for_exits(session: Session, reasons: Mapping[int, str], actor: str, now: datetime) -> list[Order]:
    """Request the cancel of entries that stand against exits, and of the other leg where they are legs of a pair.

    `reasons` say by order id what for. Returns the orders, with those of other legs; one that was not sent has ended at
    once. A leg that is only traded back is left alone.
    """
    of_orders = sa.select(Order.signal_id).where(Order.id.in_(reasons))
    locked = sa.select(Signal).where(Signal.id.in_(of_orders)).order_by(Signal.id).with_for_update(of=Signal)
    signals = {signal.id: signal for signal in session.execute(locked).scalars()}
    pairs = [signal.id for signal in signals.values() if signal.symbol2 is not None]
    other_leg = Order.signal_id.in_(pairs) & Order.status.not_in(CLOSED) & (Order.purpose != Purpose.UNWIND)
    query = sa.select(Order).where(Order.id.in_(reasons) | other_leg).order_by(Order.id).with_for_update(of=Order)
    orders = list(session.execute(query).scalars())
    of_signal = {order.signal_id: reasons[order.id] for order in orders if order.id in reasons}
    for order in orders:
        if order.cancel_requested_at is None:
            why = reasons.get(order.id) or of_signal[order.signal_id]
            request_cancel(session, order, why, actor, now)
    for signal in signals.values():  # only now: a leg that was asked to end alone would be taken for a broken pair
        refresh_signal(session, signal, None, now, actor)
    return orders


def cancel_next(brokers: Mapping[int, Broker], worker: str) -> bool:
    """Cancel one order at its broker; False when no cancel is due."""
    due = take(S.CANCEL_PENDING, brokers, lambda _: CANCEL_LEASE)
    if due is None:
        return False
    failpoints.reach("cancel before asking")
    broker = brokers[due.account_id]
    try:
        report = broker.cancel_order(due.ref)
    except OrderRejected as e:
        _refused(broker, due, e.in_words, worker)
        return True
    except (OutcomeUnknown, BrokerUnavailable) as e:
        _try_again(due, e.in_words, worker)  # asking twice for the end of an order does no harm
        return True
    _book_cancel(due, report, worker)
    return True


def _book_cancel(due: InHand, report: OrderReport, worker: str) -> None:
    failpoints.reach("cancel answered")
    with transaction() as session:
        locked = lock_order(session, due.order_id)
        order = locked.order
        if not is_same_order(order, report):
            note(session, order, "the answer to the cancel speaks of another order", worker)
            logger.error("order %s: the answer to its cancel speaks of another order", due.ref.client_order_id)
            return
        apply_report(session, locked, report, worker)
        if order.status == S.CANCEL_PENDING:  # the broker has taken the wish; polls say when it is done
            _later(locked)
        failpoints.reach("cancel before commit")


def _refused(broker: Broker, due: InHand, reason: str, worker: str) -> None:
    """Look up an order that the broker refuses to cancel: it has ended, or goes on working."""
    try:
        found = broker.find_order(due.ref)
    except BrokerError as e:
        _try_again(due, e.in_words, worker)
        return
    try:
        with transaction() as session:
            locked = lock_order(session, due.order_id)
            if locked.order.status == S.CANCEL_PENDING:
                _book_refusal(session, locked, found, reason, worker)
    except IntegrityError:
        # Not found, and the outcome of another order of this symbol is not known either: one after the other.
        _try_again(due, f"refused and not found: {reason}", worker)


def _book_refusal(session: Session, locked: Locked, found: Found, reason: str, worker: str) -> None:
    order, tries, report = locked.order, locked.order.cancel_tries, found.report
    if report is None and found.is_proof:
        order.lookups, order.next_at = 0, locked.now
        move_order(session, order, S.UNKNOWN, f"cancel refused and not found: {reason}", worker, by_evidence=True)
    elif report is not None and report.broker_order_id not in (None, order.broker_order_id) and report.replaces:
        apply_report(session, locked, report, worker)  # another order has taken its place: that one is to end
        _later(locked)
    elif report is not None and is_same_order(order, report) and report.status in CLOSED:
        apply_report(session, locked, report, worker)
    else:
        order.cancel_requested_at = order.cancel_reason = None
        back = S.PARTIALLY_FILLED if order.filled_quantity > 0 else S.ACCEPTED
        move_order(session, order, back, f"the broker refused the cancel: {reason}", worker)
        refresh_signal(session, locked.signal, order, locked.now, worker)
        logger.error("order %s: the broker refused the cancel: %s", order.client_order_id, reason)
        if order.status == S.CANCEL_PENDING:  # its pair still needs it ended, but not without a pause
            order.cancel_tries = tries
            _later(locked)


def _try_again(due: InHand, reason: str, worker: str) -> None:
    with transaction() as session:
        locked = lock_order(session, due.order_id)
        if locked.order.status == S.CANCEL_PENDING:
            note(session, locked.order, f"cancel not answered: {reason}", worker)
            _later(locked)


def _later(locked: Locked) -> None:
    order = locked.order
    order.next_at = locked.now + timedelta(seconds=CANCEL_AGAIN[min(order.cancel_tries, len(CANCEL_AGAIN) - 1)])
    order.cancel_tries += 1
