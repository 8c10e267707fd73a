"""Venues that do not tell our ids, or take one twice, in a rehearsal; and the person who must look there.

The desk's processes see the paper venue in disguise (`simulators/odd_venues.py`); the rehearsal sees its real book, as
a person sees the broker's own page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import InterfaceError, OperationalError

from bench.venues import PAPER
from brokers import registry
from brokers.errors import BrokerError
from brokers.paper import tables
from brokers.paper.spec import paper_settings
from brokers.paper.venue import PaperVenue
from brokers.spec import Opening
from domain.enums import Environment
from domain.errors import Conflict
from domain.order_status import OrderStatus
from domain.venue.capabilities import AccountCapabilities
from extensions import db, reading, utc_now
from faults.venues import PaperSide, VenueOrder
from models import Order
from services.interventions.settle import identify_order, resolve_order
from simulators.odd_venues import AGAIN, EchoingBroker, NamelessBroker

DISGUISES = {kind.name: kind for kind in (EchoingBroker, NamelessBroker)}
PATIENCE = timedelta(seconds=25)  # an order may arrive late; nobody says before that it is not there


def put_on_disguise(name: str) -> None:
    """Let this process trade with the paper venue as with the one of that name."""
    kind: type[EchoingBroker | NamelessBroker] = DISGUISES[name]

    def capabilities(_: Environment) -> AccountCapabilities:
        return kind.capabilities

    def connect(config: Any, opening: Opening) -> EchoingBroker | NamelessBroker:
        return kind(PaperVenue(paper_settings(config)), opening.account)

    spec = registry.SPECS[PAPER]
    registry.SPECS[PAPER] = replace(spec, connect=connect, capabilities=capabilities)


class DisguisedSide(PaperSide):
    """The real book of a venue in disguise."""

    def book(self) -> tuple[list[VenueOrder], Mapping[str, Decimal]]:
        orders, held = super().book()
        return [replace(order, client_order_id=_ours(order.client_order_id)) for order in orders], held

    def ids(self, client_order_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the venue's ids of orders, as far as they are there. BrokerError when it cannot be read."""
        with self._store.reading() as connection:
            rows = connection.execute(sa.select(tables.orders.c.id, tables.orders.c.client_order_id)).all()
        there = {_ours(row.client_order_id): str(row.id) for row in rows}
        return {name: there[name] for name in client_order_ids if name in there}


def look_there(app: Flask, venue: DisguisedSide) -> int:
    """Say of every order that waits for a person which one it is at the venue, or that it is not; returns how many."""
    said = 0
    with app.app_context():
        try:
            with contextlib.suppress(OperationalError, InterfaceError, BrokerError, Conflict):
                query = sa.select(Order.id, Order.client_order_id, Order.sent_at, utc_now().label("now"))
                with reading() as session:
                    waiting = session.execute(query.where(Order.status == OrderStatus.MANUAL)).all()
                there = venue.ids([row.client_order_id for row in waiting]) if waiting else {}
                for row in waiting:
                    if row.client_order_id in there:
                        identify_order(row.id, there[row.client_order_id], "seen at the venue", "the conductor")
                    elif row.now > row.sent_at + PATIENCE:
                        resolve_order(row.id, "looked twice", "the conductor")
                    else:
                        continue
                    said += 1
        finally:
            db.session.remove()
    return said


def _ours(client_order_id: str) -> str:
    return client_order_id.partition(AGAIN)[0]
