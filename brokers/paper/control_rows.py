"""Quotes and instructions of the paper store: what the venue is told from outside."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, or_, select, update

from brokers.paper.instructions import Instruction, Kind
from brokers.paper.pricing import Quote
from brokers.paper.tables import instructions, quotes, upserts

_QUOTE = select(quotes.c.bid, quotes.c.ask).where(quotes.c.symbol == bindparam("symbol"))
_SAVE_QUOTE = upserts(quotes, "symbol")
_FITS = or_(instructions.c.symbol.is_(None), instructions.c.symbol == bindparam("symbol"))
_LEFT = instructions.c.remaining > 0
NEXT_INSTRUCTION = select(func.min(instructions.c.id)).where(_LEFT, _FITS)
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


def insert_instruction(connection: Connection, told: Instruction, count: int) -> None:
    """Store an instruction for `count` orders."""
    row = {name: getattr(told, name) for name in Instruction.__slots__}
    connection.execute(instructions.insert(), {**row, "kind": told.kind.value, "remaining": count})


def delete_instructions(connection: Connection) -> None:
    """Forget all instructions."""
    connection.execute(instructions.delete())


def use_instruction(connection: Connection, instruction_id: int | None, symbol: str) -> Instruction | None:
    """Use up one count of an instruction; if another process was quicker, of the next one that fits."""
    while instruction_id is not None:
        row = connection.execute(_USE, {"instruction_id": instruction_id}).first()
        if row is not None:
            values = {name: getattr(row, name) for name in Instruction.__slots__}
            return Instruction(**{**values, "kind": Kind(row.kind)})
        instruction_id = connection.execute(NEXT_INSTRUCTION, {"symbol": symbol}).scalar()
    return None
