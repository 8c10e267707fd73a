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
from services.among import among

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
FILLS = cast(sa.Table, Fill.__table__)


# Made once: to build a statement anew takes longer than to execute it.
_BOOKED = (
    sa.select(*(FILLS.c[name] for name in ("order_id", "account_id", "execution_id", "quantity", "price", "at")))
    .where(
        among(FILLS.c.order_id, "orders")
        | (among(FILLS.c.account_id, "accounts") & among(FILLS.c.execution_id, "executions"))
    )
    .order_by(FILLS.c.id)
)
_POSITIONS = (
    sa.select(Position)
    .where(
        among(Position.account_id, "accounts"),
        among(Position.name, "names"),
        among(Position.symbol, "symbols", walks=False),
    )
    .order_by(Position.account_id, Position.name, Position.symbol)
    .with_for_update()
)
_INSERT_FILLS = sa.insert(FILLS)
_RESULTS = sa.select(DailyResult).where(
    among(DailyResult.account_id, "accounts"),
    among(DailyResult.day, "days"),
    among(DailyResult.name, "names"),
    among(DailyResult.symbol, "symbols", walks=False),
)


class Booked(NamedTuple):
    """A fill on record."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    at: datetime


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
        given = {
            "accounts": sorted({key.account_id for key in keys}),
            "names": sorted({key.name for key in keys}),
            "symbols": sorted({key.symbol for key in keys}),
        }
        for row in self._session.execute(_POSITIONS, given).scalars():
            self._positions[Key(row.account_id, row.name, row.symbol)] = row
        days = sorted({_day(fill) for _, fills in wanted for fill in fills})
        for result in self._session.execute(_RESULTS, {**given, "days": days}).scalars():
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
        self._fills[order.id].append(Booked(fill.execution_id, fill.quantity, fill.price, fill.at))
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
            self._session.connection().execute(_INSERT_FILLS, self._new)
            self._new = []

    def _load_fills(self, wanted: Iterable[tuple[Order, Sequence[FillReport]]]) -> None:
        given = {
            "orders": sorted({order.id for order, _ in wanted}),
            "accounts": sorted({order.account_id for order, _ in wanted}),
            "executions": sorted({fill.execution_id for _, fills in wanted for fill in fills}),
        }
        for row in self._session.connection().execute(_BOOKED, given):
            self._owners[row.account_id, row.execution_id] = row.order_id
            self._fills[row.order_id].append(Booked(row.execution_id, row.quantity, row.price, row.at))

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
    return fill.at.date().isoformat()
