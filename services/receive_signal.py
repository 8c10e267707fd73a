"""Alert in, signal stored: one transaction, one statement where all goes well.

The statement inserts the signal only if the registry is still the one that the decision was
made on and no delivery of the same event is stored. When it inserts nothing, one of the two is
the reason, and the slow path finds out which.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from domain.alert import REPEAT_WINDOW, Alert, RepeatKey, repeat_key
from domain.errors import DatabaseBusy, PayloadMismatch
from domain.intake import Decision, decide
from domain.order_status import SignalStatus
from extensions import db, is_postgresql, transaction, utc_now
from models import RegistryVersion, Signal
from services import registry
from services.wake import notification

logger = logging.getLogger(__name__)

SOURCE = "webhook"
TABLE = cast(sa.Table, Signal.__table__)
COLUMNS = [
    "source", "dedupe_key", "weak_key", "body_sha256", "alert_at",
    "ticker", "side", "quantity", "price", "position", "position_size", "previous_position", "previous_position_size",
    "comment", "strategy", "bar_time",
    "ticker_type", "name", "symbol1", "symbol2", "hedge_ratio", "account_id", "external",
    "status", "status_reason", "error_text", "trace",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Received:
    """What the sender is told; `status` and `reason` are those at arrival."""

    rowid: int
    status: SignalStatus
    reason: str | None
    duplicate: bool


def receive_signal(alert: Alert) -> Received:
    """Store an alert and return its signal; a repeat of the same event returns the first one.

    Raises PayloadMismatch when the sender's id was used for other content, and DatabaseBusy when
    the registry keeps changing underneath.
    """
    key = repeat_key(alert, time.time())
    for attempt in range(4):
        with transaction() as session:
            known = registry.snapshot(fresh=attempt > 0)
            decision = decide(alert.ticker, known.find_instrument, known.find_pair)
            if key.near_edge:
                _serialise(session, alert.body_sha256)
            rowid = session.execute(_insert(), _values(alert, decision, key, known.version)).scalar()
            if rowid is not None:
                break
            if (first := _first_delivery(session, alert, key)) is not None:
                return first
    else:
        raise DatabaseBusy("The registry is being changed; send the alert again.")
    logger.info("signal %s: %s %s %s, %s", rowid, alert.side, alert.quantity, decision.name or "?", decision.reason or decision.status)
    return Received(rowid, decision.status, decision.reason, duplicate=False)


def _first_delivery(session: Session, alert: Alert, key: RepeatKey) -> Received | None:
    """Count the repeat on the first delivery's row; None when there is none, so the registry had changed."""
    cutoff = datetime.now(UTC) - timedelta(seconds=REPEAT_WINDOW)
    first = session.execute(
        sa.select(Signal)
        .where(Signal.source == SOURCE)
        .where((Signal.dedupe_key == key.key) | ((Signal.dedupe_key == key.previous) & (Signal.received_at > cutoff)))
        .order_by(Signal.id.desc())
        .limit(1)
        .with_for_update(of=Signal)
    ).scalar_one_or_none()
    if first is None:
        return None
    if first.body_sha256 != alert.body_sha256:
        logger.warning("signal %s: its id came again with other content, refused", first.id)
        raise PayloadMismatch(f"signal_id was used before with other content (rowid {first.id}).")
    first.seen_count += 1
    first.last_seen_at = utc_now()
    if first.weak_key:
        logger.warning("signal %s: same body again within %d s, taken for a repeat (seen %d times)", first.id, REPEAT_WINDOW, first.seen_count)
    return Received(first.id, SignalStatus(first.status), first.status_reason, duplicate=True)


def _serialise(session: Session, body_sha256: str) -> None:
    """Let deliveries of one body pass one by one, so that none is missed at the edge of a minute."""
    if is_postgresql():  # SQLite writers are one by one anyway
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(int(body_sha256[:15], 16))))


def _values(alert: Alert, decision: Decision, key: RepeatKey, version: int) -> dict[str, Any]:
    fields = asdict(alert)
    fields.pop("signal_id")
    made = {name: getattr(decision, name) for name in ("ticker_type", "name", "symbol1", "symbol2", "hedge_ratio", "account_id", "external")}
    return {
        **fields,
        **made,
        "source": SOURCE,
        "dedupe_key": key.key,
        "weak_key": key.weak,
        "status": decision.status,
        "status_reason": decision.reason,
        "error_text": decision.error_text and decision.error_text[:1000],
        "trace": decision.trace,
        "known_version": version,
        "previous_key": key.previous,
        "repeat_cutoff": datetime.now(UTC) - timedelta(seconds=REPEAT_WINDOW),
    }


def _statement(dialect: str) -> sa.Executable:
    columns = [TABLE.c[name] for name in COLUMNS]
    values: list[sa.ColumnElement[Any]] = [sa.cast(sa.bindparam(c.name, type_=c.type), c.type) for c in columns]
    values += [sa.literal(1), utc_now(), utc_now()]
    registry_is_known = sa.exists().where(RegistryVersion.version == sa.bindparam("known_version"))
    stored_before = (
        sa.exists()
        .where(Signal.source == sa.bindparam("source"))
        .where(Signal.dedupe_key == sa.bindparam("previous_key"))
        .where(Signal.received_at > sa.bindparam("repeat_cutoff", type_=Signal.received_at.type))
    )
    rows = sa.select(*values).where(registry_is_known, ~stored_before)
    names = [*COLUMNS, "seen_count", "received_at", "last_seen_at"]
    if dialect == "sqlite":
        insert = sqlite.insert(TABLE).from_select(names, rows, include_defaults=False)
        return insert.on_conflict_do_nothing().returning(TABLE.c.id)
    stored = postgresql.insert(TABLE).from_select(names, rows, include_defaults=False)
    new = stored.on_conflict_do_nothing().returning(TABLE.c.id).cte("new")
    return sa.select(new.c.id, notification())


_STATEMENTS: dict[str, sa.Executable] = {}


def _insert() -> sa.Executable:
    dialect = db.engine.dialect.name
    if dialect not in _STATEMENTS:
        _STATEMENTS[dialect] = _statement(dialect)
    return _STATEMENTS[dialect]


