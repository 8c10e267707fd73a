"""What the lists share: pages, and the names of accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from extensions import Model, db
from models import BrokerAccount

Row = TypeVar("Row")
Key = TypeVar("Key")
Dated = TypeVar("Dated", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row, Key]):
    """Some rows of a list, the names of the accounts by id, and where the next page starts; None on the last."""

    rows: Sequence[Row]
    accounts: dict[int, str]
    next_after: Key | None


def cut(rows: Sequence[Row], limit: int, key: Callable[[Row], Key]) -> Page[Row, Key]:
    """Return a page of at most `limit` rows, from a read that asked for one more."""
    shown = rows[:limit]
    return Page(shown, account_names(), key(shown[-1]) if len(rows) > limit else None)


def newest_first(
    table: type[Dated], limit: int, after: int | None, since: datetime | None, until: datetime | None
) -> Page[Dated, int]:
    """Return a page of rows with `id` and `at`, newest first, before the row `after`; times UTC, `until` excluded."""
    rows: Any = table
    query = sa.select(rows).order_by(rows.id.desc()).limit(limit + 1)
    if since is not None:
        query = query.where(rows.at >= since)
    if until is not None:
        query = query.where(rows.at < until)
    if after is not None:
        query = query.where(rows.id < after)
    return cut(db.session.execute(query).scalars().all(), limit, lambda row: int(row.id))


def account_names() -> dict[int, str]:
    """Return the name of each broker account by its id."""
    return {row.id: row.name for row in db.session.execute(sa.select(BrokerAccount.id, BrokerAccount.name))}
