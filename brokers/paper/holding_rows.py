"""Accounts and positions of the paper store: rows in, values out."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from brokers.paper.positions import Holding
from brokers.paper.tables import accounts, positions, upserts
from domain.messages import PositionReport

_OF_NAME = accounts.c.name == bindparam("account")
_ACCOUNT = select(accounts.c.name, accounts.c.cash, accounts.c.blocked)
_LOCK = _ACCOUNT.where(_OF_NAME).with_for_update()
_LOCK_ALL = _ACCOUNT.order_by(accounts.c.name).with_for_update()
_OPEN = upserts(accounts, "name", keep=True)
_SAVE_CASH = update(accounts).where(_OF_NAME).values(cash=bindparam("amount"))
_SAVE_BLOCK = update(accounts).where(_OF_NAME).values(blocked=bindparam("reason"))
_HELD = select(positions).where(positions.c.account == bindparam("account"))
_HOLDING = _HELD.where(positions.c.symbol == bindparam("symbol"))
_IS_NOT_FLAT = positions.c.quantity != Decimal(0)
_NOT_FLAT = _HELD.where(_IS_NOT_FLAT).order_by(positions.c.symbol)
_SAVE_HOLDING = upserts(positions, "account", "symbol")


def open_account(connection: Connection, account: str, cash: Decimal, now: datetime) -> None:
    """Make the account unless it is there."""
    connection.execute(_OPEN[connection.dialect.name], {"name": account, "cash": cash, "opened_at": now})


def lock(connection: Connection, account: str) -> Row[Any, Any, Any] | None:
    """Return name, cash and block, and hold the account until the transaction ends; None = no such account."""
    return connection.execute(_LOCK, {"account": account}).first()


def lock_all(connection: Connection) -> Sequence[Row[Any, Any, Any]]:
    """Lock all accounts, in the same order for everybody, and return what `lock` returns of each."""
    return connection.execute(_LOCK_ALL).all()


def save_cash(connection: Connection, account: str, amount: Decimal) -> None:
    """Store the cash of a locked account."""
    connection.execute(_SAVE_CASH, {"account": account, "amount": amount})


def save_block(connection: Connection, account: str, reason: str | None) -> None:
    """Store why a locked account takes no orders, None = it takes them."""
    connection.execute(_SAVE_BLOCK, {"account": account, "reason": reason})


def holding(connection: Connection, account: str, symbol: str) -> Holding:
    """Return what is held of one symbol."""
    row = connection.execute(_HOLDING, {"account": account, "symbol": symbol}).first()
    return Holding() if row is None else Holding(row.quantity, row.average_price)


def save_holdings(
    connection: Connection, account: str, held: Sequence[tuple[str, Holding, Decimal | None]], now: datetime
) -> None:
    """Store what a locked account holds after fills: symbol, holding, price of the last fill."""
    rows = [
        {
            "account": account,
            "symbol": symbol,
            "quantity": holding.quantity,
            "average_price": holding.average_price,
            "changed_at": now,
            "last_price": last_price,
        }
        for symbol, holding, last_price in held
    ]
    connection.execute(_SAVE_HOLDING[connection.dialect.name], rows)


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
