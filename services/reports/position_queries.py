"""Reads of positions: what is held, and what it is worth by the last quotes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from domain.valuation import Valuation, middle, value_position
from extensions import database_time, db
from models import Instrument, Position, Quote
from services.catalog.registry_changes import find_account
from services.paging import Page, cut

# As a number, since SQLite keeps the text, and 0 may be written with decimals.
HELD = sa.text("cast(positions.quantity as numeric) <> 0")
PositionKey = tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFilter:
    """Which positions to list; flat ones are left out unless asked for."""

    account: str | None = None
    name: str | None = None
    symbol: str | None = None
    flat: bool = False


@dataclass(frozen=True, slots=True)
class ValuedPosition:
    """A position, the last quote of its symbol at its account, and what it is worth by that; None = not known."""

    position: Position
    currency: str | None
    quote: Quote | None
    middle: Decimal | None
    quote_age: Decimal | None  # seconds
    valuation: Valuation | None


def list_positions(
    wanted: PositionFilter, limit: int | None, after: PositionKey | None = None
) -> Page[ValuedPosition, PositionKey]:
    """Return positions by account, book and symbol, those behind `after`; limit None = all. Raises InvalidInput."""
    query = (
        sa.select(Position, Quote, Instrument.currency)
        .outerjoin(Quote, sa.and_(Quote.account_id == Position.account_id, Quote.symbol == Position.symbol))
        .outerjoin(Instrument, Instrument.symbol == Position.symbol)
        .order_by(Position.account_id, Position.name, Position.symbol)
        .limit(None if limit is None else limit + 1)
    )
    account_id = find_account(db.session(), wanted.account)
    equal = {Position.account_id: account_id, Position.name: wanted.name, Position.symbol: wanted.symbol}
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if not wanted.flat:
        query = query.where(HELD)
    if after is not None:
        key = sa.tuple_(Position.account_id, Position.name, Position.symbol)
        query = query.where(key > sa.tuple_(*(sa.literal(part) for part in after)))
    now = database_time()
    rows = [_value(*row, now) for row in db.session.execute(query)]
    return cut(rows, len(rows) if limit is None else limit, _key)


def count_books() -> int:
    """Return how many stocks and pairs hold something, each account for itself."""
    books = sa.select(Position.account_id, Position.name).where(HELD).distinct().subquery()
    found: int = db.session.execute(sa.select(sa.func.count()).select_from(books)).scalar_one()
    return found


def _key(row: ValuedPosition) -> PositionKey:
    return row.position.account_id, row.position.name, row.position.symbol


def _value(position: Position, quote: Quote | None, currency: str | None, now: datetime) -> ValuedPosition:
    bid, ask = (quote.bid, quote.ask) if quote else (None, None)
    return ValuedPosition(
        position,
        currency,
        quote,
        middle(quote.bid, quote.ask) if quote else None,
        age(quote.at, now) if quote else None,
        value_position(position.quantity, position.average_price, bid, ask),
    )


def age(at: datetime, now: datetime) -> Decimal:
    """Return how long ago something was, seconds at three decimals; never less than 0."""
    passed = now - at
    milliseconds = passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000
    return Decimal(max(milliseconds, 0)) / 1000
