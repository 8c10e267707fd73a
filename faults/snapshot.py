"""What the desk's book and the venue's store say at one moment, read from another process than those that wrote it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask

from brokers.paper import tables as venue_tables
from brokers.paper.store import Store
from extensions import db, reading
from models import Fill, Order, OrderEvent, Position, Signal


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """One order as the venue has it, with its executions by id: quantity, price, commission."""

    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    status: str
    fills: Mapping[str, tuple[Decimal, Decimal, Decimal]]


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


def take(app: Flask, venue_url: str) -> Snapshot:
    """Read all of the book and of the venue's store."""
    store = Store(venue_url)
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
        with store.reading() as connection:
            venue_orders, positions = _venue_orders(connection), _positions(connection)
    finally:
        store.close()
        with app.app_context():
            db.session.remove()
    return Snapshot(signals, orders, _by_order(events), _by_order(fills), held, venue_orders, positions)


def _by_order(rows: Sequence[Any]) -> dict[int, list[Any]]:
    found = defaultdict(list)
    for row in rows:
        found[row.order_id].append(row)
    return found


def _venue_orders(connection: sa.Connection) -> list[VenueOrder]:
    fills: dict[int, dict[str, tuple[Decimal, Decimal, Decimal]]] = defaultdict(dict)
    for row in connection.execute(sa.select(venue_tables.fills)):
        fills[row.order_id][f"{row.order_id}-{row.sequence}"] = (row.quantity, row.price, row.commission)
    return [
        VenueOrder(row.client_order_id, row.symbol, row.side, row.quantity, row.status, fills[row.id])
        for row in connection.execute(sa.select(venue_tables.orders).order_by(venue_tables.orders.c.id))
    ]


def _positions(connection: sa.Connection) -> dict[str, Decimal]:
    held = connection.execute(sa.select(venue_tables.positions.c.symbol, venue_tables.positions.c.quantity))
    found: dict[str, Decimal] = defaultdict(Decimal)
    for symbol, quantity in held:
        found[symbol] += quantity
    return found
