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
from domain.external import status_after_fill, status_of_told
from domain.order_status import SignalStatus, check_signal_transition
from extensions import database_time, transaction
from models import Order, Signal
from services.execution.external_orders import ExternalOrders
from services.interventions.edit_signal import locked_signal, record_move, reprice

logger = logging.getLogger(__name__)

EXECUTOR = "the outside executor"


@dataclass(frozen=True, slots=True)
class ExternalFill:
    """A report on one order: its price, or its cancel, or the amount (shares) of a partial fill.

    `filled` is how many shares of the order are filled by now, where the executor tells it; without it and without an
    amount the whole order is. `symbols` are the names that the leg may have, None = not told. `ends_both`: the legs
    are one order at the executor's broker, so the cancel of one is that of the other.
    """

    order_id: str
    price: Decimal | None
    cancel: bool
    partial_quantity: Decimal | None
    filled: Decimal | None = None
    symbols: frozenset[str] | None = None
    ends_both: bool = False


def apply_external_fill(report: ExternalFill) -> Signal:
    """Book the report on the newest signal with that order id, on either leg: on the signal, and in the desk's books.

    A report that brings nothing new changes nothing. The end of an order that has filled a part is put on record, and
    refused all the same, because such a signal is never canceled.
    Raises NotFound; Conflict when the desk's own broker sent that order, or the signal is filled.
    """
    with transaction() as session:
        signal, leg = _find(session, report)
        if not signal.external:
            raise Conflict("The desk itself sent this order; its fills come from the broker only.")
        orders = ExternalOrders(session, signal, database_time(), EXECUTOR)
        refusal = _cancel(session, signal, orders, leg, both=report.ends_both) if report.cancel else None
        if not report.cancel and not _fill(session, signal, orders, leg, report):
            return signal  # executors report the day's fills again and again
    if refusal is not None:
        raise refusal
    logger.info("signal %s: order %s reported, now %s", signal.id, report.order_id, signal.status)
    return signal


def _fill(session: Session, signal: Signal, orders: ExternalOrders, leg: int, report: ExternalFill) -> bool:
    """Book a fill; False when it brings nothing new. Raises IllegalTransition for a signal that takes no more."""
    old = getattr(signal, f"leg_price{leg}")
    is_done = signal.status == SignalStatus.FILLED and not _tells_more(orders, leg, report)
    if is_done and (report.partial_quantity is not None or not orders.lacks(leg)):
        if report.partial_quantity is None and (report.price == old or _is_older(orders, leg, report)):
            return False
        raise IllegalTransition("signal", signal.status, _status(signal, orders, report))
    if report.filled is None and signal.status == SignalStatus.LEG_FILLED and orders.latest(3 - leg) is None:
        orders.catch_up(3 - leg)  # its fill was reported before the orders of executors were on record
    order = orders.name(leg, report.order_id, report.filled)
    total = _total(signal, orders, leg, order, report)
    if order is not None and total < order.filled_quantity:
        return False  # an older report that comes late
    if order is not None and report.filled is not None:
        orders.tell(order, total)
    booked = order is not None and orders.fill(order, total, report.price)
    if report.price is not None:
        setattr(signal, f"leg_price{leg}", report.price)
    status, is_news = _status(signal, orders, report), booked or report.price not in (None, old)
    if order is not None and not is_news and _is_shown(signal, status, order, total, report):
        return False
    if order is not None and not booked and report.price is not None and is_news:
        orders.note_price(order, report.price)
    alone = orders.lone_leg() if booked else None
    rest = orders.remaining() if report.filled is not None and status is not SignalStatus.FILLED else None
    _move(session, signal, leg, report, status=status, why=alone or rest, filled=orders.filled(1))
    if alone is not None:
        logger.critical("signal %s: %s; a person must decide", signal.id, alone)
    return True


def _tells_more(orders: ExternalOrders, leg: int, report: ExternalFill) -> bool:
    """Return True if the executor tells of more shares of an order than are booked: a fact, whatever the signal is."""
    order = orders.latest(leg)
    return report.filled is not None and order is not None and report.filled > order.filled_quantity


def _is_older(orders: ExternalOrders, leg: int, report: ExternalFill) -> bool:
    order = orders.latest(leg)
    return report.filled is not None and order is not None and report.filled < order.filled_quantity


def _is_shown(signal: Signal, status: SignalStatus, order: Order, total: Decimal, report: ExternalFill) -> bool:
    """Return True if the signal says already what a report without news says."""
    if report.partial_quantity is None:
        return status == signal.status
    return total <= order.filled_quantity or report.partial_quantity == signal.filled_quantity


