"""Reads of what outside executors told of their accounts: positions and the account's history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from extensions import db
from models import AccountRecord, Position, ToldPosition

MOST_RECORDS = 5000  # of one answer


@dataclass(frozen=True, slots=True)
class ToldHolding:
    """A position as its executor told it, and what the desk's books hold of the symbol at that account."""

    told: ToldPosition
    booked: Decimal


def latest_told(symbols: Sequence[str]) -> Mapping[str, ToldPosition]:
    """Return what was told last of each symbol, by symbol."""
    query = sa.select(ToldPosition).where(ToldPosition.symbol.in_(symbols)).order_by(ToldPosition.told_at)
    return {row.symbol: row for row in db.session.execute(query).scalars()} if symbols else {}


def told_by_account() -> Mapping[int, Sequence[ToldHolding]]:
    """Return what is told to be held or is booked so, by account, in order of symbol."""
    booked: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    told = db.session.execute(sa.select(ToldPosition).order_by(ToldPosition.symbol)).scalars().all()
    if not told:
        return {}
    accounts = {row.account_id for row in told}
    columns = (Position.account_id, Position.symbol, Position.quantity)
    for account_id, symbol, quantity in db.session.execute(
        sa.select(*columns).where(Position.account_id.in_(sorted(accounts)))
    ):
        booked[account_id, symbol] += quantity
    found: dict[int, list[ToldHolding]] = defaultdict(list)
    for row in told:
        quantity = booked[row.account_id, row.symbol]
        if row.quantity or quantity:
            found[row.account_id].append(ToldHolding(row, quantity))
    return found


def list_records(limit: int | None) -> Sequence[AccountRecord]:
    """Return the records of the account, newest first; None = as many as one answer may hold."""
    query = sa.select(AccountRecord).order_by(AccountRecord.id.desc()).limit(min(limit or MOST_RECORDS, MOST_RECORDS))
    return db.session.execute(query).scalars().all()
