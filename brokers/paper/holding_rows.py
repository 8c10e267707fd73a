"""Accounts and positions of the paper store: rows in, values out."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select, update

from brokers.paper.margin import Stake, Worth, mark_of, worth_of
from brokers.paper.positions import Holding
from brokers.paper.pricing import Quote
from brokers.paper.tables import accounts, positions, quotes, upserts
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
# One statement for cash and holdings: two could see two moments.
_WORTH = (
    select(
        accounts.c.cash,
        accounts.c.blocked,
        positions.c.quantity,
        positions.c.average_price,
        positions.c.last_price,
        quotes.c.bid,
        quotes.c.ask,
    )
    .select_from(
        accounts.outerjoin(positions, and_(positions.c.account == accounts.c.name, _IS_NOT_FLAT)).outerjoin(
            quotes, quotes.c.symbol == positions.c.symbol
        )
    )
    .where(_OF_NAME)
)
_SAVE_HOLDING = upserts(positions, "account", "symbol")


def open_account(connection: Connection, account: str, cash: Decimal, now: datetime) -> None:
    """Make the account unless it is there."""
    connection.execute(_OPEN[connection.dialect.name], {"name": account, "cash": cash, "opened_at": now})


def lock(connection: Connection, account: str) -> Row[Any, Any, Any] | None:
    """Return name, cash and block, and hold the account until the transaction ends; None = no such account."""
    return connection.execute(_LOCK, {"account": account}).first()


def lock_all(connection: Connection) -> Sequence[Row[Any, Any, Any]]:
    """Hold all accounts, in one order for everybody, and return what `lock` returns of each."""
    return connection.execute(_LOCK_ALL).all()


def worth(connection: Connection, account: str) -> tuple[Worth, str] | None:
    """Return what an account is worth and why it is blocked (empty = it is not); None = no such account."""
    rows = connection.execute(_WORTH, {"account": account}).all()
    if not rows:
        return None
    stakes = [
        Stake(
            row.quantity,
            mark_of(None if row.bid is None else Quote(row.bid, row.ask), row.last_price, row.average_price),
        )
        for row in rows
        if row.quantity is not None
    ]
    return worth_of(rows[0].cash, stakes), rows[0].blocked or ""


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


def save_holding(
    connection: Connection, account: str, symbol: str, held: Holding, *, last_price: Decimal, now: datetime
) -> None:
    """Store what a locked account holds of one symbol after a fill at `last_price`."""
    row = {
        "account": account,
        "symbol": symbol,
        "quantity": held.quantity,
        "average_price": held.average_price,
        "changed_at": now,
        "last_price": last_price,
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
