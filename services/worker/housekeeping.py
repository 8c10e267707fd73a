"""What a worker does beside trading: say that it lives, and throw away what has expired."""

from __future__ import annotations

import logging
from datetime import timedelta

import sqlalchemy as sa

from extensions import announce, database_time, insert_or_update, reading, transaction, utc_now
from models import WebSession, Worker
from services.health import STALE
from services.identity import throttle, tokens
from services.timing import KEEP_DEAD_WORKERS

logger = logging.getLogger(__name__)


def heartbeat(name: str) -> None:
    """Record that this worker is alive."""
    row = insert_or_update(Worker).values(name=name, started_at=utc_now(), seen_at=utc_now())
    with transaction() as session:
        announce(session)
        session.execute(row.on_conflict_do_update(index_elements=[Worker.name], set_={"seen_at": utc_now()}))


def is_eldest(name: str) -> bool:
    """Return True if this worker is the one of those alive that has begun first: it does what one of them is to do."""
    alive = (Worker.stopped_at.is_(None), Worker.seen_at > database_time() - timedelta(seconds=STALE))
    with reading() as session:
        query = sa.select(Worker.name).where(*alive).order_by(Worker.started_at, Worker.name).limit(1)
        return session.execute(query).scalar_one_or_none() == name


def say_goodbye(name: str) -> None:
    """Record that this worker has ended on purpose."""
    with transaction() as session:
        announce(session)
        session.execute(sa.update(Worker).where(Worker.name == name).values(stopped_at=utc_now()))


def tidy() -> None:
    """Delete expired tokens, sessions and limits, and workers not heard from for a day."""
    tokens.forget_expired()
    throttle.forget_ended_windows()
    with transaction() as session:
        session.execute(sa.delete(WebSession).where(WebSession.expires_at < utc_now()))
        session.execute(sa.delete(Worker).where(Worker.seen_at < database_time() - KEEP_DEAD_WORKERS))
