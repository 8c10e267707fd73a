"""What an account holds and works of one stock or pair, and of its symbols in other books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Side
from models import Order, Position, Signal
from models.order import OPEN

ZERO = Decimal(0)


class WorkingOrder(NamedTuple):
    """An open order of our own; quantities in shares."""

    name: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    status: str

    @property
    def coming(self) -> Decimal:
        """Return what it may still bring, signed."""
        return self.side.sign * (self.quantity - self.filled)


@dataclass(frozen=True, slots=True)
class Book:
    """What an account holds and works, as our own book has it; quantities signed."""

    held: Mapping[tuple[str, str], Decimal]  # by (book, symbol)
    average: Mapping[tuple[str, str], Decimal]
    working: Sequence[WorkingOrder]

    def position(self, name: str, symbol: str) -> Decimal:
        """Return the holding of a symbol in one book."""
        return self.held.get((name, symbol), ZERO)

    def coming(self, name: str, symbol: str) -> Decimal:
        """Return what the open orders of one book may still bring."""
        return sum((o.coming for o in self.working if o.name == name and o.symbol == symbol), ZERO)

    def account_position(self, symbol: str) -> Decimal:
        """Return the holding of a symbol in all books of the account."""
        return sum((quantity for (_, held), quantity in self.held.items() if held == symbol), ZERO)


_NAME: sa.BindParameter[str] = sa.bindparam("name")
_SYMBOLS: sa.BindParameter[str] = sa.bindparam("symbols", expanding=True)
# One statement for both: what is held and what works must be of one moment, and each statement costs.
_BOOK = sa.union_all(
    sa.select(
        Position.name,
        Position.symbol,
        Position.quantity,
        Position.average_price.label("second"),
        sa.literal("").label("side"),
        sa.literal("").label("status"),
    ).where(
        Position.account_id == sa.bindparam("account_id"),
        (Position.name == _NAME) | Position.symbol.in_(_SYMBOLS),
    ),
    sa.select(Order.name, Order.symbol, Order.quantity, Order.filled_quantity, Order.side, Order.status).where(
        OPEN,
        Order.account_id == sa.bindparam("account_id"),
        (Order.name == _NAME) | Order.symbol.in_(_SYMBOLS),
    ),
)


def read_book(session: Session, signal: Signal) -> Book:
    """Return what the account holds and works of the signal's book and symbols."""
    symbols = [symbol for symbol in (signal.symbol1, signal.symbol2) if symbol]
    given = {"account_id": signal.account_id, "name": signal.name, "symbols": symbols}
    held, average, working = {}, {}, []
    for name, symbol, quantity, second, side, status in session.execute(_BOOK, given):
        if side:
            working.append(WorkingOrder(name, symbol, Side(side), quantity, second, status))
        else:
            held[name, symbol], average[name, symbol] = quantity, second
    return Book(held, average, working)
