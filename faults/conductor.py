"""Carries out a plan of faults on a running desk, then lets everything settle."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import Conflict
from domain.order_status import OPEN, SignalStatus
from extensions import db, reading
from faults.disguised_venue import DisguisedSide, look_there
from faults.plan import LEASE_SECONDS, Fault, Sort
from faults.recovery import Blow
from faults.scene import Scene
from faults.tickets import Action
from models import Order, Signal
from models.signal import UNBALANCED
from services.execution import cancel_orders

TICK = 0.02
MOST_TICKETS = 4  # out at a time
TICKET_PATIENCE = 12.0  # seconds until the way to a crash point is paved once more
MOST_PAVINGS = 5
VENUE_PATIENCE = 30.0  # seconds until the venue is not waited for that has not done all it was told
SETTLE_SECONDS = 90.0
WORKING_SECONDS = 4.0  # how old an order gets that waits for a market at the venue


@dataclass
class _Ticket:
    fault: Fault
    until: float
    pavings: int = 0


@dataclass
class Conductor:
    """One database's faults, as they happen."""

    scene: Scene
    plan: Sequence[Fault]
    rng: random.Random
    gap: tuple[float, float]  # seconds between two faults
    instant: list[tuple[Sort, Blow]] = field(default_factory=list)  # faults that needed no ticket
    never_reached: Counter[str] = field(default_factory=Counter)
    settled_by_hand: int = 0  # orders that a person had to look for at the venue
    _tickets: dict[str, _Ticket] = field(default_factory=dict)
    _stopped: dict[int, float] = field(default_factory=dict)  # process, and when it goes on
    _seen: int = 0
    _next_market: float = 0.0

    def run(self) -> None:
        """Inject every fault of the plan, and let the venue do what it was told."""
        waiting, next_at = deque(self.plan), 0.0
        while waiting or self._tickets or self._stopped:
            now = time.monotonic()
            self._look_after(now)
            if waiting and now >= next_at and len(self._tickets) < MOST_TICKETS:
                fault = waiting.popleft()
                # One ticket of a kind at a time.
                if _key(fault) in self._tickets or not self._inject(fault, now):
                    waiting.append(fault)
                else:
                    next_at = time.monotonic() + self.rng.uniform(*self.gap)
            time.sleep(TICK)
        self._let_the_venue_misbehave()

    def _let_the_venue_misbehave(self) -> None:
        """Wait until the venue has done all it was told; what it does to cancels needs an order that is canceled."""
        end, paved_until = time.monotonic() + VENUE_PATIENCE, 0.0
        while (left := self.scene.venue.outstanding()) and (now := time.monotonic()) < end:
            if now >= paved_until and any("cancel" in name for name in left):
                paved_until = now + TICKET_PATIENCE if self.scene.venue.tell(self.scene.venue.paving["cancel"]) else now
            self._make_market(now)
            time.sleep(0.3)

    def settle(self) -> list[str]:
        """Let shipped workers finish what the faults left behind; returns what still hangs at the end, in words."""
        self.scene.tickets.withdraw()
        self.scene.restart_as_shipped()
        end, hanging = time.monotonic() + SETTLE_SECONDS, ["nothing was read yet"]
        while hanging and time.monotonic() < end:
            self._make_market(time.monotonic())
            with contextlib.suppress(SQLAlchemyError):
                hanging = self._hanging()
            time.sleep(0.3)
        return hanging

    def _inject(self, fault: Fault, now: float) -> bool:
        """Let a fault happen, or see to it that it will; False when it cannot be brought about now."""
        if fault.sort in (Sort.KILL_AT_POINT, Sort.STOP_AT_POINT):
            self._tickets[_key(fault)] = ticket = _Ticket(fault, 0.0)
            self.scene.tickets.arm(fault.point, _action(fault))
            self._pave(ticket, now)
        elif fault.told is not None:
            return self.scene.venue.tell(fault.told)
        elif fault.sort is Sort.KILL_WORKER:
            self.instant.append((fault.sort, self.scene.kill_worker(self.rng)))
        elif fault.sort is Sort.KILL_WEB:
            self.instant.append((fault.sort, self.scene.kill_web(self.rng)))
        elif (blow := self.scene.take_database_away()) is not None:
            self.instant.append((fault.sort, blow))
        else:
            return False
        return True

    def _look_after(self, now: float) -> None:
        used = self.scene.tickets.used()
        for one in used[self._seen :]:
            self._tickets.pop(f"{one.action} {one.point}", None)
            if one.action is Action.STOP:
                self._stopped[one.pid] = now + LEASE_SECONDS + 2
        self._seen = len(used)
        for ticket in list(self._tickets.values()):
            if now > ticket.until:
                self._pave(ticket, now)
        for pid, until in list(self._stopped.items()):
            if now > until:
                del self._stopped[pid]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self._make_market(now)

    def _pave(self, ticket: _Ticket, now: float) -> None:
        """Lead the workers to a ticket's point, or give it up after a number of tries."""
        ticket.until = now + TICKET_PATIENCE
        if ticket.pavings >= MOST_PAVINGS:
            self.never_reached[ticket.fault.point] += 1
            del self._tickets[_key(ticket.fault)]
            return
        word = ticket.fault.point.split(" ")[0]
        paving = self.scene.venue.paving.get(word)
        if paving is not None and not self.scene.venue.tell(paving):
            ticket.until = now
            return
        ticket.pavings += 1
        if word == "reap":  # somebody must leave an order behind
            self.scene.tickets.arm("claim after commit", Action.KILL)

    def _make_market(self, now: float) -> None:
        """Bring orders to an end that have worked for a while, and look at the venue for those that need a person."""
        if now < self._next_market:
            return
        self._next_market = now + 1.0
        for client_order_id in self.scene.venue.old_orders(WORKING_SECONDS):
            self._end(client_order_id)
        if isinstance(self.scene.venue, DisguisedSide):
            self.settled_by_hand += look_there(self.scene.desk.app, self.scene.venue)

    def _end(self, client_order_id: str) -> None:
        """Fill an order, or let the venue cancel it, or let a person ask the desk to."""
        chance = self.rng.random()
        if chance < 0.5:
            self.scene.venue.fill_rest(client_order_id)
        elif chance < 0.6:
            self.scene.venue.cancel(client_order_id)
        else:
            with self.scene.desk.app.app_context(), contextlib.suppress(SQLAlchemyError, Conflict):
                with reading() as session:
                    query = sa.select(Order.id).where(Order.client_order_id == client_order_id)
                    order_id = session.execute(query).scalar_one()
                cancel_orders.cancel_order(order_id, "nobody trades with it", "the conductor")
            with self.scene.desk.app.app_context():
                db.session.remove()

    def _hanging(self) -> list[str]:
        unfinished = [SignalStatus.WAITING, SignalStatus.REROUTED, SignalStatus.CREATED, SignalStatus.LEG_FILLED]
        queries: tuple[Any, ...] = (
            sa.select(sa.literal("order"), Order.client_order_id, Order.status).where(Order.status.in_(OPEN)),
            sa.select(sa.literal("signal"), Signal.id, Signal.status).where(
                Signal.status.in_(unfinished) | (UNBALANCED & (Signal.status != SignalStatus.CRITICAL))
            ),
        )
        try:
            with self.scene.desk.app.app_context(), reading() as session:
                rows = [row for query in queries for row in session.execute(query)]
        finally:
            with self.scene.desk.app.app_context():
                db.session.remove()
        return [f"{what} {name} hangs in '{status}'" for what, name, status in rows]


def _key(fault: Fault) -> str:
    return f"{_action(fault)} {fault.point}" if fault.point else ""


def _action(fault: Fault) -> Action:
    return Action.STOP if fault.sort is Sort.STOP_AT_POINT else Action.KILL
