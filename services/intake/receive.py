"""Alert in, signal stored: one transaction, one statement where all goes well.

When the statement inserts nothing, the registry has changed since the decision was made, the event is stored
already, or the alert's own time lies in the future; the slow path finds out which. All times are compared with
the database's clock: those of two web machines may be minutes apart.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from domain.alert import REDELIVERY_SPAN, Alert, RepeatKey, repeat_key
from domain.enums import TickerType
from domain.errors import DatabaseBusy, NotAuthenticated, PayloadMismatch
from domain.intake import Arrival, Decision, decide
from domain.order_status import SignalStatus
from extensions import announce_now, database_time, transaction, utc_now
from models import Signal
from services import failpoints
from services.catalog import snapshots
from services.intake.lane_state import is_lane_busy
from services.intake.repeats import is_new, key_range, last_of_body
from services.intake.statement import DECIDED, SAID, insert_signal

logger = logging.getLogger(__name__)
CLOCK_GRAIN = 0.01  # seconds: SQLite's clock has milliseconds, so what was stored now may seem a little older

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
    begun, key = time.monotonic(), repeat_key(alert)
    now: datetime | None = None  # the database's; known only where the alert's own time is in doubt
    for attempt in range(4):
        known = snapshots.snapshot(fresh=attempt > 0)
        if passphrase is not None and not known.accepts(passphrase):
            raise NotAuthenticated("incorrect passphrase.", "wrong_passphrase")
        arrival = Arrival(alert.alert_at, now, is_lane_busy, alert.ignored, tuple(alert.own_terms.told()))
        find = known.find_leg if alert.as_leg else known.find_instrument
        decision = decide(alert.ticker, find, known.find_pair, known.terms, arrival)
        values = _values(alert, decision, key, known)
        values["unjudged_at"] = alert.alert_at if now is None else None
        rowid = insert_signal(values, key.weak)
        if rowid is not None:
            failpoints.reach("alert after commit")
            announce_now()
            break
        if (first := _first_delivery(alert, key, decision.name, begun)) is not None:
            return first
        if alert.alert_at is not None:
            now = database_time()
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


def _first_delivery(alert: Alert, key: RepeatKey, name: str | None, begun: float) -> Received | None:
    """Count the repeat on the first delivery's row; None when there is none: another constraint failed.

    `begun` is when this delivery began, by the monotonic clock.
    """
    query = sa.select(Signal, sa.false(), utc_now()).where(Signal.source == SOURCE, Signal.dedupe_key == key.key)
    values: dict[str, Any] = {}
    if key.weak:
        last = last_of_body()
        query = sa.select(Signal, is_new(last), utc_now()).join(last, last.c.id == Signal.id)
        first_key, last_key = key_range(key.key)
        values = {"source": SOURCE, "body_sha256": alert.body_sha256, "name": name}
        values |= {"first_key": first_key, "last_key": last_key}
    with transaction() as session:
        found = session.execute(query.with_for_update(of=Signal), values).one_or_none()
        if found is None:
            return None
        first, is_another, now = found
        # What was stored while this delivery was under way is the same event, even if it was refused at once. That is
        # counted up to now: the wait for the database's lock belongs to it.
        elapsed = timedelta(seconds=time.monotonic() - begun + CLOCK_GRAIN)
        if is_another and first.received_at < now - elapsed:
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
            REDELIVERY_SPAN,
            first.seen_count,
        )
    return Received(first.id, SignalStatus(first.status), first.status_reason, duplicate=True)


def _values(alert: Alert, decision: Decision, key: RepeatKey, known: snapshots.Snapshot) -> dict[str, Any]:
    name = decision.name or ""
    find = known.find_pair if decision.ticker_type is TickerType.PAIR else known.find_instrument
    values = {
        **{name: getattr(alert, name) for name in SAID if name != "order_terms"},
        "order_terms": alert.own_terms.stored(),
        **{name: getattr(decision, name) for name in DECIDED},
        "source": SOURCE,
        "dedupe_key": key.key,
        "weak_key": key.weak,
        "status_reason": decision.reason or alert.reason,
        "known_version": known.version,
        "registered_as": name if name and find(name) is not None else None,
    }
    if key.weak:
        values["first_key"], values["last_key"] = key_range(key.key)
    return values
