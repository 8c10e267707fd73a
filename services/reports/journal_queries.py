"""Reads of the journal: what people did by hand."""

from __future__ import annotations

from datetime import datetime

from models import JournalEntry
from services.paging import Page, newest_first


def list_journal(
    limit: int, after: int | None = None, since: datetime | None = None, until: datetime | None = None
) -> Page[JournalEntry, int]:
    """Return what people did by hand, newest first, before the entry `after`; times UTC, `until` excluded."""
    return newest_first(JournalEntry, limit, after, since, until)
