"""Changing and deleting signals by hand or by an outside executor, along legal moves only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Side
from domain.errors import Conflict, IllegalTransition, InvalidInput, NotFound
from domain.exact import plain_text
from domain.lanes.leg import UNSETTLED
from domain.lanes.roll_up import fill_price
from domain.order_status import AT_BROKER, OPEN, OrderStatus, SignalStatus
from domain.pricing import slip
from domain.trace import step
from extensions import announce, database_time, transaction
from models import Fill, Order, OrderEvent, Signal
from services import journal
from services.account_lock import lock_signal
from services.execution.cancel_orders import cancel_signal_orders
from services.execution.external_orders import ExternalOrders
from services.signal_moves import move_signal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalEdit:
    """A change; None leaves a field as it is. `said` repeats what the alert said and must be unchanged.

    `side` and `quantity` are what an executor trades instead of what the alert said; `reason` says in a few words why
    the signal stands so.
    """

    said: Mapping[str, Any]
    status: SignalStatus | None = None
    order_id1: str | None = None
    order_id2: str | None = None
    leg_price1: Decimal | None = None
    leg_price2: Decimal | None = None
    error_text: str | None = None
    side: Side | None = None
    quantity: Decimal | None = None
    reason: str | None = None


MOST = Decimal(10) ** 12  # in size, of any price
FIELDS = ("order_id1", "order_id2", "leg_price1", "leg_price2", "error_text")


def edit_signal(rowid: int, edit: SignalEdit, actor: str) -> Signal:
    """Apply a change and return the signal.

    Raises NotFound; Conflict when it would change what the alert said, or what the desk's own
    broker decides; IllegalTransition for a move back.
    """
    with transaction() as session:
        signal = locked_signal(session, rowid)
        for name, value in edit.said.items():
            shown = (signal.quantity, signal.filled_quantity) if name == "quantity" else (getattr(signal, name),)
            if value is not None and value not in shown:
                raise Conflict(f"The alert's {name.replace('_', ' ')} is on record and does not change.")
        changes = {
            name: getattr(edit, name) for name in FIELDS if getattr(edit, name) not in (None, getattr(signal, name))
        }
        changes |= _other_terms(session, signal, edit)
        status = edit.status or SignalStatus(signal.status)
        if not changes and status == signal.status and edit.reason in (None, signal.status_reason):
            return signal  # what executors do: read, change nothing, put back
        if not signal.external:
            _edit_desk_signal(session, signal, status, changes, actor)
            return signal
        if signal.status == SignalStatus.FILLED:
            raise IllegalTransition("signal", signal.status, status)
        record_move(session, signal, status, actor, edit.reason, **changes)
        for name, value in changes.items():
            setattr(signal, name, value)
        reprice(signal)
        _follow_in_books(session, signal, status, actor)
    logger.info("signal %s: changed by %s, now %s", rowid, actor, status)
    return signal


def cancel_signal(rowid: int, reason: str, actor: str) -> Signal:
    """Cancel a signal by hand: at once while it waits or another program executes it, else through its broker.

    Raises NotFound, Conflict where nothing is left to cancel, IllegalTransition for one that is partly filled.
    """
    with transaction() as session:
        signal = locked_signal(session, rowid)
        if signal.status == SignalStatus.CANCELED:
            raise Conflict(f"Signal {rowid} was canceled before.")
        if signal.external:
            why = f"canceled by hand: {reason}"
            record_move(session, signal, SignalStatus.CANCELED, actor, why, reason=reason)
            cancel_signal_orders(session, signal, why, actor)
        else:
            _cancel_desk_signal(session, signal, actor, reason)
        journal.record(session, actor, "cancel", f"signal {rowid}", reason)
    return signal


def delete_signal(rowid: int, actor: str) -> None:
    """Delete a signal for which nothing was traded; its orders that were not sent yet end at once.

    Raises NotFound, and Conflict that names the order while one works or is on its way, or once shares were traded:
    then nothing is changed.
    """
    with transaction() as session:
        signal = locked_signal(session, rowid)
        told = f"{signal.ticker}, '{signal.status}'"
        if signal.external and signal.status in (
            SignalStatus.CREATED,
            SignalStatus.LEG_FILLED,
            SignalStatus.PART_FILLED,
        ):
            raise Conflict(
                f"The signal is '{signal.status}' at the outside executor; it must be canceled or filled first."
            )
        query = sa.select(Order).where(Order.signal_id == rowid).order_by(Order.id).with_for_update(of=Order)
        orders = session.execute(query).scalars().all()
        for order in orders:
            if not signal.external and order.status in UNSETTLED | AT_BROKER:
                raise Conflict(_why_it_keeps(order))
        traded = sa.select(sa.exists().where(Fill.order_id == Order.id, Order.signal_id == rowid))
        if session.execute(traded).scalar():
            raise Conflict("Shares were traded for this signal; it stays on record.")
        cancel_signal_orders(session, signal, f"signal to be deleted ({actor})", actor)
        # What was made meanwhile is looked at too: what follows the end of an order is an order of its own.
        orders = session.execute(query).scalars().all()
        if still := next((order for order in orders if OrderStatus(order.status) in OPEN), None):
            raise Conflict(_why_it_keeps(still))
        for order in orders:
            session.execute(sa.delete(OrderEvent).where(OrderEvent.order_id == order.id))
            session.delete(order)
        session.flush()
        journal.record(session, actor, "signal deleted", f"signal {rowid}", told)
        session.delete(signal)
        announce(session)


def _why_it_keeps(order: Order) -> str:
    """Return which order keeps its signal from being deleted, and what is to be done first."""
    if order.status == OrderStatus.MANUAL:
        first = "resolve it first"
    elif order.status in UNSETTLED or order.status == OrderStatus.CANCEL_PENDING:
        first = "try again once the broker has answered"
    else:
        first = "cancel it first"
    what = f"{order.side} {plain_text(order.quantity)} {order.symbol}"
    return f"Order {order.client_order_id} ({what}) of this signal is {order.status}; {first}."


def locked_signal(session: Session, rowid: int) -> Signal:
    """Return the signal, locked until the end of the transaction; raises NotFound."""
    row = lock_signal(session, rowid)
    if row is None:
        raise NotFound("item not found.")
    return row


def _other_terms(session: Session, signal: Signal, edit: SignalEdit) -> dict[str, Any]:
    """Return what an executor trades otherwise than the alert said; raises Conflict where it is too late for that."""
    terms: dict[str, Any] = {}
    if edit.quantity is not None and edit.quantity not in (signal.quantity, signal.filled_quantity):
        terms["quantity"] = edit.quantity
    if edit.side is not None and edit.side != signal.side:
        terms["side"] = edit.side
    ordered = sa.select(sa.exists().where(Order.signal_id == signal.id))
    if terms and (not signal.external or session.execute(ordered).scalar()):
        names = " and ".join(sorted(terms))
        raise Conflict(f"The {names} of the signal is on record, and does not change once it is ordered.")
    return terms


def record_move(
    session: Session, signal: Signal, status: SignalStatus, actor: str, why: str | None = None, **values: Any
) -> None:
    """Move the signal, and put the move with its values on the trace; raises IllegalTransition."""
    moves = status != signal.status
    text = f"{actor} set '{signal.status}' to '{status}'." if moves else f"{actor} changed the signal."
    move_signal(session, signal, status, why if moves or why is not None else signal.status_reason, actor)
    signal.trace = [*signal.trace, step("edit", True, text, **values)]


def reprice(signal: Signal) -> None:
    """Set fill price and slip of an external signal from the prices of its legs; raises InvalidInput for nonsense."""
    prices = [signal.leg_price1] if signal.symbol2 is None else [signal.leg_price1, signal.leg_price2]
    signal.fill_price = fill_price(prices, signal.hedge_ratio)
    if signal.fill_price is not None and abs(signal.fill_price) >= MOST:
        raise InvalidInput({"stk_price": f"makes a fill price of {signal.fill_price:f}, which cannot be"})
    known = signal.fill_price is not None and signal.price is not None
    signal.slip = slip(Side(signal.side), signal.price, signal.fill_price) if known else None  # type: ignore[arg-type]


def _follow_in_books(session: Session, signal: Signal, status: SignalStatus, actor: str) -> None:
    """Put orders on record that an outside executor has named, book the legs it calls filled, end what it canceled."""
    orders = ExternalOrders(session, signal, database_time(), actor)
    if status is SignalStatus.CANCELED:
        orders.end(None, f"canceled, as {actor} says")
        return
    for leg, order_id in ((1, signal.order_id1), (2, signal.order_id2)):
        if order_id is not None:
            orders.name(leg, order_id)
    priced = [leg for leg in (1, 2) if getattr(signal, f"leg_price{leg}") is not None]
    if status is SignalStatus.FILLED or (status is SignalStatus.LEG_FILLED and len(priced) == 1):
        for leg in priced:
            orders.catch_up(leg)
        if status is SignalStatus.FILLED and not all(leg.is_done for leg in orders.legs):
            text = "signal %s: %s calls it filled without telling all prices; their fills are not in the books yet"
            logger.warning(text, signal.id, actor)


def _edit_desk_signal(
    session: Session, signal: Signal, status: SignalStatus, changes: Mapping[str, Any], actor: str
) -> None:
    """Allow on a signal of the desk only to cancel it: at once while it waits, else through its broker."""
    if changes:
        names = ", ".join(name.replace("_", " ") for name in changes)
        raise Conflict(f"The desk itself executes this signal; {names} come from its broker only.")
    if status is not SignalStatus.CANCELED:
        raise Conflict(
            f"The desk itself executes this signal; it cannot be moved from '{signal.status}' to '{status}' by hand."
        )
    _cancel_desk_signal(session, signal, actor)


def _cancel_desk_signal(session: Session, signal: Signal, actor: str, reason: str = "") -> None:
    why = f"canceled by hand: {reason}" if reason else "canceled by hand"
    if signal.status in (SignalStatus.WAITING, SignalStatus.REROUTED):
        record_move(session, signal, SignalStatus.CANCELED, actor, why)
    elif not cancel_signal_orders(session, signal, f"{why} ({actor})", actor):
        raise IllegalTransition("signal", signal.status, SignalStatus.CANCELED)
    else:
        text = f"{actor} asked for the end of its orders; the broker decides."
        signal.trace = [*signal.trace, step("cancel", True, text)]
        announce(session)
