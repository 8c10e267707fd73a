"""A burst of alerts, as many names at once: how soon their orders are at the venue, and how soon alerts are answered.

A running desk with one worker gets each burst within one second over 16 connections. At the paper venue single
alerts are also sent while nothing else happens, and while as many signals as in the largest burst are worked off.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.backlog import Backlog, Name, register, stock_names
from bench.load import commits
from bench.outcome import filled_legs, last_fill, wait_until_filled
from bench.raw import Raw
from bench.report import Spread, machine, percentile, ratios, show, table
from bench.sender import CREATED, Answer, alert_request, by_rowid, send
from bench.support import DATABASES, Child, Desk, Failure, Stage, make_desk, run, stage
from bench.venues import LIMITED, PAPER, VENUES, arrivals, ask, settings_of

CONNECTIONS = 16
YARDSTICK = 0.5  # seconds of raw commits before each round
REST = 0.5  # seconds between two bursts, for what a desk still does after the last fill
WARM_UP = 16  # alerts before all rounds
PATIENCE, PATIENCE_EACH = 60, 1.0  # seconds for one burst, and more for each alert of it
LIMITED_EACH = 3.0  # the same, where the venue takes 200 requests a minute
MOST = 10_000
SETTINGS = {"SIGNAL_LIFETIME": "86400"}  # seconds; none may expire while others are worked off
PROBE = "PROBE"  # a passive stock: its alerts are answered and stored, and are no work for a worker
ANSWERED, AFTER_ANSWER, AT_VENUE, FILLED = STEPS = (
    "answered",
    "at the venue after the answer",
    "at the venue",
    "booked as filled",
)


@dataclass
class Bursts:
    """What was measured of all bursts of one size: milliseconds for each alert, seconds for each burst."""

    times: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    sent: int = 0
    accepted: int = 0
    answered_after: list[float] = field(default_factory=list)
    at_venue_after: list[float] = field(default_factory=list)
    filled_after: list[float] = field(default_factory=list)


@dataclass
class Side:
    """One desk under test, its processes, and what was measured on it."""

    desk: Desk
    venue: str
    web: Child
    worker: Child
    raw: Raw
    names: list[Name]
    backlog: Backlog
    commits: list[float] = field(default_factory=list)  # the median of single raw commits, round by round; ms
    bursts: dict[int, Bursts] = field(default_factory=dict)  # by size
    intake: dict[str, list[list[float]]] = field(default_factory=dict)  # milliseconds of each answer, round by round

    @classmethod
    def start(cls, place: Stage, kind: str, venue: str, count: int) -> Side:
        """Return a desk with so many active stocks and its processes, all well, after some alerts."""
        desk = make_desk(place, kind, f"{kind}-{venue}", **SETTINGS, **settings_of(place, venue, kind))
        names = stock_names(count)
        register(desk, names, passive=[PROBE])
        raw = Raw(desk.config.database_url)
        raw.make_table()
        backlog = Backlog.after(desk, names[0])
        web, worker = desk.start_web(), desk.start_worker()
        desk.wait_for("/readyz", web, worker)
        side = cls(desk, venue, web, worker, raw, names, backlog)
        side.burst(-1, min(WARM_UP, count))
        side.bursts.clear()
        side.intake.clear()
        return side

    def stop(self) -> None:
        """Stop the processes; raises Failure when one has ended before."""
        for child in (self.worker, self.web):
            child.check()
            self.desk.stage.stop(child)

    def burst(self, number: int, size: int) -> None:
        """Send so many alerts on as many names within a second, wait until all are filled, and book the times."""
        requests = [
            alert_request(self.desk, name.ticker, f"burst-{number}-{size}-{name.symbol1}") for name in self.names[:size]
        ]
        answers = send(self.desk.url, requests, size, CONNECTIONS)
        began, taken = answers[0].sent_at, by_rowid(answers)
        if not taken:
            raise Failure(f"{self.desk.kind}: no alert was taken: {answers[0].status} {answers[0].body[:200]!r}")
        each = LIMITED_EACH if self.venue == LIMITED else PATIENCE_EACH
        wait_until_filled(self.desk, taken, (self.web, self.worker), PATIENCE + each * size)
        at_venue, legs = arrivals(self.venue, self.desk.config), filled_legs(self.desk, taken)
        there = {rowid: at_venue[legs[rowid][0].client_order_id] for rowid in taken}
        book = self.bursts.setdefault(size, Bursts())
        book.sent += size
        book.accepted += len(taken)
        book.answered_after.append(max(answer.answered_at for answer in answers) - began)
        book.at_venue_after.append(max(there.values()) - began)
        book.filled_after.append(max(legs[rowid][0].filled_at for rowid in taken) - began)
        for rowid, answer in taken.items():
            book.times[ANSWERED].append(1000 * answer.seconds)
            book.times[AFTER_ANSWER].append(1000 * (there[rowid] - answer.answered_at))
            book.times[AT_VENUE].append(1000 * (there[rowid] - answer.sent_at))
            book.times[FILLED].append(1000 * (legs[rowid][0].filled_at - answer.sent_at))
        self._book(f"burst of {size}", answers)
        time.sleep(REST)

    def probe(self, number: int, size: int, rate: float, seconds: float) -> None:
        """Send single alerts while nothing else happens, then while so many signals are worked off."""
        few = itertools.islice(self._probes(f"idle-{number}"), max(1, round(rate * seconds)))
        self._book("idle", send(self.desk.url, few, rate, CONNECTIONS))
        with ThreadPoolExecutor(1) as pool:
            stored = self.backlog.store(self.names[:size], f"backlog-{number}")
            patience = PATIENCE + PATIENCE_EACH * size
            end = pool.submit(wait_until_filled, self.desk, stored.rowids, (self.web, self.worker), patience)
            many = itertools.takewhile(lambda _: not end.done(), self._probes(f"busy-{number}"))
            answers = send(self.desk.url, many, rate, CONNECTIONS)
            end.result()
        until = last_fill(self.desk, stored.rowids)
        meanwhile = [answer for answer in answers if answer.sent_at <= until]
        if not meanwhile:
            raise Failure(f"{size} signals were worked off before one alert was sent: raise --backlog or --rate")
        self._book(f"while {size} signals are worked off", meanwhile)
        time.sleep(REST)

    def _probes(self, label: str) -> Iterator[bytes]:
        return (alert_request(self.desk, f"NYSE:{PROBE}", f"{label}-{number}") for number in itertools.count())

    def _book(self, what: str, answers: Iterable[Answer]) -> None:
        self.intake.setdefault(what, []).append([1000 * a.seconds for a in answers if a.status == CREATED])


def show_bursts(sides: list[Side]) -> None:
    """Print the times of single alerts, and those of whole bursts."""
    head = ["ms after the alert was sent"] + [f"{side.desk.kind} {p}" for side in sides for p in ("p50", "p99", "max")]
    rows: list[list[object]] = []
    for size in sides[0].bursts:
        for step in STEPS:
            times = [side.bursts[size].times[step] for side in sides]
            rows.append([f"{size}: {step}", *(f"{percentile(t, p):.1f}" for t in times for p in (50, 99, 100))])
    show(f"\n{table(head, rows)}")
    head = [
        "a burst of",
        "bursts",
        "alerts",
        "accepted",
        "all answered after, s",
        "all at the venue, s",
        "all filled, s",
    ]
    rows = []
    for side in sides:
        for size, book in side.bursts.items():
            ends = (book.answered_after, book.at_venue_after, book.filled_after)
            counts = [len(book.filled_after), book.sent, book.accepted]
            rows.append([f"{size}, {side.desk.kind}", *counts, *(f"{Spread.of(each).median:.2f}" for each in ends)])
    show(f"\n{table(head, rows)}")
    raw = ", ".join(f"{side.desk.kind} {Spread.of(side.commits).median:.2f}" for side in sides)
    show(f"\nraw commit, p50 ms: {raw}")


def show_intake(sides: list[Side]) -> None:
    """Print how soon alerts are answered, and what that is of an idle desk's time, round by round."""
    rows: list[list[object]] = []
    for side in sides:
        idle = [percentile(times, 99) for times in side.intake["idle"]]
        for what, rounds in side.intake.items():
            every = [value for times in rounds for value in times]
            figures = [f"{percentile(every, p):.1f}" for p in (50, 99, 100)]
            spread = ratios([percentile(times, 99) for times in rounds], idle)
            rows.append([f"{side.desk.kind}, {what}", len(every), *figures, str(spread)])
    head = ["ms until the answer", "answers", "p50", "p99", "max", "p99 / idle p99 (min–max)"]
    show(f"\n{table(head, rows)}")


