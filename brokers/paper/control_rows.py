"""Quotes, assets, the session and instructions of the paper store: what the venue is told from outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, or_, select, update

from brokers.paper.instructions import CANCELS, Instruction, Kind
from brokers.paper.market import Asset, Session
from brokers.paper.pricing import Quote
from brokers.paper.tables import assets, instructions, quotes, sessions, upserts
from domain.messages import QuoteReport

_QUOTE = select(quotes.c.bid, quotes.c.ask).where(quotes.c.symbol == bindparam("symbol"))
_SAVE_QUOTE = upserts(quotes, "symbol")
_QUOTES = select(quotes).where(quotes.c.symbol.in_(bindparam("symbols", expanding=True)))
_ASSETS = select(assets).where(assets.c.symbol.in_(bindparam("symbols", expanding=True)))
_SAVE_ASSET = upserts(assets, "symbol")
_SESSION = select(sessions)
_SAVE_SESSION = upserts(sessions, "id")
THE_SESSION = 1  # the id of its only row
MANY = 5000  # symbols of one statement: SQLite takes no more than 32766 values
_FITS = or_(instructions.c.symbol.is_(None), instructions.c.symbol == bindparam("symbol"))
_LEFT = instructions.c.remaining > 0
_IS_FOR_CANCELS = instructions.c.kind.in_(sorted(CANCELS))
FOR_ORDERS = _LEFT & ~_IS_FOR_CANCELS
_SAVE_INSTRUCTIONS = upserts(instructions, "id")
# In the order in which those who use several lock them.
_FORGET = instructions.delete().where(
    instructions.c.id.in_(select(instructions.c.id).order_by(instructions.c.id).with_for_update())
)
_NEXT_FOR_CANCELS = select(func.min(instructions.c.id)).where(_LEFT, _FITS, _IS_FOR_CANCELS)
_USE = (
    update(instructions)
    .where(instructions.c.id == bindparam("instruction_id"), _LEFT)
    .values(remaining=instructions.c.remaining - 1)
    .returning(instructions)
)


def quote(connection: Connection, symbol: str) -> Quote | None:
    """Return the quote in force."""
    row = connection.execute(_QUOTE, {"symbol": symbol}).first()
    return None if row is None else Quote(row.bid, row.ask)


def save_quote(connection: Connection, symbol: str, new: Quote, at: datetime, source: str) -> None:
    """Store a quote over the one before."""
    row = {"symbol": symbol, "bid": new.bid, "ask": new.ask, "at": at, "source": source}
    connection.execute(_SAVE_QUOTE[connection.dialect.name], row)


def delete_quote(connection: Connection, symbol: str) -> None:
    """Forget the quote."""
    connection.execute(quotes.delete().where(quotes.c.symbol == symbol))


def quotes_of(connection: Connection, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
    """Return the quotes in force of these symbols."""
    return {
        row.symbol: QuoteReport(symbol=row.symbol, bid=row.bid, ask=row.ask, at=row.at, source=row.source)
        for some in _parts(symbols)
        for row in connection.execute(_QUOTES, {"symbols": some})
    }


def asset(connection: Connection, symbol: str) -> Asset:
    """Return what may be done with a symbol."""
    return assets_of(connection, [symbol]).get(symbol, Asset())


def assets_of(connection: Connection, symbols: Sequence[str]) -> Mapping[str, Asset]:
    """Return those of these symbols that the venue was told about."""
    return {
        row.symbol: Asset(tradable=row.tradable, shortable=row.shortable, quantity_step=row.quantity_step)
        for some in _parts(symbols)
        for row in connection.execute(_ASSETS, {"symbols": some})
    }


def save_asset(connection: Connection, symbol: str, new: Asset) -> None:
    """Store what may be done with a symbol."""
    row = {"symbol": symbol, **{name: getattr(new, name) for name in Asset.__slots__}}
    connection.execute(_SAVE_ASSET[connection.dialect.name], row)


def delete_asset(connection: Connection, symbol: str) -> None:
    """Forget what was told about a symbol."""
    connection.execute(assets.delete().where(assets.c.symbol == symbol))


def session(connection: Connection) -> Session:
    """Return when the market is open."""
    row = connection.execute(_SESSION).first()
    return Session() if row is None else Session(is_open=row.is_open, opens_at=row.opens_at, closes_at=row.closes_at)


def save_session(connection: Connection, new: Session) -> None:
    """Store when the market is open."""
    row = {"id": THE_SESSION, **{name: getattr(new, name) for name in Session.__slots__}}
    connection.execute(_SAVE_SESSION[connection.dialect.name], row)


def delete_session(connection: Connection) -> None:
    """Forget the session: always open."""
    connection.execute(sessions.delete())


def insert_instruction(connection: Connection, told: Instruction, count: int) -> None:
    """Store an instruction for `count` orders."""
    connection.execute(instructions.insert(), {**_values(told), "remaining": count})


def delete_instructions(connection: Connection) -> None:
    """Forget all instructions."""
    connection.execute(_FORGET)


def lock_instructions(
    connection: Connection, which: Select[Any], symbols: Sequence[str]
) -> Sequence[tuple[int, Instruction, int]]:
    """Return the instructions that `which` selects for these symbols: id, what is told, for how many more orders.

    Nobody else uses them until the transaction ends.
    """
    rows = connection.execute(which, {"symbols": symbols})
    return [(row.id, _instruction(row), row.remaining) for row in rows]


def save_remaining(connection: Connection, used: Sequence[tuple[int, Instruction, int]]) -> None:
    """Store for how many more orders each of the locked instructions holds."""
    rows = [{"id": key, **_values(told), "remaining": remaining} for key, told, remaining in used]
    connection.execute(_SAVE_INSTRUCTIONS[connection.dialect.name], rows)


def use_cancel_instruction(connection: Connection, symbol: str) -> Instruction | None:
    """Use up one count of the instruction for the next cancel; if somebody was quicker, of the next one that fits."""
    while (key := connection.execute(_NEXT_FOR_CANCELS, {"symbol": symbol}).scalar()) is not None:
        row = connection.execute(_USE, {"instruction_id": key}).first()
        if row is not None:
            return _instruction(row)
    return None


def _values(told: Instruction) -> dict[str, Any]:
    return {**{name: getattr(told, name) for name in Instruction.__slots__}, "kind": told.kind.value}


def _instruction(row: Any) -> Instruction:
    return Instruction(**{**{name: getattr(row, name) for name in Instruction.__slots__}, "kind": Kind(row.kind)})


def _parts(symbols: Sequence[str]) -> Sequence[Sequence[str]]:
    return [symbols[start : start + MANY] for start in range(0, len(symbols), MANY)]
