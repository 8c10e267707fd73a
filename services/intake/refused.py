"""The record of refused deliveries: bounded in size and pace, written for refused ones only, never in their way.

Strangers can send what they like, and as much of it: of a wrong passphrase only the number is kept, as what was
typed may be almost the right one. A body that cannot be read is kept, for it may be a trader's own; those have an
allowance of their own, small, so that no flood drives out what came with the right passphrase. What is beyond an
allowance is counted in memory and written with the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa
from flask import Flask, current_app
from sqlalchemy.orm import Session

from extensions import insert_or_update, transaction
from models import RefusedCount, RefusedDelivery
from services.catalog import snapshots

logger = logging.getLogger(__name__)

KEPT = {True: 500, False: 100}  # rows, of those with a right passphrase and of others
A_MINUTE = {True: 30, False: 6}  # that one process writes
COUNTS_EVERY = 5.0  # seconds between writes of bare counts
RETRY_AFTER = 2.0  # seconds, after the database did not take them
WAITING = 50  # rows that are remembered while the database is away
TROUBLE = 500  # from this status on it is the desk that failed, and its database may be away


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A delivery that was refused; `body` has no secret in it any more, None = it is not to be kept."""

    address: str
    status: int
    reason: str
    body: str | None
    known: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Record:
    """What one process has still to write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: deque[Refused] = deque(maxlen=WAITING)
        self._counts: Counter[tuple[str, int]] = Counter()
        self._minute, self._used = 0, Counter[bool]()
        self._not_before = 0.0

    @property
    def is_due(self) -> bool:
        """Return True if something waits that may be written now; without a lock, as every request asks."""
        return bool(self._counts) and time.monotonic() >= self._not_before

    def add(self, refused: Refused) -> bool:
        """Count a delivery, and remember it if it is to be kept and the allowance of this minute holds it."""
        with self._lock:
            self._counts[f"{refused.at:%Y-%m-%d}", refused.status] += 1
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                self._minute, self._used = minute, Counter()
            if refused.body is None or self._used[refused.known] >= A_MINUTE[refused.known]:
                return False
            self._used[refused.known] += 1
            self._rows.append(refused)
            if refused.status < TROUBLE:
                self._not_before = 0.0
            return True

    def write(self) -> None:
        """Write what waits, in one transaction; after an error it waits on."""
        with self._lock:
            rows, self._rows = list(self._rows), deque(maxlen=WAITING)
            counts, self._counts = self._counts, Counter()
            self._not_before = time.monotonic() + COUNTS_EVERY
        try:
            _store(rows, counts)
        except sa.exc.SQLAlchemyError as e:
            with self._lock:
                self._rows.extendleft(reversed(rows))
                self._counts.update(counts)
                self._not_before = time.monotonic() + RETRY_AFTER
            logger.warning("refused deliveries are not on record yet: %s", type(e).__name__)


def init_app(app: Flask) -> None:
    """Give the process its record."""
    app.extensions["refused"] = Record()


def record() -> Record:
    """Return this process's record."""
    found: Record = current_app.extensions["refused"]
    return found


def note(refused: Refused) -> None:
    """Log a refused delivery that is kept, and put it on record; never raises for a database that is away."""
    is_kept = record().add(refused)
    if is_kept:  # others are told by who refused them, or come in floods
        logger.warning("delivery from %s refused, %s: %s", refused.address, refused.status, refused.reason)
    if refused.status < TROUBLE and (is_kept or record().is_due):
        record().write()


def is_known(passphrase: object) -> bool:
    """Return True if a passphrase is in force, as far as can be told now."""
    try:
        return isinstance(passphrase, str) and snapshots.snapshot().accepts(passphrase)
    except sa.exc.SQLAlchemyError:
        return False


def _store(rows: list[Refused], counts: Counter[tuple[str, int]]) -> None:
    with transaction() as session:
        for (day, status), number in sorted(counts.items()):
            row = insert_or_update(RefusedCount).values(day=day, status=status, count=number)
            session.execute(
                row.on_conflict_do_update(
                    index_elements=[RefusedCount.day, RefusedCount.status],
                    set_={"count": RefusedCount.count + number},
                )
            )
        for refused in rows:
            session.add(
                RefusedDelivery(
                    at=refused.at,
                    address=refused.address[:64],
                    status=refused.status,
                    reason=refused.reason,
                    body=refused.body or "",
                    known=refused.known,
                )
            )
        session.flush()
        for known in {refused.known for refused in rows}:
            _drop_oldest(session, known)


def _drop_oldest(session: Session, known: bool) -> None:
    of_its_kind = RefusedDelivery.known.is_(known)
    oldest = sa.select(RefusedDelivery.id).where(of_its_kind).order_by(RefusedDelivery.id.desc()).offset(KEPT[known])
    last = session.execute(oldest.limit(1)).scalar()
    if last is not None:
        session.execute(sa.delete(RefusedDelivery).where(of_its_kind, RefusedDelivery.id <= last))