def measure(place: Stage, venue: str, databases: Iterable[str], given: argparse.Namespace) -> int:
    """Measure the desks that trade at one venue, in turns; returns how many alerts were not accepted."""
    sizes = given.sizes[:1] if venue == LIMITED else given.sizes
    most = max(*sizes, given.backlog) if venue == PAPER else max(sizes)
    sides = [Side.start(place, database, venue, most) for database in databases]
    for number in range(given.rounds):
        for side in sides:
            side.commits.append(commits(side.raw, 1, YARDSTICK).p50)
            if venue == PAPER:
                side.probe(number, given.backlog, given.rate, given.seconds)
            for size in sizes:
                side.burst(number, size)
    show(f"\n## {venue}")
    show_bursts(sides)
    if venue == PAPER:
        show_intake(sides)
    else:
        for side in sides:
            seen = ask(side.desk.config.alpaca_simulator_url, "book")["requests"]
            show(f"{side.desk.kind}, requests to the venue: {', '.join(f'{what} {n}' for what, n in seen.items())}")
    for side in sides:
        side.stop()
    return sum(book.sent - book.accepted for side in sides for book in side.bursts.values())


def _sizes(text: str) -> list[int]:
    sizes = sorted({int(part) for part in text.split(",")})
    if not 1 <= sizes[0] <= sizes[-1] <= MOST:
        raise argparse.ArgumentTypeError(f"1 to {MOST} alerts")
    return sizes


