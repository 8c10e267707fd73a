"""Positions and working orders at an account to which the alerts of their stock or pair do not go any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from domain.errors import InvalidInput
from domain.exact import plain_text
from extensions import reading
from models import BrokerAccount, Instrument, Order, Pair, Position
from models.order import OPEN


@dataclass(frozen=True, slots=True)
class OrphanedPosition:
    """What an account has of a stock or pair; `quantity` is signed, 0 = orders only work. Alerts go to `trades_at`."""

    name: str
    symbol: str
    quantity: Decimal
    account: str
    trades_at: str

    def __str__(self) -> str:
        return (
            f"{_what(self.symbol, self.quantity)} of {self.name} at {self.account}; its alerts go to {self.trades_at}"
        )


def list_stranded() -> Sequence[OrphanedPosition]:
    """Return what no exit of its own stock or pair would reach, by name, account and symbol."""
    with reading() as session:
        accounts = session.execute(sa.select(BrokerAccount)).scalars().all()
        names = {account.id: account.name for account in accounts}
        default = next(account.id for account in accounts if account.is_default)
        own = sa.union_all(
            sa.select(Instrument.symbol.label("name"), Instrument.account_id),
            sa.select(Pair.name, Pair.account_id),
        )
        goes_to = {name: account_id or default for name, account_id in session.execute(own)}
        return [
            OrphanedPosition(name, symbol, quantity, names[account_id], names[goes_to[name]])
            for name, account_id, symbol, quantity in _open(session)
            if goes_to.get(name, account_id) != account_id
        ]


def goes_elsewhere(session: Session, old: int | None, new: int | None) -> bool:
    """Return True if alerts go to another account with the new choice; None stands for the default account."""
    default = session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.is_default)).scalar_one()
    return (old or default) != (new or default)


def refuse_to_strand(session: Session, name: str, old: int | None, new: int | None) -> None:
    """Raise InvalidInput when a stock or pair that is held, or works, is to go from one account to another.

    None stands for the default account.
    """
    if not goes_elsewhere(session, old, new):
        return
    before = old or session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.is_default)).scalar_one()
    found = _open(session, name, before)
    if found:
        account = session.execute(sa.select(BrokerAccount.name).where(BrokerAccount.id == before)).scalar_one()
        what = ", ".join(_what(symbol, quantity) for _, _, symbol, quantity in found)
        text = f"cannot change while {account} has {what} of {name}; close that first, or name {account}"
        raise InvalidInput({"account": text})


def _open(
    session: Session, name: str | None = None, account_id: int | None = None
) -> list[tuple[str, int, str, Decimal]]:
    """Return name, account, symbol and quantity of what is held; 0 where there are but working orders."""
    found: dict[tuple[str, int, str], Decimal] = {}
    held = sa.select(Position.name, Position.account_id, Position.symbol, Position.quantity)
    for of_name, account, symbol, quantity in session.execute(held.where(*_only(Position, name, account_id))):
        if quantity:
            found[of_name, account, symbol] = quantity
    worked = sa.select(Order.name, Order.account_id, Order.symbol).where(OPEN, *_only(Order, name, account_id))
    for of_name, account, symbol in session.execute(worked):
        found.setdefault((of_name, account, symbol), Decimal(0))
    return [(*key, quantity) for key, quantity in sorted(found.items())]


def _only(table: type[Position] | type[Order], name: str | None, account_id: int | None) -> list[ColumnElement[bool]]:
    given = ((table.name, name), (table.account_id, account_id))
    return [column == value for column, value in given if value is not None]


def _what(symbol: str, quantity: Decimal) -> str:
    return f"{plain_text(quantity)} {symbol}" if quantity else f"working orders of {symbol}"
