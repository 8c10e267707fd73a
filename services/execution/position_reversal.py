"""What an account as a whole holds of a symbol, and orders that are sent in parts because of it."""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Purpose, Side
from domain.exact import plain_text
from domain.lanes.leg import Leg, LegPlan
from domain.lanes.position_reversal import AccountHolding, Parts, replanned, split
from domain.order_status import OrderStatus
from domain.trace import step
from models import AssetState, Order, Signal
from services.execution.follow_up import leg_orders
from services.execution.order_moves import note
from services.timing import REVERSAL_PATIENCE

logger = logging.getLogger(__name__)

S = OrderStatus
ZERO, ONE, SMALLEST = Decimal(0), Decimal(1), Decimal("1e-8")


def parts_of(session: Session, order: Order, holding: AccountHolding, now: datetime) -> Parts:
    """Return how to send an order that its broker does not take across a position of zero.

    What was sent before stays as it is, for the broker may know it; so does what has waited long enough, and what the
    broker sizes itself.
    """
    if order.send_attempts or order.attached:
        return Parts(order.quantity)
    parts = split(Side(order.side), order.quantity, holding, _short_step(session, order))
    if parts.must_wait and order.created_at + REVERSAL_PATIENCE <= now:
        return Parts(parts.later, lost=parts.lost)
    return parts


def send_in_parts(session: Session, signal: Signal | None, order: Order, parts: Parts, actor: str) -> None:
    """Reduce an order to what may be sent now; the signal keeps the rest, which follows when this part is filled."""
    if parts.now == order.quantity:
        return
    if signal is not None and order.purpose == Purpose.SIGNAL:
        _replan(session, signal, order, parts)
    side, symbol, whole = order.side, order.symbol, plain_text(order.quantity)
    text = f"Of {side} {whole} {symbol}, {plain_text(parts.now)} are sent now"
    if parts.later:
        text += (
            f", for no order may turn the account's position round; {plain_text(parts.later)} follow once it is filled"
        )
    if parts.lost:
        text += f"; {plain_text(parts.lost)} are left, for short sales go in whole shares"
    order.quantity = parts.now
    note(session, order, f"{text}.", actor)
    logger.info("order %s (signal %s leg %s): %s", order.client_order_id, order.signal_id, order.leg, text)
    if signal is not None:
        figures = {"now": parts.now, "later": parts.later, "left": parts.lost}
        signal.trace = [*signal.trace, step("reversal", True, f"{text}.", leg=order.leg, **figures)]


def _replan(session: Session, signal: Signal, order: Order, parts: Parts) -> None:
    """Set the signal's leg to what its parts come to, so that the rest follows."""
    leg = 1 if signal.leg_quantity2 is None else order.leg
    is_pair = bool(signal.leg_quantity1 and signal.leg_quantity2)
    known = (getattr(signal, f"{name}{leg}") for name in ("leg_quantity", "leg_step", "leg_closes"))
    quantity, size, closes = known
    plan = LegPlan(
        side=Side(order.side), quantity=quantity or order.quantity, step=size or SMALLEST, closes=closes or ZERO
    )
    siblings = sa.select(Order).where(Order.signal_id == signal.id, Order.leg == order.leg, Order.id != order.id)
    coming = Leg(
        order.leg, plan, leg_orders(session.execute(siblings.order_by(Order.generation)).scalars().all())
    ).ordered
    made = replanned(plan, coming, parts, _short_step(session, order))
    if is_pair or parts.later or quantity is not None:
        setattr(signal, f"leg_quantity{leg}", made.quantity)
        setattr(signal, f"leg_step{leg}", made.step)
        setattr(signal, f"leg_closes{leg}", made.closes or None)


def _short_step(session: Session, order: Order) -> Decimal:
    key = (AssetState.account_id == order.account_id, AssetState.symbol == order.symbol)
    row = session.execute(sa.select(AssetState.short_step, AssetState.quantity_step).where(*key)).one_or_none()
    if row is None:
        return SMALLEST
    found: Decimal = row.short_step if row.short_step is not None else row.quantity_step
    return found