def _move(
    session: Session,
    signal: Signal,
    leg: int,
    report: ExternalFill,
    *,
    status: SignalStatus,
    why: str | None,
    filled: Decimal,
) -> None:
    """Set the signal's status, prices and filled quantity (`filled`: of leg 1) as the API reports them."""
    values: dict[str, Any] = {"order_id": report.order_id}
    if report.price is not None:
        values[f"leg_price{leg}"] = report.price
    check_signal_transition(SignalStatus(signal.status), status)
    if report.partial_quantity is not None:
        values["filled"] = signal.filled_quantity = report.partial_quantity
    elif status is SignalStatus.FILLED:
        signal.filled_quantity = signal.quantity
    elif report.filled is not None:
        values["filled"] = report.filled
        signal.filled_quantity = filled or None
    record_move(session, signal, status, EXECUTOR, why, **values)
    reprice(signal)


def _total(signal: Signal, orders: ExternalOrders, leg: int, order: Order | None, report: ExternalFill) -> Decimal:
    """Return how many shares of the order are filled by now; raises InvalidInput for more than were ordered."""
    amount = report.partial_quantity
    if report.filled is not None and leg == 2:
        return report.filled  # how many were ordered of it, nobody has told
    field, amount = ("order_contracts", amount) if report.filled is None else ("filled_qty", report.filled)
    if amount is None:
        return order.quantity if order is not None else signal.quantity
    most = max(signal.quantity, orders.quantity(leg)) if leg == 2 else signal.quantity
    before = orders.filled(leg) - order.filled_quantity if order is not None else Decimal(0)
    if before + amount > most:
        raise InvalidInput({field: f"must be at most the {plain_text(most)} that were ordered"})
    return amount


def _cancel(
    session: Session, signal: Signal, orders: ExternalOrders, leg: int, *, both: bool
) -> IllegalTransition | None:
    """End the order, and its signal where nothing is held; else return why that one is not canceled."""
    old = SignalStatus(signal.status)
    if old is SignalStatus.FILLED:
        raise IllegalTransition("signal", old, SignalStatus.CANCELED)
    order = orders.name(leg, getattr(signal, f"order_id{leg}"))
    reason = f"canceled, as {EXECUTOR} reports"
    orders.end(None if both else leg, reason)
    if order is not None and (orders.holds_any or old in (SignalStatus.LEG_FILLED, SignalStatus.PART_FILLED)):
        orders.tell_of_end()
        return IllegalTransition("signal", old, SignalStatus.CANCELED)
    record_move(session, signal, SignalStatus.CANCELED, EXECUTOR, order_id=getattr(signal, f"order_id{leg}"))
    reprice(signal)
    return None


def _find(session: Session, report: ExternalFill) -> tuple[Signal, int]:
    """Return the newest signal with that order id, those of outside executors first, locked; and the leg it names."""
    candidates = []
    for order_id, symbol in ((Signal.order_id1, Signal.symbol1), (Signal.order_id2, Signal.symbol2)):
        query = sa.select(Signal.id, Signal.external).where(order_id == report.order_id)
        if report.symbols is not None:
            query = query.where(symbol.in_(report.symbols))
        row = session.execute(query.order_by(Signal.external.desc(), Signal.id.desc()).limit(1)).first()
        if row is not None:
            candidates.append((row.external, row.id))
    signal = locked_signal(session, max(candidates)[1]) if candidates else None
    leg = None if signal is None else _leg_of(signal, report)
    if signal is None or leg is None:  # or it was changed a moment ago
        raise NotFound("item not found.")
    return signal, leg


def _leg_of(signal: Signal, report: ExternalFill) -> int | None:
    legs = ((1, signal.order_id1, signal.symbol1), (2, signal.order_id2, signal.symbol2))
    named = (leg for leg, order_id, symbol in legs if order_id == report.order_id and _is_meant(symbol, report.symbols))
    return next(named, None)


def _is_meant(symbol: str | None, symbols: frozenset[str] | None) -> bool:
    return symbols is None or symbol in symbols


def _status(signal: Signal, orders: ExternalOrders, report: ExternalFill) -> SignalStatus:
    if report.cancel:
        return SignalStatus.CANCELED
    if report.filled is None:
        return status_after_fill(orders.legs, is_partial=report.partial_quantity is not None)
    is_filled = signal.status == SignalStatus.FILLED  # and never goes back
    return SignalStatus.FILLED if is_filled else status_of_told(orders.legs)
