"""The books that a batch of reports is booked to: read once, changed in memory, written once.

The caller holds the locks of the accounts, so nobody else books for them meanwhile.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Side
from domain.exact import plain_text
from domain.messages import FillReport
from domain.position import Holding, add_fill
from models import DailyResult, Fill, Order, Position

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
FILLS = cast(sa.Table, Fill.__table__)


class Booked(NamedTuple):
    """A fill on record."""

    execution_id: str
    quantity: Decimal
    price: Decimal


class Key(NamedTuple):
    """One symbol in one book of an account."""

    account_id: int
    name: str
    symbol: str

    @classmethod
    def of(cls, order: Order) -> Key:
        """Return where an order's fills go."""
        return cls(order.account_id, order.name, order.symbol)


class Ledger:
    """Fills, positions and results of the day, as far as some orders are concerned."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now
        self._fills: dict[int, list[Booked]] = defaultdict(list)
        self._owners: dict[tuple[int, str], int] = {}
        self._positions: dict[Key, Position] = {}
        self._days: dict[tuple[Key, str], DailyResult] = {}
        self._new: list[dict[str, Any]] = []

    def load(self, wanted: Sequence[tuple[Order, Sequence[FillReport]]]) -> None:
        """Read what booking these fills needs: what is booked of the orders, and the books they go to."""
        wanted = [(order, fills) for order, fills in wanted if fills]
        if not wanted:
            return
        self._load_fills(wanted)
        keys = {Key.of(order) for order, _ in wanted}
        days = {(Key.of(order), _day(fill)) for order, fills in wanted for fill in fills}
        accounts, names = {key.account_id for key in keys}, {key.name for key in keys}
        symbols = {key.symbol for key in keys}
        positions = sa.select(Position).where(
            Position.account_id.in_(accounts), Position.name.in_(names), Position.symbol.in_(symbols)
        )
        order_by = (Position.account_id, Position.name, Position.symbol)
        for row in self._session.execute(positions.order_by(*order_by).with_for_update()).scalars():
            self._positions[Key(row.account_id, row.name, row.symbol)] = row
        results = sa.select(DailyResult).where(
            DailyResult.account_id.in_(accounts),
            DailyResult.day.in_({day for _, day in days}),
            DailyResult.name.in_(names),
            DailyResult.symbol.in_(symbols),
        )
        for result in self._session.execute(results).scalars():
            self._days[Key(result.account_id, result.name, result.symbol), result.day] = result

    def booked(self, order: Order) -> list[Booked]:
        """Return the fills of an order that are on record."""
        return self._fills[order.id]

    def book(self, order: Order, fill: FillReport) -> bool:
        """Add a fill with what it realised; False when its execution is on record, for this order or another."""
        identity = (order.account_id, fill.execution_id)
        if identity in self._owners:
            return False
        self._owners[identity] = order.id
        self._fills[order.id].append(Booked(fill.execution_id, fill.quantity, fill.price))
        position, day = self._books_of(Key.of(order), _day(fill))
        held = Holding(position.quantity, position.average_price)
        after, realised = add_fill(held, Side(order.side), fill.quantity, fill.price)
        self._new.append(
            {
                "account_id": order.account_id,
                "execution_id": fill.execution_id,
                "order_id": order.id,
                "quantity": fill.quantity,
                "price": fill.price,
                "commission": fill.commission,
                "synthetic": fill.synthetic,
                "realised": realised,
                "at": fill.at,
            }
        )
        position.quantity, position.average_price = after.quantity, after.average_price
        position.realised += realised
        position.commission += fill.commission
        position.changed_at = self._now
        day.realised += realised
        day.commission += fill.commission
        day.traded += fill.quantity
        quantity, price = plain_text(fill.quantity), plain_text(fill.price)
        logger.info("order %s: filled %s at %s", order.client_order_id, quantity, price)
        return True

    def store(self) -> None:
        """Write the new fills; all else is written with the session."""
        if self._new:
            self._session.execute(sa.insert(FILLS), self._new)
            self._new = []

    def _load_fills(self, wanted: Iterable[tuple[Order, Sequence[FillReport]]]) -> None:
        ids = {order.id for order, _ in wanted}
        reported = {fill.execution_id for _, fills in wanted for fill in fills}
        accounts = {order.account_id for order, _ in wanted}
        query = sa.select(Fill.order_id, Fill.account_id, Fill.execution_id, Fill.quantity, Fill.price).where(
            Fill.order_id.in_(ids) | (Fill.account_id.in_(accounts) & Fill.execution_id.in_(reported))
        )
        for row in self._session.execute(query.order_by(Fill.id)):
            self._owners[row.account_id, row.execution_id] = row.order_id
            self._fills[row.order_id].append(Booked(row.execution_id, row.quantity, row.price))

    def _books_of(self, key: Key, day: str) -> tuple[Position, DailyResult]:
        position = self._positions.get(key)
        if position is None:
            zeros: Mapping[str, Any] = {"average_price": ZERO, "realised": ZERO, "commission": ZERO}
            position = Position(**key._asdict(), quantity=ZERO, changed_at=self._now, **zeros)
            self._session.add(position)
            self._positions[key] = position
        result = self._days.get((key, day))
        if result is None:
            result = DailyResult(**key._asdict(), day=day, realised=ZERO, commission=ZERO, traded=ZERO)
            self._session.add(result)
            self._days[key, day] = result
        return position, result


def _day(fill: FillReport) -> str:
    return f"{fill.at:%Y-%m-%d}"
