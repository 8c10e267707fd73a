"""Reads of the refused deliveries, for the API and the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from extensions import database_time, db
from models import RefusedCount, RefusedDelivery
from services.paging import Page, newest_first

COUNTED_DAYS = 7


def list_refused(
    limit: int, after: int | None = None, since: datetime | None = None, until: datetime | None = None
) -> Page[RefusedDelivery, int]:
    """Return refused deliveries, newest first, before the entry `after`; times UTC, `until` excluded."""
    return newest_first(RefusedDelivery, limit, after, since, until)


def count_refused() -> Sequence[RefusedCount]:
    """Return how many deliveries were refused on each of the last days, by status, the newest day first."""
    first = f"{database_time() - timedelta(days=COUNTED_DAYS - 1):%Y-%m-%d}"
    query = sa.select(RefusedCount).where(RefusedCount.day >= first)
    return db.session.execute(query.order_by(RefusedCount.day.desc(), RefusedCount.status)).scalars().all()
