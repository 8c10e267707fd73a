"""Reads of the journal: what people did by hand."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from extensions import db
from models import JournalEntry
from services.paging import Page, cut


def list_journal(
    limit: int, after: int | None = None, since: datetime | None = None, until: datetime | None = None
) -> Page[JournalEntry, int]:
    """Return what people did by hand, newest first, before the entry `after`; times UTC, `until` excluded."""
    query = sa.select(JournalEntry).order_by(JournalEntry.id.desc()).limit(limit + 1)
    if since is not None:
        query = query.where(JournalEntry.at >= since)
    if until is not None:
        query = query.where(JournalEntry.at < until)
    if after is not None:
        query = query.where(JournalEntry.id < after)
    return cut(db.session.execute(query).scalars().all(), limit, lambda entry: entry.id)
