"""The venues of a rehearsal: how each is started, told to misbehave, made to move, and read at the end."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import sqlalchemy as sa

from bench.support import Stage
from bench.venues import PAPER, VENUES, settings_of
from brokers.errors import BrokerError
from brokers.paper import tables
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.settings import PaperSettings
from brokers.paper.spec import paper_settings
from brokers.paper.store import Store
from brokers.paper.venue import PaperVenue
from config import Config

ODD = ("echoing", "nameless")  # the paper venue, which treats our ids as some brokers do
EVERYWHERE = (*VENUES, *ODD)
DISGUISE = "FAULTS_DISGUISE"  # names the setting by which the desk's processes know it
LONG_HANG = 10.0  # seconds: outlives the lease of a rehearsal


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a venue is told to do to the next order, or cancel, of a symbol (None = of any)."""

    kind: str
    where: str = "orders"
    symbol: str | None = None
    seconds: float = 0.0
    quantity: Decimal | None = None

    @property
    def name(self) -> str:
        """Return what `Venue.done` counts it as."""
        return name_of(self.kind, self.where)


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """One order as the venue has it, with its executions by id: quantity, price, commission."""

    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    status: str
    fills: Mapping[str, tuple[Decimal, Decimal, Decimal]]


def name_of(kind: str, where: str) -> str:
    """Return the name under which the report counts an instruction."""
    return kind if where in ("orders", "events") else f"{kind} ({where})"


class Venue(Protocol):
    """What the rehearsal asks of a venue."""

    name: str
    account: str  # of the desk
    paving: Mapping[str, Told]  # what leads a worker to a crash point that it does not pass every day

    def tell(self, told: Told) -> bool:
        """Make it misbehave; False when it cannot be reached now."""

    def outstanding(self) -> Sequence[str]:
        """Return what it has not done yet of what it was told for any symbol; nothing when it cannot be asked now."""

    def done(self) -> Counter[str]:
        """Return how often it misbehaved, by kind, and let it forget what it has not done yet."""

    def old_orders(self, seconds: float) -> Sequence[str]:
        """Return the ids of orders that have waited for so long to be told to go on."""

    def fill_rest(self, client_order_id: str) -> None:
        """Fill what is left of an order."""

    def cancel(self, client_order_id: str) -> None:
        """End an order by the venue's own hand."""

    def book(self) -> tuple[list[VenueOrder], Mapping[str, Decimal]]:
        """Return its orders, and its positions: signed quantity by symbol."""

    def close(self) -> None:
        """Release what it holds."""


def told_for(venue: str) -> Sequence[tuple[str, str]]:
    """Return what a venue can be told: kinds, and what they are for."""
    if venue in (PAPER, *ODD):
        return [(kind.value, "orders") for kind in Kind]
    from faults.alpaca_venue import KINDS

    return KINDS


def make_told(rng: random.Random, kind: str, where: str) -> Told:
    """Return an instruction of a kind with times and quantities by chance."""
    seconds = {
        "delay": rng.uniform(0.5, 3),
        "slow_fill": rng.uniform(0.5, 3),
        "late": rng.choice([1.5, 6.0, 12.0]),  # the venue promises less than the last; that one breaks the promise
        "hidden": rng.uniform(0.5, 3),
        "hang": rng.choice([0.5, 2.0, LONG_HANG]),
        "rate_limit": rng.choice([1.0, 2.0, 4.0]),
    }
    quantity = Decimal(rng.randint(1, 4)) if kind == "partial" else None
    return Told(kind, where, seconds=round(seconds.get(kind, 0.0), 2), quantity=quantity)


class PaperSide:
    """The paper venue, by its store."""

    name, account = PAPER, "paper"
    paving: Mapping[str, Told] = {
        "look-up": Told("drop_answer"),
        "poll": Told("delay", seconds=1.0),
        "booking": Told("delay", seconds=1.0),
        "cancel": Told("work", symbol="PD.FT"),  # a leg that keeps the other one waiting
        "tend": Told("work", symbol="PB.FT"),
    }

    def __init__(self, settings: PaperSettings) -> None:
        self._venue, self._store = PaperVenue(settings), Store(settings.url)

    def tell(self, told: Told) -> bool:
        instruction = Instruction(
            kind=Kind(told.kind), symbol=told.symbol, seconds=told.seconds, quantity=told.quantity
        )
        try:
            self._venue.instruct(instruction)
        except BrokerError:  # its store is away, or held by a process that is stopped
            return False
        return True

    def outstanding(self) -> Sequence[str]:
        query = sa.select(tables.instructions.c.kind).where(
            tables.instructions.c.remaining > 0, tables.instructions.c.symbol.is_(None)
        )
        with contextlib.suppress(BrokerError), self._store.reading() as connection:
            return connection.execute(query).scalars().all()
        return []

    def done(self) -> Counter[str]:
        with self._store.reading() as connection:
            query = sa.select(tables.instructions.c.kind).where(tables.instructions.c.remaining == 0)
            done = Counter(connection.execute(query).scalars())
        self._venue.forget_instructions()
        return done

    def old_orders(self, seconds: float) -> Sequence[str]:
        old = sa.select(tables.orders.c.client_order_id, tables.orders.c.changed_at).where(
            tables.orders.c.closed_at.is_(None), tables.orders.c.due_at.is_(None)
        )
        with contextlib.suppress(BrokerError), self._store.reading() as connection:
            rows = connection.execute(old).all()
            return [row.client_order_id for row in rows if time.time() - row.changed_at.timestamp() > seconds]
        return []

    def fill_rest(self, client_order_id: str) -> None:
        with contextlib.suppress(BrokerError):
            self._venue.fill_rest(self.account, client_order_id)

    def cancel(self, client_order_id: str) -> None:
        with contextlib.suppress(BrokerError):
            self._venue.cancel(self.account, client_order_id)

    def book(self) -> tuple[list[VenueOrder], Mapping[str, Decimal]]:
        fills: dict[int, dict[str, tuple[Decimal, Decimal, Decimal]]] = defaultdict(dict)
        with self._store.reading() as connection:
            for row in connection.execute(sa.select(tables.fills)):
                fills[row.order_id][f"{row.order_id}-{row.sequence}"] = (row.quantity, row.price, row.commission)
            orders = [
                VenueOrder(row.client_order_id, row.symbol, row.side, row.quantity, row.status, fills[row.id])
                for row in connection.execute(sa.select(tables.orders).order_by(tables.orders.c.id))
            ]
            held: dict[str, Decimal] = defaultdict(Decimal)
            for symbol, quantity in connection.execute(
                sa.select(tables.positions.c.symbol, tables.positions.c.quantity)
            ):
                held[symbol] += quantity
        return orders, held

    def close(self) -> None:
        self._venue.close()
        self._store.close()


def settings_for(stage: Stage, venue: str, kind: str) -> dict[str, str]:
    """Return the settings of a desk that trades at a venue; the simulator is started for it."""
    if venue in (PAPER, *ODD):
        disguise = {DISGUISE: venue} if venue in ODD else {}
        return {"PAPER_CASH": "1000000000000", "PAPER_DATABASE_URL": stage.database(kind, "venue"), **disguise}
    return settings_of(stage, venue, kind)


def open_venue(venue: str, config: Config) -> Venue:
    """Return the venue that a desk trades at."""
    if venue == PAPER:
        return PaperSide(paper_settings(config))
    if venue in ODD:
        from faults.disguised_venue import DisguisedSide

        return DisguisedSide(paper_settings(config))
    from faults.alpaca_venue import AlpacaSide

    return AlpacaSide(config.alpaca_simulator_url)
