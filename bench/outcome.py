"""What became of signals: whether they are filled, when, and by which orders."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from bench.support import Child, Desk, Failure
from domain.order_status import OrderStatus, SignalStatus
from extensions import db
from models import Order, OrderEvent, Signal

EVERY = 0.2  # seconds between two looks
LOST = (SignalStatus.CANCELED, SignalStatus.ERROR, SignalStatus.CRITICAL)


@dataclass(frozen=True, slots=True)
class Leg:
    """One order that is filled, and when the desk has booked its last fill, seconds since 1970."""

    client_order_id: str
    filled_at: float


def wait_until_filled(desk: Desk, rowids: Collection[int], children: Collection[Child], patience: float) -> None:
    """Return when all signals are filled; `patience` in seconds.

    Raises Failure when one ends without a fill, when a process ends, and when it takes too long.
    """
    mine = Signal.id.in_(list(rowids))
    query = sa.select(Signal.status, sa.func.count(), sa.func.min(Signal.id)).where(mine).group_by(Signal.status)
    end = time.monotonic() + patience
    while True:
        with desk.app.app_context():
            found = {status: (count, first) for status, count, first in db.session.execute(query)}
        if found.get(SignalStatus.FILLED, (0, 0))[0] == len(rowids):
            return
        counts = ", ".join(f"{count} {status}" for status, (count, _) in found.items())
        if lost := [first for status, (_, first) in found.items() if status in LOST]:
            raise Failure(f"{desk.kind}: {counts}; signal {lost[0]}: {_reason(desk, lost[0])}")
        for child in children:
            child.check()
        if time.monotonic() > end:
            raise Failure(f"{desk.kind}: of {len(rowids)} signals {counts} after {patience:.0f} s")
        time.sleep(EVERY)


def filled_legs(desk: Desk, rowids: Collection[int]) -> dict[int, list[Leg]]:
    """Return the legs of signals that are filled, by signal and in order."""
    query = (
        sa.select(Signal.id, Order.client_order_id, OrderEvent.at)
        .join(Order, Order.signal_id == Signal.id)
        .join(OrderEvent, OrderEvent.order_id == Order.id)
        .where(OrderEvent.to_status == OrderStatus.FILLED, Signal.id.in_(list(rowids)))
        .order_by(Signal.id, Order.leg)
    )
    legs: dict[int, list[Leg]] = {}
    with desk.app.app_context():
        for rowid, client_order_id, at in db.session.execute(query):
            legs.setdefault(rowid, []).append(Leg(client_order_id, at.timestamp()))
    return legs


def last_fill(desk: Desk, rowids: Collection[int]) -> float:
    """Return when the last of filled signals was, seconds since 1970."""
    return max(leg.filled_at for legs in filled_legs(desk, rowids).values() for leg in legs)


def _reason(desk: Desk, rowid: int) -> str:
    with desk.app.app_context():
        told = db.session.execute(sa.select(Signal.error_text, Signal.status_reason).where(Signal.id == rowid)).one()
    return told[0] or told[1] or "it does not say why"
