"""Signals that the desk itself makes for a person: they go through the same pipeline as every alert."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import MarketPosition, Side, Source, TickerType
from domain.order_status import SignalStatus
from domain.trace import step
from extensions import announce, insert_or_update, utc_now
from models import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalSignal:
    """What is to be traded in a book; `key` names the deed, so that a second click finds the first one's signal."""

    source: Source
    key: str
    account_id: int
    name: str
    symbols: tuple[str, ...]
    side: Side
    quantity: Decimal
    comment: str


def add_signal(session: Session, wanted: InternalSignal) -> tuple[int, bool]:
    """Store a signal unless its key is known; returns its rowid and whether it is new."""
    symbols = sorted(wanted.symbols, key=lambda symbol: not wanted.name.startswith(f"{symbol}-"))
    row = insert_or_update(Signal).values(
        source=wanted.source,
        dedupe_key=wanted.key[:160],
        weak_key=False,
        body_sha256="",
        seen_count=1,
        received_at=utc_now(),
        last_seen_at=utc_now(),
        ticker=wanted.name,
        side=wanted.side,
        quantity=wanted.quantity,
        position=MarketPosition.FLAT if wanted.source is Source.FLATTEN else None,
        comment=wanted.comment[:128],
        ticker_type=TickerType.PAIR if len(symbols) == 2 else TickerType.SINGLE,
        name=wanted.name,
        symbol1=symbols[0],
        symbol2=symbols[1] if len(symbols) == 2 else None,
        account_id=wanted.account_id,
        external=False,
        status=SignalStatus.WAITING,
        trace=[step("source", True, f"Made by the desk: {wanted.comment}.", source=wanted.source)],
    )
    rowid = session.execute(row.on_conflict_do_nothing().returning(Signal.id)).scalar()
    if rowid is not None:
        announce(session)
        return rowid, True
    known = sa.select(Signal.id).where(Signal.source == wanted.source, Signal.dedupe_key == wanted.key[:160])
    return session.execute(known).scalar_one(), False
