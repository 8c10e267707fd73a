"""The store of browser sessions: known by the SHA-256 of their cookies, their content opaque here."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from extensions import db, insert_or_update, transaction, utc_now
from models import WebSession


def store_id(sid: str) -> str:
    """Return the key under which a cookie's session is kept; the cookie itself is never stored."""
    return hashlib.sha256(sid.encode("utf-8", "replace")).hexdigest()


def load(sid_hash: str) -> bytes | None:
    """Return a session's content; None when it is unknown or over."""
    query = sa.select(WebSession.data).where(WebSession.sid_hash == sid_hash, WebSession.expires_at > utc_now())
    return db.session.execute(query).scalar_one_or_none()


def save(sid_hash: str, data: bytes, lifetime: timedelta) -> None:
    """Store a session for `lifetime` from now, and forget those that are over: only log-ins come here."""
    values = {"data": data, "expires_at": datetime.now(UTC) + lifetime}
    upsert = insert_or_update(WebSession).values(sid_hash=sid_hash, **values)
    with transaction() as session:
        session.execute(upsert.on_conflict_do_update(index_elements=[WebSession.sid_hash], set_=values))
        session.execute(sa.delete(WebSession).where(WebSession.expires_at <= utc_now()))


def delete(sid_hash: str) -> None:
    """End a session; harmless when there is none."""
    with transaction() as session:
        session.execute(sa.delete(WebSession).where(WebSession.sid_hash == sid_hash))
