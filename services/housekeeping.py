"""What a worker does beside trading: say that it lives, and throw away what has expired."""

from __future__ import annotations

import logging
from datetime import timedelta

import sqlalchemy as sa

from extensions import announce, database_time, insert_or_update, transaction, utc_now
from models import WebSession, Worker
from services import throttle, tokens

logger = logging.getLogger(__name__)

KEEP_DEAD_WORKERS = timedelta(days=1)


def heartbeat(name: str) -> None:
    """Say that this worker lives."""
    row = insert_or_update(Worker).values(name=name, started_at=utc_now(), seen_at=utc_now())
    with transaction() as session:
        announce(session)
        session.execute(row.on_conflict_do_update(index_elements=[Worker.name], set_={"seen_at": utc_now()}))


def say_goodbye(name: str) -> None:
    """Say that this worker has ended on purpose."""
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
