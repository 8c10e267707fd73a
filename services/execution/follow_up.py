"""Orders that the other orders of a signal ask for: what follows, what is sent again, what is traded back.

Made and ended inside the transaction of the change that asks for them, under the lock of the signal.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import LegPolicy, OrderType, Purpose, Side, TimeInForce
from domain.exact import plain_text
from domain.lanes.leg import Cancel, LegOrder, PairPlan, Send
from domain.lanes.pair_moves import next_moves
from domain.lanes.values import Kind
from domain.order_status import OrderStatus
from domain.trace import step
from models import Instrument, Order, Signal
from services.catalog import snapshots
from services.execution.claims import trail_of
from services.execution.new_orders import NewOrder, add_orders, make_order
from services.execution.order_moves import request_cancel
from services.timing import FIX_DELAY, FIX_LIFETIME

logger = logging.getLogger(__name__)

S = OrderStatus
WHAT = {
    Purpose.SIGNAL: "follows the fills of the other leg",
    Purpose.COMPLETE: "a failed leg is sent again",
    Purpose.UNWIND: "trades a leg back, because the other one failed",
}


@dataclass(frozen=True, slots=True)
class ChangeContext:
    """Who changes orders, when, and in which transaction."""

    session: Session
    now: datetime
    actor: str


def leg_orders(orders: Sequence[Order]) -> list[LegOrder]:
    """Return orders in the form that the rules of legs take."""
    return [
        LegOrder(
            id=order.id,
            leg=order.leg,
            side=Side(order.side),
            quantity=order.quantity,
            filled=order.filled_quantity,
            status=OrderStatus(order.status),
            price=order.average_price,
            purpose=Purpose(order.purpose),
            reason=order.reason,
            cancel_requested=order.cancel_requested_at is not None,
            was_sent=order.sent_at is not None,
        )
        for order in orders
    ]


def follow_up(
    hand: ChangeContext, signal: Signal, plan: PairPlan, orders: list[Order], *, timed_out: bool
) -> list[Order]:
    """Make and end the orders that follow from those there are; returns all orders of the signal."""
    for _ in range(4):  # ending an order that was not sent may decide the next move at once
        moves = next_moves(plan, leg_orders(orders), timed_out=timed_out)
        for move in moves:
            if isinstance(move, Cancel):
                ending = next(order for order in orders if order.id == move.order_id)
                what = "not sent" if ending.status == S.QUEUED else "canceled"
                request_cancel(hand.session, ending, f"{what}, because {move.why}", hand.actor, hand.now)
            else:
                orders.append(send_part(hand, signal, move, orders))
        if not moves:
            break
        hand.session.flush()
    return sorted(orders, key=lambda order: (order.leg, order.generation))


def send_part(hand: ChangeContext, signal: Signal, move: Send, orders: Sequence[Order]) -> Order:
    """Make the order of a move; `orders` are all that the signal has."""
    siblings = [order for order in orders if order.leg == move.leg]
    symbol = str(signal.symbol1 if move.leg == 1 else signal.symbol2)
    terms: Order | Instrument | None = siblings[0] if siblings else _instrument(hand.session, symbol)
    due = hand.now + FIX_DELAY * max(0, move.attempt - 1)
    new = NewOrder(
        leg=move.leg,
        symbol=symbol,
        asset_class=terms.asset_class if terms else orders[0].asset_class,
        currency=terms.currency if terms else orders[0].currency,
        side=move.side,
        quantity=move.quantity,
        **_terms(signal, move, orders, due),
        purpose=move.purpose,
        generation=max((order.generation for order in siblings), default=0) + 1,
        is_exit=move.purpose is Purpose.UNWIND or _is_exit(signal, orders),
        next_at=due,
    )
    order = make_order(snapshots.snapshot().installation, signal, new, hand.now)
    reversing = move.purpose is Purpose.SIGNAL and bool(signal.leg_closes1 or signal.leg_closes2)
    what = "opens what was closed the other way" if reversing else WHAT[move.purpose]
    text = f"{what[0].upper()}{what[1:]}: {move.side} {plain_text(move.quantity)} {symbol}."
    signal.trace = [
        *signal.trace,
        step("legs", move.purpose is Purpose.SIGNAL, text, leg=move.leg, attempt=move.attempt),
    ]
    add_orders(hand.session, [order], what, hand.actor)
    level = logging.INFO if move.purpose is Purpose.SIGNAL else logging.CRITICAL
    logger.log(level, "signal %s: %s", signal.id, text)
    return order


def _is_exit(signal: Signal, orders: Sequence[Order]) -> bool:
    """Return True if the signal only closes; what a reversal still sends after its closing opens."""
    return signal.kind == Kind.EXIT if signal.kind is not None else orders[0].is_exit


def _terms(signal: Signal, move: Send, orders: Sequence[Order], due: datetime) -> dict[str, Any]:
    """Return the terms of an order: those of the one that it goes on with, else to the market.

    No order of an alert lives for ever: a hedge that could not be sent for so long is for a person.
    """
    first = next((order for order in orders if order.leg == move.leg), None)
    has_end = any(order.not_after is not None for order in orders)  # what a stop closes has none
    if move.purpose is Purpose.COMPLETE and has_end:
        # What the other leg holds is to be hedged also when the alert is too old by now, but not whenever that may be;
        # the exit of a single is sent again as long as its alert lives.
        alone = first.not_after if first is not None and signal.leg_timeout is None else None
        return {"not_after": alone or due + timedelta(seconds=signal.leg_timeout or 0)}
    if first is None or move.purpose is not Purpose.SIGNAL:
        return {"not_after": due + FIX_LIFETIME} if has_end else {}
    follows = signal.leg_policy == LegPolicy.LEG1_FIRST and move.leg != (signal.lead_leg or 1)
    return {
        "order_type": OrderType(first.order_type),
        "time_in_force": TimeInForce(first.time_in_force),
        "limit_price": first.limit_price,
        "stop_price": first.stop_price,
        "trail": trail_of(first),
        "extended_hours": first.extended_hours,
        # What opens after a close is as old as the alert that asked for both; what hedges fills has a life of its own.
        "not_after": due + FIX_LIFETIME if follows and has_end else first.not_after,
    }


def _instrument(session: Session, symbol: str) -> Instrument | None:
    return session.execute(sa.select(Instrument).where(Instrument.symbol == symbol)).scalar_one_or_none()
