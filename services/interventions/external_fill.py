"""Fills and cancels that an outside executor reports by order id, as v3 executors do."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.errors import Conflict, IllegalTransition, InvalidInput, NotFound
from domain.exact import plain_text
from domain.external import status_after_fill
from domain.order_status import SignalStatus, check_signal_transition
from extensions import database_time, transaction
from models import Order, Signal
from services.execution.external_orders import ExternalOrders
from services.interventions.edit_signal import locked_signal, record_move, reprice

logger = logging.getLogger(__name__)

EXECUTOR = "the outside executor"


@dataclass(frozen=True, slots=True)
class ExternalFill:
    """A report on one order: its price, or its cancel, or the amount (shares) of a partial fill."""

    order_id: str
    price: Decimal | None
    cancel: bool
    partial_quantity: Decimal | None


def apply_external_fill(report: ExternalFill) -> Signal:
    """Book the report on the newest signal with that order id, on either leg: on the signal, and in the desk's books.

    A report that brings nothing new changes nothing. The end of an order that has filled a part is put on record, and
    refused all the same, because such a signal is never canceled.
    Raises NotFound; Conflict when the desk's own broker sent that order, or the signal is filled.
    """
    with transaction() as session:
        signal, leg = _find(session, report.order_id)
        if not signal.external:
            raise Conflict("The desk itself sent this order; its fills come from the broker only.")
        orders = ExternalOrders(session, signal, database_time(), EXECUTOR)
        refusal = _cancel(session, signal, orders, leg) if report.cancel else None
        if not report.cancel and not _fill(session, signal, orders, leg, report):
            return signal  # executors report the day's fills again and again
    if refusal is not None:
        raise refusal
    logger.info("signal %s: order %s reported, now %s", signal.id, report.order_id, signal.status)
    return signal


def _fill(session: Session, signal: Signal, orders: ExternalOrders, leg: int, report: ExternalFill) -> bool:
    """Book a fill; False when it brings nothing new. Raises IllegalTransition for a signal that takes no more."""
    old = getattr(signal, f"leg_price{leg}")
    if signal.status == SignalStatus.FILLED and (report.partial_quantity is not None or not orders.lacks(leg)):
        if report.partial_quantity is None and report.price == old:
            return False
        raise IllegalTransition("signal", signal.status, _status(orders, report))
    if signal.status == SignalStatus.LEG_FILLED and orders.latest(3 - leg) is None:
        orders.catch_up(3 - leg)  # its fill was reported before the orders of executors were on record
    order = orders.name(leg, report.order_id)
    total = _total(signal, orders, leg, order, report)
    if order is not None and total < order.filled_quantity:
        return False  # an older report that comes late
    booked = order is not None and orders.fill(order, total, report.price)
    if report.price is not None:
        setattr(signal, f"leg_price{leg}", report.price)
    status, is_news = _status(orders, report), booked or report.price not in (None, old)
    if order is not None and not is_news and _is_shown(signal, status, order, total, report):
        return False
    if order is not None and not booked and report.price is not None and is_news:
        orders.note_price(order, report.price)
    alone = orders.lone_leg() if booked else None
    _move(session, signal, leg, report, status=status, why=alone)
    if alone is not None:
        logger.critical("signal %s: %s; a person must decide", signal.id, alone)
    return True


def _is_shown(signal: Signal, status: SignalStatus, order: Order, total: Decimal, report: ExternalFill) -> bool:
    """Return True if the signal says already what a report without news says."""
    if report.partial_quantity is None:
        return status == signal.status
    return total <= order.filled_quantity or report.partial_quantity == signal.filled_quantity


def _move(
    session: Session, signal: Signal, leg: int, report: ExternalFill, *, status: SignalStatus, why: str | None
) -> None:
    """Set the signal's status, prices and filled quantity as the API of v3 reports them."""
    values: dict[str, Any] = {"order_id": report.order_id}
    if report.price is not None:
        values[f"leg_price{leg}"] = report.price
    check_signal_transition(SignalStatus(signal.status), status)
    if report.partial_quantity is not None:
        values["filled"] = signal.filled_quantity = report.partial_quantity
    elif status is SignalStatus.FILLED:
        signal.filled_quantity = signal.quantity
    record_move(session, signal, status, EXECUTOR, why, **values)
    reprice(signal)


def _total(signal: Signal, orders: ExternalOrders, leg: int, order: Order | None, report: ExternalFill) -> Decimal:
    """Return how many shares of the order are filled by now; raises InvalidInput for more than were ordered."""
    amount = report.partial_quantity
    if amount is None:
        return order.quantity if order is not None else signal.quantity
    most = max(signal.quantity, orders.quantity(leg)) if leg == 2 else signal.quantity
    before = orders.filled(leg) - order.filled_quantity if order is not None else Decimal(0)
    if before + amount > most:
        raise InvalidInput({"order_contracts": f"must be at most the {plain_text(most)} that were ordered"})
    return amount


def _cancel(session: Session, signal: Signal, orders: ExternalOrders, leg: int) -> IllegalTransition | None:
    """End the order, and its signal where nothing is held; else return why that one is not canceled."""
    old = SignalStatus(signal.status)
    if old is SignalStatus.FILLED:
        raise IllegalTransition("signal", old, SignalStatus.CANCELED)
    order = orders.name(leg, getattr(signal, f"order_id{leg}"))
    orders.end(leg, f"canceled, as {EXECUTOR} reports")
    if order is not None and (orders.holds_any or old in (SignalStatus.LEG_FILLED, SignalStatus.PART_FILLED)):
        orders.tell_of_end()
        return IllegalTransition("signal", old, SignalStatus.CANCELED)
    record_move(session, signal, SignalStatus.CANCELED, EXECUTOR, order_id=getattr(signal, f"order_id{leg}"))
    reprice(signal)
    return None


def _find(session: Session, order_id: str) -> tuple[Signal, int]:
    """Return the newest signal with that order id, those of outside executors first, locked; and the leg it names."""
    found = [
        session.execute(
            sa.select(Signal.id, Signal.external)
            .where(column == order_id)
            .order_by(Signal.external.desc(), Signal.id.desc())
            .limit(1)
        ).first()
        for column in (Signal.order_id1, Signal.order_id2)
    ]
    candidates = [(row.external, row.id) for row in found if row is not None]
    signal = locked_signal(session, max(candidates)[1]) if candidates else None
    if signal is None or order_id not in (signal.order_id1, signal.order_id2):  # it was changed a moment ago
        raise NotFound("item not found.")
    return signal, 1 if signal.order_id1 == order_id else 2


def _status(orders: ExternalOrders, report: ExternalFill) -> SignalStatus:
    if report.cancel:
        return SignalStatus.CANCELED
    return status_after_fill(orders.legs, is_partial=report.partial_quantity is not None)
