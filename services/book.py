"""The desk's own book: moves of orders, fills, and what they add up to for a signal.

Everything here works inside the caller's transaction, on rows that the caller has locked.
"""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session, lazyload

from domain.enums import Side
from domain.errors import IllegalTransition
from domain.messages import FillReport, OrderReport
from domain.order_status import FAILED, OrderStatus, SignalStatus, check_signal_transition, check_transition
from domain.pricing import average_price
from domain.rollup import LegState, roll_up
from extensions import announce, insert_or_update, utc_now
from models import Fill, Order, OrderEvent, Signal

logger = logging.getLogger(__name__)

# Statements that are asked for each step of each order are made once.
_SIGNAL_OF_ORDER = (
    sa.select(Signal)
    .where(Signal.id == sa.select(Order.signal_id).where(Order.id == sa.bindparam("order_id")).scalar_subquery())
    .options(lazyload(Signal.account))
    .with_for_update()
)
_ORDER = sa.select(Order, utc_now()).where(Order.id == sa.bindparam("order_id")).with_for_update(of=Order)
_ORDERS_OF_SIGNAL = (
    sa.select(Order)
    .where(Order.signal_id == sa.bindparam("signal_id"))
    .order_by(Order.leg, Order.generation)
    .with_for_update()
)
_FILLS_OF_ORDER = sa.select(Fill.quantity, Fill.price).where(Fill.order_id == sa.bindparam("order_id"))


def lock_order(session: Session, order_id: int) -> Order:
    """Return an order, locked together with its signal."""
    return lock_order_at(session, order_id)[0]


def lock_order_at(session: Session, order_id: int) -> tuple[Order, datetime]:
    """Return an order, locked together with its signal, and the database's time.

    The signal is always locked first, so that no two workers wait for each other.
    """
    session.execute(_SIGNAL_OF_ORDER, {"order_id": order_id}).scalar_one_or_none()
    order, now = session.execute(_ORDER, {"order_id": order_id}).one()
    return order, now


def move_order(session: Session, order: Order, status: OrderStatus, cause: str, actor: str) -> None:
    """Move an order along the table of legal moves and put the move on record; raises IllegalTransition."""
    check_transition(OrderStatus(order.status), status)
    _record(session, order, status, cause, actor)
    logger.info(
        "order %s (signal %s leg %s): %s -> %s, %s",
        order.client_order_id,
        order.signal_id,
        order.leg,
        order.status,
        status,
        cause,
    )
    order.status = status


def note(session: Session, order: Order, cause: str, actor: str) -> None:
    """Put something on an order's record that moved nothing."""
    _record(session, order, OrderStatus(order.status), cause, actor)


def _record(session: Session, order: Order, status: OrderStatus, cause: str, actor: str) -> None:
    order.moves = (order.moves or 0) + 1
    event = OrderEvent(
        order_id=order.id,
        seq=order.moves,
        from_status=order.status,
        to_status=status,
        cause=cause[:500],
        actor=actor,
        epoch=order.lease_epoch,
    )
    session.add(event)


def apply_report(session: Session, order: Order, report: OrderReport, actor: str) -> None:
    """Book what the broker says of an order: its id, its fills (each once), its status. Then roll up the signal.

    Applying a report twice, or an older one later, changes nothing.
    """
    if order.broker_order_id is None:
        order.broker_order_id = report.broker_order_id
    elif order.broker_order_id != report.broker_order_id:
        note(session, order, f"the broker now says its id is {report.broker_order_id}; ignored", actor)
        logger.error(
            "order %s: broker id %s became %s, report ignored",
            order.client_order_id,
            order.broker_order_id,
            report.broker_order_id,
        )
        return
    for fill in report.fills:
        _book_fill(session, order, fill)
    _total(session, order)
    status = _status_with_fills(order, report.status)
    if status != order.status:
        try:
            move_order(session, order, status, report.reason or "reported by the broker", actor)
        except IllegalTransition as e:
            logger.warning("order %s: stale report skipped, %s", order.client_order_id, e.message)
    if order.status in FAILED and not order.reason:
        order.reason = (report.reason or order.status.lower())[:500]
    refresh_signal(session, order.signal_id, actor)


def is_same_order(order: Order, report: OrderReport) -> bool:
    """Tell whether a report speaks of this order; an answer for another one must never be adopted."""
    same = (order.client_order_id, order.symbol, order.side) == (
        report.client_order_id,
        report.symbol,
        report.side,
    )
    return same and order.quantity == report.quantity