def main() -> int:
    """Run the benchmark; returns the exit code."""
    venues = (*VENUES, LIMITED)
    parser = argparse.ArgumentParser(prog="python -m bench.burst", description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default=[200, 2000], help="alerts of the bursts (default 200,2000)")
    parser.add_argument("--rounds", type=int, default=3, help="times that everything is measured (default 3)")
    parser.add_argument("--backlog", type=int, default=2000, help="signals worked off meanwhile (default 2,000)")
    parser.add_argument("--rate", type=float, default=50, help="single alerts a second (default 50)")
    parser.add_argument("--seconds", type=float, default=5, help="length of the idle desk's measurement (default 5)")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    text = f"where orders go; {LIMITED}: the simulator takes 200 requests a minute, from the smallest burst only"
    parser.add_argument("--venue", choices=(*venues, "all"), default="all", help=text)
    parser.add_argument("--quick", action="store_true", help="a few alerts: does it work?")
    given = parser.parse_args()
    if given.quick:
        given.sizes, given.rounds, given.backlog, given.seconds = [5, 10], 1, 40, 0.2
    if not (1 <= given.backlog <= MOST and 1 <= given.rounds <= 20 and given.rate > 0 and given.seconds > 0):
        parser.error(f"--backlog must be 1 to {MOST}, --rounds 1 to 20, --rate and --seconds above 0")
    show(machine())
    databases = DATABASES if given.database == "both" else (given.database,)
    refused = 0
    with stage(durable=not given.quick) as place:
        for venue in venues if given.venue == "all" else (given.venue,):
            refused += measure(place, venue, databases, given)
    if refused:
        show(f"\n{refused} alerts were not accepted")
    return 1 if refused else 0


if __name__ == "__main__":
    run(main)
