"""Which faults are injected, in which order: a pure function of the seed.

A short plan has each fault once, dealt out to the databases and venues; a long one draws as many as it is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from bench.support import DATABASES
from bench.venues import VENUES
from faults.launch import LEASE
from faults.venues import ODD, Told, make_told, told_for
from services.failpoints import POINTS


class Sort(StrEnum):
    """The sorts of faults; the values are the rows of the report."""

    KILL_AT_POINT = "killed at a crash point"
    STOP_AT_POINT = "stopped past the lease"
    KILL_WORKER = "worker killed at random"
    KILL_WEB = "web process killed at random"
    VENUE = "venue misbehaves"
    DATABASE = "database away"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to inject: at a point, or by an instruction to the venue, or simply now."""

    sort: Sort
    point: str = ""
    told: Told | None = None

    @property
    def label(self) -> str:
        """Return what the report calls it."""
        return f"{self.sort}: {self.told.name}" if self.told else self.sort.value


# Parts of a hundred; what rounding leaves over goes to the crash points.
SHARES = {
    Sort.STOP_AT_POINT: 4,
    Sort.KILL_WORKER: 10,
    Sort.KILL_WEB: 8,
    Sort.VENUE: 26,
    Sort.DATABASE: 3,
}
SHORT_SEED = 1  # `make test` rehearses the same plan each time
AT_ONCE = (Sort.KILL_WORKER, Sort.KILL_WEB, Sort.DATABASE)  # each of a short plan once on each database at each venue
# Between two transactions: elsewhere a stopped process also holds locks that the web process waits for.
STOP_POINTS = ("claim after commit", "sending after commit", "broker answered", "look-up answered", "plan after commit")
LEASE_SECONDS = LEASE.total_seconds()

T = TypeVar("T")


def make_plan(rng: random.Random, count: int, venue: str) -> list[Fault]:
    """Return `count` faults in random order; each sort at least once where the count allows it."""
    shares = {sort: max(1, round(count * share / 100)) for sort, share in SHARES.items()}
    faults = [fault for sort, number in shares.items() for fault in _some(rng, sort, number, venue)]
    faults = faults[:count]
    points = _in_turn(rng, POINTS, count - len(faults))
    faults += [Fault(Sort.KILL_AT_POINT, point) for point in points]
    rng.shuffle(faults)
    return faults


def make_short_plan(seed: int, kind: str, venue: str) -> list[Fault]:
    """Return one database's part, at one venue, of a plan that has each fault once, in random order.

    What a venue can be told is dealt out to the databases, and points to all databases at all venues: only all parts
    together have everything.
    """
    rng = random.Random(f"{seed} deal")
    place = VENUES.index(venue) if venue in VENUES else ODD.index(venue)  # the odd ones share the plans of the others
    half, part = DATABASES.index(kind), DATABASES.index(kind) + len(DATABASES) * place
    parts = len(DATABASES) * len(VENUES)
    stops, points = (rng.sample(points, len(points))[part::parts] for points in (STOP_POINTS, POINTS))
    told = [make_told(rng, *what) for what in rng.sample(told_for(venue), len(told_for(venue)))][half :: len(DATABASES)]
    faults = [Fault(sort) for sort in AT_ONCE]
    faults += [Fault(Sort.STOP_AT_POINT, point) for point in stops]
    faults += [Fault(Sort.KILL_AT_POINT, point) for point in points]
    faults += [Fault(Sort.VENUE, told=each) for each in told]
    random.Random(f"{seed} {kind} {venue} order").shuffle(faults)
    return faults


def _some(rng: random.Random, sort: Sort, number: int, venue: str) -> list[Fault]:
    if sort is Sort.VENUE:
        return [Fault(sort, told=make_told(rng, *kind)) for kind in _in_turn(rng, told_for(venue), number)]
    if sort is Sort.STOP_AT_POINT:
        return [Fault(sort, point) for point in _in_turn(rng, STOP_POINTS, number)]
    return [Fault(sort)] * number


def _in_turn(rng: random.Random, choices: Sequence[T], number: int) -> list[T]:
    """Return so many of the choices, each as often as the others, give or take one."""
    found: list[T] = []
    while len(found) < number:
        found += rng.sample(choices, len(choices))
    return found[:number]
