"""Moving orders along the table of legal moves, each move on record in the same commit."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from domain.order_status import OrderStatus, check_transition
from models import Order, OrderEvent
from services.batch_writes import add_record
from services.execution.lane_wakeups import note_change

logger = logging.getLogger(__name__)

S = OrderStatus


def move_order(
    session: Session, order: Order, status: OrderStatus, cause: str, actor: str, *, by_evidence: bool = False
) -> None:
    """Move an order along the table of legal moves and put the move on record; raises IllegalTransition."""
    check_transition(OrderStatus(order.status), status, by_evidence=by_evidence)
    _record(session, order, status, cause, actor)
    note_change(session, order, OrderStatus(order.status), status)
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


def request_cancel(session: Session, order: Order, reason: str, actor: str, now: datetime) -> None:
    """Bring an open order to its end: at once when no broker has heard of it, else through the broker.

    One whose outcome is not known is marked, and canceled when the broker turns out to have it.
    """
    if order.cancel_requested_at is None:
        order.cancel_requested_at, order.cancel_reason = now, reason[:500]
    if order.status == S.QUEUED:
        order.reason = reason[:500]
        move_order(session, order, S.CANCELED, reason, actor)
    elif order.status in (S.ACCEPTED, S.PARTIALLY_FILLED):
        start_cancel(session, order, reason, actor, now)
    elif order.status != S.CANCEL_PENDING:
        note(session, order, f"to be canceled once the broker has it: {reason}", actor)


def start_cancel(session: Session, order: Order, reason: str, actor: str, now: datetime) -> None:
    """Let a worker ask the broker for the end of a working order."""
    order.cancel_tries, order.next_at = 0, now
    move_order(session, order, S.CANCEL_PENDING, reason, actor)


def _record(session: Session, order: Order, status: OrderStatus, cause: str, actor: str) -> None:
    order.moves = (order.moves or 0) + 1
    values = {
        "order_id": order.id,
        "seq": order.moves,
        "from_status": order.status,
        "to_status": status,
        "cause": cause[:500],
        "actor": actor,
        "epoch": order.lease_epoch,
    }
    add_record(session, OrderEvent, values)
