"""What a signal's orders come to, and what follows from it: both legs or none.

Called after every change of an order, inside its transaction and under the lock of the signal.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import FailurePolicy, LegPolicy, Purpose, Side
from domain.errors import IllegalTransition
from domain.lanes.exits import UNFINISHED, Unfinished, next_try, unfinished
from domain.lanes.leg import UNSETTLED, LegPlan, PairPlan
from domain.lanes.pair_moves import imbalance, leg_states, next_part, single_state
from domain.lanes.roll_up import LegState, RollUp, roll_up, with_left_out
from domain.lanes.values import Kind
from domain.order_status import CLOSED, OrderStatus, SignalStatus
from domain.pricing import average_price
from domain.trace import step
from extensions import announce
from models import Order, Signal
from services.execution.follow_up import ChangeContext, follow_up, leg_orders, send_part
from services.signal_moves import move_signal

logger = logging.getLogger(__name__)

S = OrderStatus
ZERO, SMALLEST = Decimal(0), Decimal("1e-8")
_ORDERS_OF_SIGNAL = (
    sa.select(Order)
    .where(Order.signal_id == sa.bindparam("signal_id"))
    .order_by(Order.leg, Order.generation)
    .with_for_update()
)


def refresh_signal(
    session: Session,
    signal: Signal | None,
    order: Order | None,
    now: datetime,
    actor: str,
    *,
    timed_out: bool = False,
    orders: list[Order] | None = None,
) -> None:
    """Set a signal's status, prices and slip from its orders, and make what orders must follow; tells the listeners.

    `order` is the one that has changed, when it is known; `orders` are all of the signal, where they were read before.
    `signal` must be locked. One of an outside executor stands as that one says, and the desk orders nothing for it.
    """
    if signal is None or signal.external:
        return
    if orders is None:
        session.flush()
        orders = orders_of_signal(session, signal.id)
    plan = pair_plan(signal, orders)
    hand = ChangeContext(session, now, actor)
    ahead = 0
    if plan is None:
        legs = _single_leg(hand, signal, orders)
    else:
        orders = follow_up(hand, signal, plan, orders, timed_out=timed_out)
        ahead, _ = imbalance(plan, leg_orders(orders))
        signal.unbalanced_at = (signal.unbalanced_at or now) if ahead else None
        legs = leg_states(plan, leg_orders(orders))
    left = unfinished(leg_orders(orders)) if signal.kind == Kind.EXIT else None
    result = _result(signal, plan, orders, legs, left)
    if ahead and is_overdue(signal, now) and result.status is not SignalStatus.CRITICAL:
        result = replace(result, status=SignalStatus.CRITICAL, reason=_too_long_alone(signal, ahead, orders))
    was_critical = signal.status == SignalStatus.CRITICAL
    _show(session, signal, orders, result, actor)
    if left is not None and not left.is_sent_again:
        _note_unfinished(signal, left, is_told=not was_critical and signal.status == SignalStatus.CRITICAL)


def _note_unfinished(signal: Signal, left: Unfinished, *, is_told: bool) -> None:
    """Put on the trace, and once into the log, that an exit is over without having closed what it should.

    `is_told`: the move of the signal has said so just now. While it is sent again, the signal needs a person already.
    """
    text = f"{str(left)[0].upper()}{str(left)[1:]}."
    if any(entry["text"] == text for entry in signal.trace):
        return
    signal.trace = [*signal.trace, step("exit", False, text)]
    if not is_told:
        logger.critical("signal %s: %s", signal.id, left)


def _single_leg(hand: ChangeContext, signal: Signal, orders: list[Order]) -> list[LegState]:
    """Return how a signal of one leg stands, once what follows is ordered: a new side, or an exit again."""
    if not orders:
        return []
    side, leg = Side(orders[0].side), orders[0].leg
    if signal.leg_closes1 is not None:
        whole = _reversal(signal, orders)
        move = next_part(whole, leg, leg_orders(orders))
    elif signal.kind == Kind.EXIT:
        whole = LegPlan(side=side, quantity=orders[0].quantity, step=SMALLEST)
        move = next_try(leg_orders(orders), is_alive=_is_alive(orders, hand.now))
    else:
        return [_single(orders[-1])]
    if move is not None:
        orders.append(send_part(hand, signal, move, orders))
    return [single_state(whole, leg, leg_orders(orders))]


def _result(
    signal: Signal,
    plan: PairPlan | None,
    orders: Sequence[Order],
    legs: Sequence[LegState],
    left: Unfinished | None,
) -> RollUp:
    side = Side(orders[0].side) if orders else Side(signal.side)
    only_leg = orders[-1].leg if orders and plan is None and signal.symbol2 is not None else None
    result = roll_up(side, signal.price, signal.hedge_ratio if plan else None, legs, only_leg=only_leg)
    if only_leg is not None and legs[0].price is not None:
        _note_lone_leg(signal, only_leg)
    if signal.kind != Kind.EXIT:
        return with_left_out(result, signal.left_out, is_exit=False)
    if left is not None:
        return replace(result, status=SignalStatus.CRITICAL, reason=str(left))
    return with_left_out(result, signal.left_out, is_exit=True)


def _is_alive(orders: Sequence[Order], now: datetime) -> bool:
    """Return True while the alert may still be sent."""
    latest = orders[0].not_after
    return latest is None or latest > now


def is_overdue(signal: Signal, now: datetime) -> bool:
    """Return True if the legs have been out of balance for longer than they may."""
    since = signal.unbalanced_at
    return since is not None and now >= since + timedelta(seconds=signal.leg_timeout or 0)


def pair_plan(signal: Signal, orders: Sequence[Order]) -> PairPlan | None:
    """Return how a signal's two legs are traded; None for a signal of one leg."""
    if not signal.leg_quantity1 or not signal.leg_quantity2:
        return None
    sides = {order.leg: Side(order.side) for order in orders if order.purpose != Purpose.UNWIND}
    one = next(iter(sides))
    legs = tuple(
        LegPlan(
            side=sides.get(number, sides[one].opposite), quantity=quantity, step=size or SMALLEST, closes=closes or ZERO
        )
        for number, quantity, size, closes in (
            (1, signal.leg_quantity1, signal.leg_step1, signal.leg_closes1),
            (2, signal.leg_quantity2, signal.leg_step2, signal.leg_closes2),
        )
    )
    return PairPlan(
        legs=(legs[0], legs[1]),
        policy=LegPolicy(signal.leg_policy or LegPolicy.TOGETHER),
        on_failure=FailurePolicy(signal.on_leg_failure or FailurePolicy.UNWIND),
        lead=signal.lead_leg or 1,
        is_exit=signal.kind == Kind.EXIT,
    )


