"""Reading what accounts hold and work, for many lanes at once and all of one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import LegPolicy, OrderType, Purpose, Side
from domain.lanes.account_book import AccountBook, Held
from domain.lanes.values import ZERO, Working
from domain.order_status import FAILED, OrderStatus
from extensions import ExactDecimal, UtcDateTime
from models import ForeignOrder, Order, Position, PositionDifference, Signal
from models.order import OPEN
from models.venue_state import FOREIGN_WORKING
from services.among import among

_TEXT, _NUMBER = sa.literal(""), sa.literal(0)
_NO_TIME = sa.null().cast(UtcDateTime)
_NO_QUANTITY = sa.null().cast(ExactDecimal)


def _row(what: str, **columns: Any) -> list[Any]:
    """Return the columns of one part of the union; what a part does not have is empty."""
    usual = {
        "name": _TEXT, "symbol": _TEXT, "quantity": _NO_QUANTITY, "second": _NO_QUANTITY, "side": _TEXT,
        "status": _TEXT, "order_id": _NUMBER, "signal_id": _NUMBER, "is_exit": sa.false(), "purpose": _TEXT,
        "order_type": _TEXT, "cancel_requested": sa.false(), "sent_at": _NO_TIME, "leg_policy": _TEXT,
        "follows": sa.false(),
    }  # fmt: skip
    account_id = columns.pop("account_id")
    rest = [column.label(name) for name, column in {**usual, **columns}.items()]
    return [sa.literal(what).label("what"), account_id.label("account_id"), *rest]


# One statement: what is held and what works must be of one moment, or a fill booked in between would be in neither.
_BOOKS = sa.union_all(
    sa.select(
        *_row(
            "held",
            account_id=Position.account_id,
            name=Position.name,
            symbol=Position.symbol,
            quantity=Position.quantity,
            second=Position.average_price,
        )
    ).where(among(Position.account_id, "accounts"), among(Position.name, "names") | among(Position.symbol, "symbols")),
    sa.select(
        *_row(
            "works",
            account_id=Order.account_id,
            name=Order.name,
            symbol=Order.symbol,
            quantity=Order.quantity,
            second=Order.filled_quantity,
            side=Order.side,
            status=Order.status,
            order_id=Order.id,
            signal_id=sa.func.coalesce(Order.signal_id, 0),
            is_exit=Order.is_exit,
            purpose=Order.purpose,
            order_type=Order.order_type,
            cancel_requested=Order.cancel_requested_at.is_not(None),
            sent_at=Order.sent_at,
            leg_policy=sa.func.coalesce(Signal.leg_policy, ""),
            follows=(sa.func.coalesce(Signal.leg_policy, "") == LegPolicy.LEG1_FIRST)
            & (Order.leg != sa.func.coalesce(Signal.lead_leg, 1)),
        )
    )
    .select_from(Order)
    .outerjoin(Signal, Signal.id == Order.signal_id)
    .where(OPEN, among(Order.account_id, "accounts"), among(Order.name, "names") | among(Order.symbol, "symbols")),
    sa.select(
        *_row(
            "differs",
            account_id=PositionDifference.account_id,
            symbol=PositionDifference.symbol,
            quantity=PositionDifference.theirs,
            second=PositionDifference.ours,
        )
    ).where(among(PositionDifference.account_id, "accounts"), among(PositionDifference.symbol, "symbols")),
    sa.select(
        *_row(
            "foreign",
            account_id=ForeignOrder.account_id,
            symbol=ForeignOrder.symbol,
            quantity=ForeignOrder.quantity,
            second=ForeignOrder.filled_quantity,
            side=ForeignOrder.side,
        )
    ).where(FOREIGN_WORKING, among(ForeignOrder.account_id, "accounts"), among(ForeignOrder.symbol, "symbols")),
)


def read_books(
    session: Session, accounts: Iterable[int], names: Iterable[str], symbols: Iterable[str], now: datetime
) -> dict[int, AccountBook]:
    """Return the books of accounts, as far as these stocks, pairs and symbols are concerned; one for each account."""
    books = {account_id: AccountBook() for account_id in accounts}
    given = {"accounts": sorted(books), "names": sorted(set(names)), "symbols": sorted(set(symbols))}
    followed: dict[int, int] = {}
    session.flush()  # what this transaction has changed counts
    for row in session.connection().execute(_BOOKS, given):
        book = books[row.account_id]
        match row.what:
            case "held":
                book.held[row.symbol][row.name] = Held(row.quantity, row.second)
            case "works":
                book.working[row.symbol].append(_working(row, now))
                if row.leg_policy == LegPolicy.LEG1_FIRST:
                    followed[row.signal_id] = row.account_id
            case "differs":
                book.differences[row.symbol] = row.quantity - row.second
            case _:
                book.foreign[row.symbol].append((Side(row.side), max(ZERO, row.quantity - row.second)))
    if followed:
        _read_promises(session, books, followed)
    return books


def _working(row: Any, now: datetime) -> Working:
    age = None if row.sent_at is None else Decimal(str(max((now - row.sent_at).total_seconds(), 0.0)))
    return Working(
        order_id=row.order_id,
        signal_id=row.signal_id or None,
        lane=row.name,
        symbol=row.symbol,
        side=Side(row.side),
        rest=max(ZERO, row.quantity - row.second),
        status=OrderStatus(row.status),
        is_exit=row.is_exit,
        purpose=Purpose(row.purpose),
        is_market=row.order_type == OrderType.MARKET,
        follows=row.follows,
        cancel_requested=row.cancel_requested,
        age=age,
    )


def _read_promises(session: Session, books: dict[int, AccountBook], followed: dict[int, int]) -> None:
    """Add what signals under way will still order: the legs that follow the fills of others.

    What a failure has stopped is not ordered any more.
    """
    query = sa.select(
        Signal.id, Signal.name, Signal.symbol1, Signal.symbol2, Signal.leg_quantity1, Signal.leg_quantity2
    ).where(Signal.id.in_(followed))
    orders: dict[int, list[Any]] = defaultdict(list)
    of_signals = sa.select(
        Order.signal_id, Order.leg, Order.side, Order.quantity, Order.status, Order.purpose, Order.cancel_requested_at
    ).where(Order.signal_id.in_(followed))
    for order in session.execute(of_signals):
        orders[order.signal_id].append(order)
    for signal in session.execute(query):
        if signal.leg_quantity1 is None or signal.leg_quantity2 is None or any(map(_has_failed, orders[signal.id])):
            continue
        book = books[followed[signal.id]]
        legs = ((1, signal.symbol1, signal.leg_quantity1), (2, signal.symbol2, signal.leg_quantity2))
        for number, symbol, planned in legs:
            ordered = sum((order.quantity for order in orders[signal.id] if order.leg == number), ZERO)
            promised = side_of(orders[signal.id], number).sign * max(ZERO, planned - ordered)
            if promised:
                book.promise(signal.name, symbol, promised)


def side_of(orders: Sequence[Any], number: int) -> Side:
    """Return the side of a leg; of one that has no order yet the other side of the leg that has."""
    sides = {order.leg: Side(order.side) for order in orders if order.purpose != Purpose.UNWIND}
    return sides.get(number) or next(iter(sides.values())).opposite


def _has_failed(order: Any) -> bool:
    return order.purpose == Purpose.UNWIND or order.status in FAILED or order.cancel_requested_at is not None
