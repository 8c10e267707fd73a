"""What needs a stock or pair to stay registered: what is held, worked, waits or is under way, and pairs of a stock."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from domain.errors import Conflict
from domain.exact import plain_text
from domain.order_status import SignalStatus
from extensions import ExactDecimal
from models import BrokerAccount, Instrument, Order, Pair, Position, Signal
from models.order import OPEN
from models.signal import WAITING

MOST_NAMED = 5
UNDER_WAY = (SignalStatus.CREATED, SignalStatus.LEG_FILLED)


class Kind(StrEnum):
    """How something is used."""

    HELD = "held"
    ORDER = "order"
    SIGNAL = "signal"
    PAIR = "pair"


class Use(NamedTuple):
    """One thing that uses a stock or pair, in words."""

    kind: Kind
    text: str


def uses_of_stock(session: Session, stock: Instrument) -> list[Use]:
    """Return what uses a stock, in its own book or as a leg."""
    symbol = stock.symbol
    pairs = sa.select(Pair.name).where((Pair.leg1_id == stock.id) | (Pair.leg2_id == stock.id)).order_by(Pair.id)
    found = [Use(Kind.PAIR, f"it is a leg of the pair {name}") for name in session.execute(pairs).scalars()]
    return [
        *_uses(
            session,
            (Position.name == symbol) | (Position.symbol == symbol),
            (Order.name == symbol) | (Order.symbol == symbol),
            (Signal.name == symbol) | (Signal.symbol1 == symbol) | (Signal.symbol2 == symbol),
        ),
        *found,
    ]


def uses_of_pair(session: Session, name: str) -> list[Use]:
    """Return what uses a pair."""
    return _uses(session, Position.name == name, Order.name == name, Signal.name == name)


def held_in(session: Session, name: str) -> list[Use]:
    """Return what the book of a stock or pair holds, and its open orders."""
    return [use for use in uses_of_pair(session, name) if use.kind in (Kind.HELD, Kind.ORDER)]


def held_of_symbol(session: Session, symbol: str) -> list[Use]:
    """Return what any book holds of a symbol, and the open orders in it."""
    found = _uses(session, Position.symbol == symbol, Order.symbol == symbol, sa.false())
    return [use for use in found if use.kind in (Kind.HELD, Kind.ORDER)]


def refuse_if_used(name: str, uses: Sequence[Use]) -> None:
    """Raise Conflict that names what uses a stock or pair."""
    if uses:
        raise Conflict(f"{name} is in use and was not deleted: {in_words(uses)}.")


def in_words(uses: Sequence[Use]) -> str:
    """Return the first few in words, and how many more there are."""
    more = len(uses) - MOST_NAMED
    return "; ".join([use.text for use in uses[:MOST_NAMED]] + ([f"and {more} more"] if more > 0 else []))


def _uses(
    session: Session, held: ColumnElement[bool], ordered: ColumnElement[bool], told: ColumnElement[bool]
) -> list[Use]:
    """Return what these conditions find, all of one moment: a fill between two reads would be in neither."""
    nothing = sa.cast(sa.literal("0"), ExactDecimal)
    working = sa.exists().where(OPEN, Order.signal_id == Signal.id)
    parts = (
        sa.select(
            sa.literal(Kind.HELD).label("kind"),
            Position.account_id,
            Position.name,
            Position.symbol,
            sa.literal("").label("side"),
            Position.quantity,
            sa.literal("").label("number"),
            sa.literal("").label("status"),
        ).where(held, sa.cast(Position.quantity, sa.Numeric) != 0),
        sa.select(
            sa.literal(Kind.ORDER),
            Order.account_id,
            Order.name,
            Order.symbol,
            Order.side,
            Order.quantity,
            Order.client_order_id,
            Order.status,
        ).where(ordered, OPEN),
        sa.select(
            sa.literal(Kind.SIGNAL),
            Signal.account_id,
            Signal.name,
            Signal.name,
            Signal.side,
            nothing,
            sa.cast(Signal.id, sa.String(20)),
            Signal.status,
        ).where(told, sa.or_(WAITING, Signal.status.in_(UNDER_WAY) & ~working)),
    )
    found = sa.union_all(*parts).subquery()
    query = (
        sa.select(found, BrokerAccount.name.label("account"))
        .outerjoin(BrokerAccount, BrokerAccount.id == found.c.account_id)
        .order_by(found.c.kind, found.c.account_id, found.c.name, found.c.symbol, found.c.number)
    )
    return [Use(Kind(row.kind), _text(row)) for row in session.execute(query)]


def _text(row: Any) -> str:
    at = f"at {row.account}" if row.account else "at no account"
    if row.kind == Kind.HELD:
        book = "" if row.name == row.symbol else f" in the book of {row.name}"
        return f"{plain_text(row.quantity)} {row.symbol} held {at}{book}"
    if row.kind == Kind.ORDER:
        return f"order {row.number} ({row.side} {plain_text(row.quantity)} {row.symbol}) is {row.status} {at}"
    return f"signal {row.number} ({row.side} {row.name}) is '{row.status}' {at}"
