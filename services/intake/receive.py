"""Alert in, signal stored: one transaction, one statement where all goes well.

When the statement inserts nothing, the registry has changed since the decision was made, or the
event is stored already; the slow path finds out which.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from domain.alert import REPEAT_WINDOW, Alert, RepeatKey, repeat_key
from domain.errors import DatabaseBusy, NotAuthenticated, PayloadMismatch
from domain.intake import Decision, decide
from domain.order_status import SignalStatus
from extensions import announce_now, transaction, utc_now
from models import Signal
from services import failpoints
from services.catalog import snapshots
from services.intake.statement import DECIDED, SAID, insert_signal

logger = logging.getLogger(__name__)

SOURCE = "webhook"


@dataclass(frozen=True, slots=True)
class Received:
    """What the sender is told; `status` and `reason` are those at arrival."""

    rowid: int
    status: SignalStatus
    reason: str | None
    duplicate: bool


def receive_signal(alert: Alert, passphrase: str | None = None) -> Received:
    """Store an alert and return its signal; a repeat of the same event returns the first one.

    A passphrase that is given must be in force at the moment of storing: raises NotAuthenticated.
    Raises PayloadMismatch when the sender's id was used for other content, and DatabaseBusy when
    the registry keeps changing underneath.
    """
    key = repeat_key(alert, time.time())
    for attempt in range(4):
        known = snapshots.snapshot(fresh=attempt > 0)
        if passphrase is not None and not known.accepts(passphrase):
            raise NotAuthenticated("incorrect passphrase.", "wrong_passphrase")
        decision = decide(alert.ticker, known.find_instrument, known.find_pair, known.terms)
        values = _values(alert, decision, key, known.version)
        # At the edge of a minute deliveries of one body pass one by one, so that none is missed.
        rowid = insert_signal(values, int(alert.body_sha256[:15], 16) if key.near_edge else None)
        if rowid is not None:
            failpoints.reach("alert after commit")
            announce_now()
            break
        if (first := _first_delivery(alert, key)) is not None:
            return first
    else:
        raise DatabaseBusy("The registry is being changed; send the alert again.")
    logger.info(
        "signal %s: %s %s %s, %s",
        rowid,
        alert.side,
        alert.quantity,
        decision.name or "?",
        decision.reason or decision.status,
    )
    return Received(rowid, decision.status, decision.reason, duplicate=False)


def _first_delivery(alert: Alert, key: RepeatKey) -> Received | None:
    """Count the repeat on the first delivery's row; None when there is none, so the registry had changed."""
    cutoff = datetime.now(UTC) - timedelta(seconds=REPEAT_WINDOW)
    query = (
        sa.select(Signal)
        .where(Signal.source == SOURCE)
        .where(
            (Signal.dedupe_key == key.key)
            | (Signal.dedupe_key.in_([key.previous, key.next]) & (Signal.received_at > cutoff))
        )
        .order_by(Signal.id.desc())
        .limit(1)
        .with_for_update(of=Signal)
    )
    with transaction() as session:
        first = session.execute(query).scalar_one_or_none()
        if first is None:
            return None
        if first.body_sha256 != alert.body_sha256:
            logger.warning("signal %s: its id came again with other content, refused", first.id)
            raise PayloadMismatch(f"signal_id was used before with other content (rowid {first.id}).")
        first.seen_count += 1
        first.last_seen_at = utc_now()
        failpoints.reach("repeat before commit")
    if first.weak_key:
        logger.warning(
            "signal %s: same body again within %d s, taken for a repeat (seen %d times)",
            first.id,
            REPEAT_WINDOW,
            first.seen_count,
        )
    return Received(first.id, SignalStatus(first.status), first.status_reason, duplicate=True)


def _values(alert: Alert, decision: Decision, key: RepeatKey, version: int) -> dict[str, Any]:
    return {
        **{name: getattr(alert, name) for name in SAID},
        **{name: getattr(decision, name) for name in DECIDED},
        "source": SOURCE,
        "dedupe_key": key.key,
        "weak_key": key.weak,
        "status_reason": decision.reason,
        "known_version": version,
        "previous_key": key.previous,
        "next_key": key.next,
        "repeat_cutoff": datetime.now(UTC) - timedelta(seconds=REPEAT_WINDOW),
    }
