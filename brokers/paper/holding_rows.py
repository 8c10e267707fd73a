"""Accounts and positions of the paper store: rows in, values out."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, bindparam, select, update

from brokers.paper.positions import Holding
from brokers.paper.tables import accounts, positions, upserts
from domain.messages import PositionReport

_CASH = select(accounts.c.cash).where(accounts.c.name == bindparam("account"))
_LOCK = _CASH.with_for_update()
_LOCK_ALL = select(accounts.c.name, accounts.c.cash).order_by(accounts.c.name).with_for_update()
_OPEN = upserts(accounts, "name", keep=True)
_SAVE_CASH = update(accounts).where(accounts.c.name == bindparam("account")).values(cash=bindparam("amount"))
_HELD = select(positions).where(positions.c.account == bindparam("account"))
_HOLDING = _HELD.where(positions.c.symbol == bindparam("symbol"))
_NOT_FLAT = _HELD.where(positions.c.quantity != Decimal(0)).order_by(positions.c.symbol)
_SAVE_HOLDING = upserts(positions, "account", "symbol")


def open_account(connection: Connection, account: str, cash: Decimal, now: datetime) -> None:
    """Make the account unless it is there."""
    connection.execute(_OPEN[connection.dialect.name], {"name": account, "cash": cash, "opened_at": now})


def cash(connection: Connection, account: str) -> Decimal | None:
    """Return the cash, None = no such account."""
    return connection.execute(_CASH, {"account": account}).scalar()


def lock(connection: Connection, account: str) -> Decimal | None:
    """Return the cash and hold the account until the transaction ends; None = no such account."""
    return connection.execute(_LOCK, {"account": account}).scalar()


def lock_all(connection: Connection) -> Sequence[tuple[str, Decimal]]:
    """Hold all accounts, in one order for everybody, and return their names and cash."""
    return [(row.name, row.cash) for row in connection.execute(_LOCK_ALL)]


def save_cash(connection: Connection, account: str, amount: Decimal) -> None:
    """Store the cash of a locked account."""
    connection.execute(_SAVE_CASH, {"account": account, "amount": amount})


def holding(connection: Connection, account: str, symbol: str) -> Holding:
    """Return what is held of one symbol."""
    row = connection.execute(_HOLDING, {"account": account, "symbol": symbol}).first()
    return Holding() if row is None else Holding(row.quantity, row.average_price)


def save_holding(connection: Connection, account: str, symbol: str, held: Holding, now: datetime) -> None:
    """Store what a locked account holds of one symbol."""
    row = {
        "account": account,
        "symbol": symbol,
        "quantity": held.quantity,
        "average_price": held.average_price,
        "changed_at": now,
    }
    connection.execute(_SAVE_HOLDING[connection.dialect.name], row)


def positions_of(connection: Connection, account: str) -> Sequence[PositionReport]:
    """Return all holdings that are not flat, by symbol."""
    return [
        PositionReport(
            symbol=row.symbol,
            quantity=row.quantity,
            average_price=row.average_price,
            at=row.changed_at,
        )
        for row in connection.execute(_NOT_FLAT, {"account": account})
    ]
