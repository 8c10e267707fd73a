"""Positions and results: they change with each fill, in the fill's own transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.exact import EXACT, round8
from extensions import database_time, insert_or_update, utc_now
from models import CoinFee, DailyResult, Position

logger = logging.getLogger(__name__)

_KEY = (Position.account_id, Position.name, Position.symbol)
_POSITION_AND_DAY = (
    sa.select(Position, DailyResult)
    .outerjoin(
        DailyResult,
        (DailyResult.account_id == Position.account_id)
        & (DailyResult.name == Position.name)
        & (DailyResult.symbol == Position.symbol)
        & (DailyResult.day == sa.bindparam("day")),
    )
    .where(
        Position.account_id == sa.bindparam("account_id"),
        Position.name == sa.bindparam("name"),
        Position.symbol == sa.bindparam("symbol"),
    )
    .with_for_update(of=Position)
)


def book_coin_fee(session: Session, position: Position, quantity: Decimal) -> None:
    """Deduct a fee that was kept in coins from a position that the caller has locked; its value is commission."""
    now = database_time()
    key = {"account_id": position.account_id, "name": position.name, "symbol": position.symbol}
    _, day = _locked(session, key, now)
    price = position.average_price
    worth = round8(EXACT.multiply(quantity, price))
    session.add(CoinFee(**key, quantity=quantity, price=price, at=now))
    position.quantity -= quantity
    if position.quantity == 0:
        position.average_price = Decimal(0)
    position.commission += worth
    position.changed_at = utc_now()
    day.commission += worth


def _locked(session: Session, key: Mapping[str, Any], at: datetime) -> tuple[Position, DailyResult]:
    """Return the position of a book and its day, locked; made when they are not there yet."""
    day = f"{at:%Y-%m-%d}"
    found = session.execute(_POSITION_AND_DAY, {**key, "day": day}).one_or_none()
    if found is None:
        # Two workers may book the first fills of a position at once: one inserts, the other waits and finds it.
        row = insert_or_update(Position).values(
            **key,
            quantity=Decimal(0),
            average_price=Decimal(0),
            realised=Decimal(0),
            commission=Decimal(0),
            changed_at=utc_now(),
        )
        session.execute(row.on_conflict_do_nothing())
        found = session.execute(_POSITION_AND_DAY, {**key, "day": day}).one()
    position: Position = found[0]
    result: DailyResult | None = found[1]
    if result is None:
        result = DailyResult(**key, day=day, realised=Decimal(0), commission=Decimal(0), traded=Decimal(0))
        session.add(result)
    return position, result
