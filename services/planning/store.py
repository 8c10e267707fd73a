"""Storing what a batch was decided to: signals, orders and their first events, each kind of row at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import LegPolicy, OrderType
from domain.exact import plain_text
from domain.lanes.account_book import AccountBook
from domain.lanes.values import ZERO, Working
from domain.order_status import OrderStatus, SignalStatus
from domain.planning.values import Held, Outcome, PlanLeg, Planned, Refused, Waits
from models import Order, OrderEvent, Signal
from services.execution.claims import Claim, make_claim, start_sending, take_lease
from services.execution.new_orders import NewOrder, make_order
from services.signal_moves import move_signal

logger = logging.getLogger(__name__)

S = OrderStatus
PENDING = frozenset({S.QUEUED, S.CLAIMED, S.SENDING, S.UNKNOWN, S.MANUAL})
AT_ONCE = (
    (None, S.QUEUED, "planned"),
    (S.QUEUED, S.CLAIMED, "claimed"),
    (S.CLAIMED, S.SENDING, "attempt 1"),
)
ORDERS, EVENTS = cast(sa.Table, Order.__table__), cast(sa.Table, OrderEvent.__table__)
# In whatever order they come back: to have them in that of the rows SQLite would be asked row by row.
_INSERT_ORDERS = sa.insert(ORDERS).returning(ORDERS.c.client_order_id, ORDERS.c.id)
_INSERT_EVENTS = sa.insert(EVENTS)


@dataclass(slots=True)
class Made:
    """The orders of one planned signal."""

    signal: Signal
    account: str
    orders: list[Order]
    at_once: bool = False


@dataclass(slots=True)
class Decided:
    """What a batch came to, until it is stored."""

    made: list[Made] = field(default_factory=list)
    passed: dict[int, int] = field(default_factory=dict)  # signals that an exit ends, and which one
    cancel: dict[int, tuple[int, str]] = field(default_factory=dict)  # orders whose end is asked for: by whom, and why


def apply_outcome(session: Session, signal: Signal, outcome: Outcome, actor: str) -> None:
    """Put on a signal what was decided."""
    match outcome:
        case Waits():
            _wait(signal, outcome)
        case Held():
            signal.trace = [*signal.trace, *outcome.steps]
            signal.kind, signal.held_until = outcome.kind, outcome.until
            signal.status_reason = f"held until {outcome.until:%Y-%m-%d %H:%M} UTC: {outcome.reason}"[:255]
            logger.info("signal %s: %s", signal.id, signal.status_reason)
        case Refused():
            signal.trace = [*signal.trace, *outcome.steps]
            text = f"{outcome.reason}: {outcome.text}"
            level = logging.CRITICAL if outcome.status is SignalStatus.CRITICAL else logging.WARNING
            move_signal(session, signal, outcome.status, outcome.reason, actor, text=text, level=level)
        case Planned():
            _apply_plan(session, signal, outcome, actor)


def _wait(signal: Signal, outcome: Waits) -> None:
    reason = outcome.reason[:255]
    if signal.status_reason != reason:
        logger.info("signal %s: waiting, %s", signal.id, reason)
    signal.kind, signal.look_at, signal.status_reason = outcome.kind, outcome.look_at, reason
    if signal.aimed_at is None:
        signal.aimed_at = outcome.aimed_at


def _apply_plan(session: Session, signal: Signal, plan: Planned, actor: str) -> None:
    signal.trace = [*signal.trace, *plan.steps]
    signal.kind = plan.kind
    move_signal(session, signal, SignalStatus.CREATED, None, actor, level=logging.DEBUG)
    signal.left_out = plan.left_out
    if len(plan.legs) == 2:
        first, second = plan.legs
        signal.leg_policy, signal.on_leg_failure, signal.lead_leg = plan.policy, plan.on_failure, plan.lead
        signal.leg_timeout = plan.timeout
        signal.leg_quantity1, signal.leg_quantity2 = first.quantity, second.quantity
        signal.leg_step1, signal.leg_step2 = first.step, second.step
        signal.leg_closes1, signal.leg_closes2 = first.first or None, second.first or None
    elif plan.legs[0].first:
        only = plan.legs[0]
        signal.leg_quantity1, signal.leg_closes1, signal.leg_step1 = only.quantity, only.first, only.step
    for step in plan.steps:
        if step["values"].get("outcome") == "warning":
            logger.warning("signal %s: %s", signal.id, step["text"])
    names = ", ".join(f"{leg.side} {plain_text(leg.quantity)} {leg.symbol}" for leg in plan.legs)
    left_out = f"; {plan.left_out}" if plan.left_out else ""
    logger.info("signal %s: planned as %s%s", signal.id, names, left_out)


def make_orders(installation: str, signal: Signal, plan: Planned, now: datetime) -> list[Order]:
    """Return the orders that a plan begins with; a leg that follows the fills of another has none yet."""
    follows = len(plan.legs) == 2 and plan.policy is LegPolicy.LEG1_FIRST
    attached = len(plan.legs) == 2 and plan.policy is LegPolicy.ATTACHED
    return [
        make_order(installation, signal, _new_order(plan, leg, attached=attached and leg.number == 2), now)
        for leg in plan.legs
        if not follows or leg.number == plan.lead
    ]


def _new_order(plan: Planned, leg: PlanLeg, *, attached: bool) -> NewOrder:
    return NewOrder(
        leg=leg.number,
        symbol=leg.symbol,
        asset_class=leg.asset_class,
        currency=leg.currency,
        side=leg.side,
        quantity=leg.order_quantity,
        order_type=leg.terms.order_type,
        time_in_force=leg.terms.time_in_force,
        limit_price=leg.terms.limit_price,
        stop_price=leg.terms.stop_price,
        trail=leg.terms.trail,
        extended_hours=leg.terms.extended_hours,
        is_exit=leg.is_exit or bool(leg.first),
        closes=leg.order_closes,
        attached=attached,
        not_after=plan.not_after,
    )


def must_queue(orders: Sequence[Order], book: AccountBook, plan: Planned) -> bool:
    """Return True if earlier orders of these symbols are on their way to the broker, or legs of the pair still work."""
    for order in orders:
        for other in book.working.get(order.symbol, ()):
            if other.status in PENDING or (plan.policy is not LegPolicy.TOGETHER and other.lane == order.name):
                return True
    return plan.waits


def take_up(book: AccountBook, orders: Sequence[Order], plan: Planned) -> None:
    """Add these orders, and what is to follow them, to what later signals are decided by."""
    book.add(
        Working(
            # No order has an id yet; below 0 none is taken for another.
            order_id=-(10 * (order.signal_id or 0) + order.leg),
            signal_id=order.signal_id,
            lane=order.name,
            symbol=order.symbol,
            side=plan.legs[0].side if order.leg == plan.legs[0].number else plan.legs[-1].side,
            rest=order.quantity,
            status=S.QUEUED,
            is_exit=order.is_exit,
            is_market=order.order_type == OrderType.MARKET,
        )
        for order in orders
    )
    ordered = {order.leg for order in orders}
    for leg in plan.legs:
        if leg.number not in ordered:
            book.promise(orders[0].name, leg.symbol, leg.side.sign * leg.quantity)


def insert_orders(session: Session, made: Sequence[Made], worker: str, now: datetime) -> list[Claim]:
    """Insert all orders with their first events; returns the claims of those that are sent at once.

    These are committed, with this transaction, as being sent. An attached one waits until the broker has leg 1.
    """
    orders = [order for each in made for order in each.orders]
    if not orders:
        return []
    for each in made:
        for order in each.orders:
            if each.at_once and not order.attached:
                take_lease(order, worker, now)
                start_sending(order, now)
                order.status, order.moves = S.SENDING, len(AT_ONCE)
    # Written out these two statements cost half of what the mapper takes. Sorted, so that two workers never wait for
    # each other in a circle.
    orders.sort(key=lambda order: (order.account_id, order.symbol, order.signal_id or 0))
    rows = _rows(orders)
    ids = {row.client_order_id: row.id for row in session.execute(_INSERT_ORDERS, rows)}
    for order in orders:
        order.id = ids[order.client_order_id]
    session.execute(_INSERT_EVENTS, [event for order in orders for event in _events(order, worker)])
    return [
        make_claim(order, each.signal, each.account, None)
        for each in made
        for order in each.orders
        if order.status == S.SENDING
    ]


def _rows(orders: Sequence[Order]) -> list[dict[str, object]]:
    """Return what is to be inserted: the columns that any of the orders has a value for."""
    columns = [
        column.name for column in ORDERS.c if any(order.__dict__.get(column.name) is not None for order in orders)
    ]
    return [{name: order.__dict__.get(name) for name in columns} for order in orders]


def _events(order: Order, worker: str) -> list[dict[str, object]]:
    return [
        {
            "order_id": order.id,
            "seq": seq,
            "from_status": old,
            "to_status": new,
            "cause": cause,
            "actor": worker,
            "epoch": 0 if new is S.QUEUED else order.lease_epoch,
        }
        for seq, (old, new, cause) in enumerate(AT_ONCE[: order.moves], 1)
    ]


__all__ = ["ZERO", "Decided", "Made", "apply_outcome", "insert_orders", "make_orders", "must_queue", "take_up"]
