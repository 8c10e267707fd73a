"""What the desk's book and the venue say at one moment, read from another process than those that wrote it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask

from extensions import db, reading
from faults.venues import Venue, VenueOrder
from models import Fill, Order, OrderEvent, Position, Signal


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The book's rows as they are stored, and the venue's orders and positions (signed quantity by symbol)."""

    signals: Sequence[Any]
    orders: Sequence[Any]
    events: Mapping[int, Sequence[Any]]  # by order, in the order of their numbers
    fills: Mapping[int, Sequence[Any]]  # by order
    held: Mapping[tuple[str, str], Decimal]  # the book's own positions, signed quantity by stock or pair, and symbol
    venue_orders: Sequence[VenueOrder]
    positions: Mapping[str, Decimal]


def take(app: Flask, venue: Venue) -> Snapshot:
    """Read all of the book and of the venue."""
    try:
        with app.app_context(), reading() as session:
            signals, orders, events, fills = (
                session.execute(sa.select(*model.__table__.c).order_by(*keys)).all()
                for model, keys in (
                    (Signal, [Signal.id]),
                    (Order, [Order.id]),
                    (OrderEvent, [OrderEvent.order_id, OrderEvent.seq]),
                    (Fill, [Fill.id]),
                )
            )
            rows = session.execute(sa.select(Position.name, Position.symbol, Position.quantity)).all()
            held = {(row.name, row.symbol): row.quantity for row in rows}
        venue_orders, positions = venue.book()
    finally:
        with app.app_context():
            db.session.remove()
    return Snapshot(signals, orders, _by_order(events), _by_order(fills), held, venue_orders, positions)


def _by_order(rows: Sequence[Any]) -> dict[int, list[Any]]:
    found = defaultdict(list)
    for row in rows:
        found[row.order_id].append(row)
    return found
