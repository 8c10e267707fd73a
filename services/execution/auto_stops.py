"""Stops that the desk sets itself, when what the broker does cannot be right; a person releases them."""

from __future__ import annotations

import logging

from sqlalchemy.orm import Session

from domain.enums import Scope, StopLevel
from extensions import announce, utc_now
from models import Stop
from services import journal
from services.catalog import snapshots

logger = logging.getLogger(__name__)

ACTOR = "the desk"


def halt_symbol(session: Session, symbol: str, reason: str) -> None:
    """Stop all entries in a symbol, and in the pairs that it is a leg of, from this commit on."""
    snapshots.bump_version(session)
    now = utc_now()
    session.add(
        Stop(
            level=StopLevel.ENTRIES,
            scope=Scope.STOCK,
            scope_name=symbol,
            reason=reason[:255],
            actor=ACTOR,
            at=now,
            done_at=now,
        )
    )
    journal.record(session, ACTOR, f"stop {StopLevel.ENTRIES}", f"{Scope.STOCK} {symbol}", reason)
    announce(session)
