"""Reads of signals for the API and the pages; each list is one walk along one index, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from domain.errors import InvalidInput, NotFound
from domain.order_status import SignalStatus
from extensions import db
from models import Order, Signal

ANONYMOUS_ROWS = 5
ANONYMOUS_WAITING_ROWS = 20
MOST_ROWS = 5000  # of one answer, so that one reader cannot take the memory of a web process


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFilter:
    """What to list: a stock's or pair's name, a status, times of receipt (UTC, `until` excluded)."""

    name: str | None = None
    status: SignalStatus | None = None
    since: datetime | None = None
    until: datetime | None = None


def get_signal(rowid: int) -> Signal:
    """Return a signal with its orders and fills; raises NotFound."""
    query = sa.select(Signal).where(Signal.id == rowid).options(selectinload(Signal.orders).selectinload(Order.fills))
    if (row := db.session.execute(query).scalar_one_or_none()) is None:
        raise NotFound("item not found.")
    return row


def list_signals(wanted: SignalFilter, limit: int | None, after: int | None = None) -> Sequence[Signal]:
    """Return signals, newest first, those older than the signal `after`; None = as many as one answer may hold.

    Raises InvalidInput when there is no signal `after`.
    """
    query = sa.select(Signal).order_by(Signal.received_at.desc(), Signal.id.desc()).limit(min(limit or MOST_ROWS, MOST_ROWS))
    if wanted.name is not None:
        query = query.where(Signal.name == wanted.name)
    if wanted.status is not None:
        query = query.where(Signal.status == wanted.status)
    if wanted.since is not None:
        query = query.where(Signal.received_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Signal.received_at < wanted.until)
    if after is not None:
        received_at = db.session.execute(sa.select(Signal.received_at).where(Signal.id == after)).scalar()
        if received_at is None:
            raise InvalidInput({"after": "there is no such signal"})
        here = sa.tuple_(sa.literal(received_at, Signal.received_at.type), sa.literal(after))
        query = query.where(sa.tuple_(Signal.received_at, Signal.id) < here)
    return db.session.execute(query).scalars().all()
