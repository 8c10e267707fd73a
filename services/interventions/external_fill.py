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
from domain.order_status import SignalStatus, check_signal_transition
from extensions import transaction
from models import Signal
from services.interventions.edit_signal import record_move, reprice

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
    """Book the report on the newest signal with that order id, on either leg.

    Raises NotFound; Conflict when the desk's own broker sent that order, or the signal is filled.
    """
    with transaction() as session:
        signal = _find(session, report.order_id)
        if not signal.external:
            raise Conflict("The desk itself sent this order; its fills come from the broker only.")
        leg = 1 if signal.order_id1 == report.order_id else 2
        if signal.status == SignalStatus.FILLED:
            if report == ExternalFill(report.order_id, getattr(signal, f"leg_price{leg}"), False, None):
                return signal  # executors report the day's fills again and again
            raise IllegalTransition("signal", signal.status, _status(signal, report))
        values: dict[str, Any] = {"order_id": report.order_id}
        if report.price is not None:
            setattr(signal, f"leg_price{leg}", report.price)
            values[f"leg_price{leg}"] = report.price
        status = _status(signal, report)
        check_signal_transition(SignalStatus(signal.status), status)
        if report.partial_quantity is not None:
            if report.partial_quantity > signal.quantity:
                most = plain_text(signal.quantity)
                raise InvalidInput({"order_contracts": f"must be at most the {most} that were ordered"})
            values["filled"] = signal.filled_quantity = report.partial_quantity
        elif status is SignalStatus.FILLED:
            signal.filled_quantity = signal.quantity
        record_move(session, signal, status, EXECUTOR, **values)
        reprice(signal)
    logger.info("signal %s: order %s reported, now %s", signal.id, report.order_id, signal.status)
    return signal


def _find(session: Session, order_id: str) -> Signal:
    """Return the newest signal with that order id, those of outside executors first, locked."""
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
    if not candidates:
        raise NotFound("item not found.")
    newest = sa.select(Signal).where(Signal.id == max(candidates)[1]).with_for_update(of=Signal)
    return session.execute(newest).scalar_one()


def _status(signal: Signal, report: ExternalFill) -> SignalStatus:
    if report.cancel:
        return SignalStatus.CANCELED
    if report.partial_quantity is not None:
        return SignalStatus.PART_FILLED
    if signal.symbol2 is not None and (signal.leg_price1 is None or signal.leg_price2 is None):
        return SignalStatus.LEG_FILLED
    return SignalStatus.FILLED
