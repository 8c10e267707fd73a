"""One rehearsal on one database: load, faults, rest, audit; and what it comes to."""

from __future__ import annotations

import logging
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.support import PASSPHRASE, SQLITE, Stage
from bench.venues import PAPER
from faults import recovery, rules, snapshot
from faults.conductor import Conductor
from faults.plan import Fault, Sort
from faults.scene import Scene, scene
from faults.senders import Senders, Sent, bodies
from faults.snapshot import Snapshot
from faults.tickets import Action, Used

PACE = {SQLITE: 0.4}  # seconds between two alerts
USUAL_PACE = 0.25
GAP = {SQLITE: (0.8, 1.8)}  # seconds between two faults: on SQLite one worker carries all
USUAL_GAP = (0.3, 1.0)
WARM_UP = 2.0  # seconds of load before the first fault
UNEXPECTED = re.compile(r" (ERROR|CRITICAL) .*\bunexpected\b")
MOST_LOG_LINES = 5


@dataclass
class Outcome:
    """What a rehearsal found."""

    kind: str
    folder: Path
    venue: str = PAPER
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)  # by crash point
    undone: list[str] = field(default_factory=list)  # what was planned and did not come about
    figures: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def rehearse(stage: Stage, kind: str, venue: str, plan: Sequence[Fault], seed: int) -> Outcome:
    """Inject the faults of a plan on one database and audit it; the same seed gives the same alerts."""
    logging.disable(logging.CRITICAL)  # what this process does to the desk; the desk's own processes have their logs
    began = time.monotonic()
    outcome = Outcome(kind, stage.folder, venue)
    with scene(stage, kind, venue) as made:
        load = bodies(made.tickers(), PASSPHRASE, f"{kind}-{seed}", random.Random(f"{seed} bodies"))
        senders = Senders(made.desk.url, load, random.Random(f"{seed} senders"), PACE.get(kind, USUAL_PACE))
        conductor = Conductor(made, plan, random.Random(f"{seed} {kind}"), GAP.get(kind, USUAL_GAP))
        senders.start()
        time.sleep(WARM_UP)
        try:
            conductor.run()
        finally:
            senders.stop()
        told = made.venue.done()
        outcome.violations += conductor.settle()
        books = snapshot.take(made.desk.app, made.venue)
    _judge(outcome, books, senders)
    _count(outcome, conductor, made.tickets.used(), told)
    outcome.figures = _figures(books, senders, made, conductor)
    outcome.recoveries = _recoveries(books, senders.sent, conductor, made.tickets.used())
    outcome.seconds = time.monotonic() - began
    return outcome


def _judge(outcome: Outcome, books: Snapshot, senders: Senders) -> None:
    for rule, lines in rules.audit(books, senders.sent).items():
        outcome.violations += [f"{rule.replace('_', ' ')}: {line}" for line in lines]
    for status, count in sorted(senders.statuses.items()):
        if status not in (0, 200, 201, 503):
            outcome.violations.append(f"{count} deliveries were answered {status}")
    for log in sorted(outcome.folder.glob("*.log")):
        found = [line for line in log.read_text(errors="replace").splitlines() if UNEXPECTED.search(line)]
        outcome.violations += [f"{log.name}: {line}" for line in found[:MOST_LOG_LINES]]


def _count(outcome: Outcome, conductor: Conductor, used: Sequence[Used], told: Counter[str]) -> None:
    for one in used:
        outcome.faults[Sort.KILL_AT_POINT if one.action is Action.KILL else Sort.STOP_AT_POINT] += 1
        if one.action is Action.KILL:
            outcome.kills[one.point] += 1
    outcome.faults.update(sort for sort, _ in conductor.instant)
    outcome.faults.update({f"{Sort.VENUE}: {kind}": number for kind, number in told.items()})
    done = set(outcome.faults)
    outcome.undone = [f"'{point}' was not reached" for point in sorted(conductor.never_reached)]
    outcome.undone += sorted({fault.label for fault in conductor.plan if fault.told and fault.label not in done})


def _figures(books: Snapshot, senders: Senders, made: Scene, conductor: Conductor) -> dict[str, int]:
    events = [event for found in books.events.values() for event in found]
    moves = Counter((event.from_status, event.to_status) for event in events)
    return {
        "alerts sent": len(senders.sent),
        "deliveries": sum(senders.statuses.values()),
        "deliveries without an answer": senders.statuses.get(0, 0),
        "deliveries answered 503": senders.statuses.get(503, 0),
        "alerts acknowledged": sum(sent.acknowledged_at is not None for sent in senders.sent),
        "alerts stored": len(books.signals),
        "duplicates recognised": sum(sent.repeats for sent in senders.sent),
        "orders": len(books.orders),
        "orders at the venue": len(books.venue_orders),
        "orders whose outcome was unknown": moves["SENDING", "UNKNOWN"],
        "orders taken back from a dead worker": sum(event.cause.startswith("lease of") for event in events),
        "sent again under the same id": sum(max(0, order.send_attempts - 1) for order in books.orders),
        "signals 'critical err'": sum(signal.status == "critical err" for signal in books.signals),
        "fills": sum(len(found) for found in books.fills.values()),
        "orders that a person looked for": conductor.settled_by_hand,
        "processes replaced": made.replaced,
    }


def _recoveries(
    books: Snapshot, sent: Sequence[Sent], conductor: Conductor, used: Sequence[Used]
) -> dict[str, list[float]]:
    blows: dict[str, list[recovery.Blow]] = {}
    for one in used:
        name = Sort.KILL_AT_POINT if one.action is Action.KILL else Sort.STOP_AT_POINT
        blows.setdefault(name, []).append(recovery.Blow(one.at, one.pid))
    for sort, blow in conductor.instant:
        blows.setdefault(sort, []).append(blow)
    found = {name: recovery.after(struck, books, sent) for name, struck in sorted(blows.items())}
    everything = [seconds for times in found.values() for seconds in times]
    return {**found, "all of these": everything, "the venue gave no plain answer": recovery.after_no_answer(books)}