def fail_order(session: Session, order: Order, status: OrderStatus, reason: str, actor: str) -> None:
    """End an order that never came to live at the broker, and roll up its signal."""
    order.reason = reason[:500]
    move_order(session, order, status, reason, actor)
    refresh_signal(session, order.signal_id, actor)


def refresh_signal(session: Session, signal_id: int | None, actor: str) -> None:
    """Set a signal's status, prices and slip from its orders; tells the listeners."""
    session.flush()
    signal = session.execute(
        sa.select(Signal).where(Signal.id == signal_id).with_for_update(of=Signal)
    ).scalar_one_or_none()
    if signal is None:
        return
    orders = _latest_orders(session, signal.id)
    _stop_second_leg(session, orders, actor)
    legs = [
        LegState(
            OrderStatus(order.status),
            order.quantity,
            order.filled_quantity,
            order.average_price,
            order.reason,
        )
        for order in orders
    ]
    result = roll_up(Side(signal.side), signal.price, signal.hedge_ratio, legs)
    old = SignalStatus(signal.status)
    try:
        check_signal_transition(old, result.status)
    except IllegalTransition as e:
        logger.error("signal %s: %s Its orders are on record.", signal.id, e.message)
    else:
        signal.status = result.status
        signal.status_reason = result.reason and result.reason[:255]
    if signal.status in (SignalStatus.ERROR, SignalStatus.CRITICAL):
        signal.error_text = result.reason
    signal.order_id1, signal.leg_price1 = orders[0].broker_order_id, orders[0].average_price
    if len(orders) == 2:
        signal.order_id2, signal.leg_price2 = orders[1].broker_order_id, orders[1].average_price
    signal.filled_quantity, signal.fill_price, signal.slip = result.filled, result.fill_price, result.slip
    announce(session)
    if signal.status != old:
        level = logging.CRITICAL if signal.status == SignalStatus.CRITICAL else logging.INFO
        logger.log(
            level,
            "signal %s: %s -> %s%s",
            signal.id,
            old,
            signal.status,
            f", {result.reason}" if result.reason else "",
        )


def _book_fill(session: Session, order: Order, fill: FillReport) -> None:
    row = insert_or_update(Fill).values(
        account_id=order.account_id,
        execution_id=fill.execution_id,
        order_id=order.id,
        quantity=fill.quantity,
        price=fill.price,
        commission=fill.commission,
        synthetic=fill.synthetic,
        at=fill.at,
    )
    if session.execute(row.on_conflict_do_nothing().returning(Fill.id)).scalar() is not None:
        logger.info("order %s: filled %s at %s", order.client_order_id, fill.quantity, fill.price)


def _total(session: Session, order: Order) -> None:
    fills = session.execute(_FILLS_OF_ORDER, {"order_id": order.id}).all()
    order.filled_quantity = sum((fill.quantity for fill in fills), Decimal(0))
    order.average_price = average_price((fill.quantity, fill.price) for fill in fills)
    if order.filled_quantity > order.quantity:
        order.reason = f"the broker filled {order.filled_quantity} of {order.quantity}"
        logger.critical("order %s: %s", order.client_order_id, order.reason)


def _status_with_fills(order: Order, reported: OrderStatus) -> OrderStatus:
    """Return the status that the fills bear out: a broker's FILLED waits for the fills themselves."""
    if order.filled_quantity >= order.quantity:
        return OrderStatus.FILLED
    if reported in (OrderStatus.FILLED, OrderStatus.ACCEPTED) and order.filled_quantity > 0:
        return OrderStatus.PARTIALLY_FILLED
    return OrderStatus.ACCEPTED if reported is OrderStatus.FILLED else reported


def _latest_orders(session: Session, signal_id: int) -> list[Order]:
    latest: dict[int, Order] = {}
    for order in session.execute(_ORDERS_OF_SIGNAL, {"signal_id": signal_id}).scalars():
        latest[order.leg] = order
    return list(latest.values())


def _stop_second_leg(session: Session, orders: list[Order], actor: str) -> None:
    """Keep leg 2 at home when leg 1 has failed for certain: both legs or none."""
    if len(orders) == 2 and orders[0].status in FAILED and orders[1].status == OrderStatus.QUEUED:
        orders[1].reason = f"not sent, because leg 1 was {orders[0].status.lower()}"
        move_order(session, orders[1], OrderStatus.DENIED, orders[1].reason, actor)
        session.flush()
