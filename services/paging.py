"""What the lists share: pages, and the names of accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa

from extensions import db
from models import BrokerAccount

Row = TypeVar("Row")
Key = TypeVar("Key")


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


def account_names() -> dict[int, str]:
    """Return the name of each broker account by its id."""
    return {row.id: row.name for row in db.session.execute(sa.select(BrokerAccount.id, BrokerAccount.name))}