def _reversal(signal: Signal, orders: Sequence[Order]) -> LegPlan:
    """Return the status of a signal of one leg that closes one position and opens another."""
    return LegPlan(
        side=Side(orders[0].side),
        quantity=signal.leg_quantity1 or ZERO,
        step=signal.leg_step1 or SMALLEST,
        closes=signal.leg_closes1 or ZERO,
    )


def orders_of_signal(session: Session, signal_id: int) -> list[Order]:
    """Return the orders of a signal by leg and generation, locked."""
    return list(session.execute(_ORDERS_OF_SIGNAL, {"signal_id": signal_id}).scalars())


def _show(session: Session, signal: Signal, orders: Sequence[Order], result: RollUp, actor: str) -> None:
    old = SignalStatus(signal.status)
    reason = result.reason
    if result.status is SignalStatus.CRITICAL and signal.leg_quantity2 and not str(reason).startswith(UNFINISHED):
        reason = f"{reason}; {_whats_next(orders)}"
    status = result.status
    if status is SignalStatus.CREATED and old in (SignalStatus.ERROR, SignalStatus.CANCELED):
        status, reason = SignalStatus.CRITICAL, "an order that was taken for dead works at the broker"
    if status is SignalStatus.CREATED and old is SignalStatus.CRITICAL:
        status, reason = old, signal.status_reason  # until a fill or an end says what has become of it
    try:
        text = reason if status in (SignalStatus.ERROR, SignalStatus.CRITICAL) else None
        move_signal(session, signal, status, reason, actor, text=text)
    except IllegalTransition as e:
        logger.error("signal %s: %s Its orders are on record.", signal.id, e.message)
    for leg in (1, 2):
        own = [order for order in orders if order.leg == leg and order.purpose != Purpose.UNWIND]
        known = [order.broker_order_id for order in own if order.broker_order_id is not None]
        setattr(signal, f"order_id{leg}", known[-1] if known else None)
        setattr(signal, f"leg_price{leg}", average_price((o.filled_quantity, o.average_price or ZERO) for o in own))
    signal.filled_quantity, signal.fill_price, signal.slip = result.filled, result.fill_price, result.slip
    announce(session)


def _note_lone_leg(signal: Signal, leg: int) -> None:
    symbol = signal.symbol1 if leg == 1 else signal.symbol2
    text = f"Only leg {leg} ({symbol}) is traded, so there is no price of the pair and no slip."
    if all(entry["text"] != text for entry in signal.trace):
        signal.trace = [*signal.trace, step("legs", True, text, leg=leg)]


def _too_long_alone(signal: Signal, ahead: int, orders: Sequence[Order]) -> str:
    """Return in words since when one leg has been without the other, and since when an outcome has not been known."""
    told = [f"one leg without the other: leg {ahead} is ahead of leg {3 - ahead} since {_clock(signal.unbalanced_at)}"]
    told += [
        f"the outcome of leg {order.leg} is not known since {_clock(order.sent_at)}"
        for order in orders
        if order.status in UNSETTLED and order.status != S.CLAIMED
    ]
    return ", ".join(told)


def _clock(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


def _whats_next(orders: Sequence[Order]) -> str:
    working = [order for order in orders if order.status not in CLOSED]
    if any(order.status in UNSETTLED for order in working):
        return "the outcome of the other leg is awaited"
    if any(order.purpose == Purpose.UNWIND for order in working):
        return "the other leg is being traded back"
    if any(order.purpose == Purpose.COMPLETE for order in working):
        return "the failed leg is sent again"
    if any(order.cancel_requested_at is not None for order in working):
        return "the other leg is being canceled"
    return "a person must decide"


def _single(order: Order) -> LegState:
    return LegState(OrderStatus(order.status), order.quantity, order.filled_quantity, order.average_price, order.reason)
