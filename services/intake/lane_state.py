"""What a stock or pair has at its account at this moment: one read, for alerts of names that are paused."""

from __future__ import annotations

import sqlalchemy as sa

from extensions import db
from models import Order, Position
from models.order import OPEN


def is_lane_busy(account_id: int, name: str) -> bool:
    """Return True if a stock or pair holds a position at an account, or has an open order there."""
    # As a number, since SQLite keeps the text, and 0 may be written with decimals.
    held = sa.exists().where(
        Position.account_id == account_id, Position.name == name, sa.cast(Position.quantity, sa.Numeric) != 0
    )
    works = sa.exists().where(OPEN, Order.account_id == account_id, Order.name == name)
    found: bool = db.session.execute(sa.select(held | works)).scalar_one()
    return bool(found)
