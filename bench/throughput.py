"""What one signal costs the workers, from the commit that stores it to its booked fill, in raw commits' time.

Signals of as many names appear in one commit while the workers run and have nothing to do; counted is the time
until the last of them is filled. Before and after each round the database commits single rows with nothing else to do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean

import sqlalchemy as sa

from bench.backlog import Backlog, Name, pair_names, register, stock_names
from bench.cpu import cpu_seconds, server_pid
from bench.load import commits
from bench.outcome import last_fill, wait_until_filled
from bench.raw import Raw
from bench.report import Spread, machine, ratios, show, table
from bench.support import DATABASES, SQLITE, START_SECONDS, Child, Desk, Failure, Stage, make_desk, run, stage
from extensions import db
from models import Worker

YARDSTICK = 1.0  # seconds of raw commits before each round, and after it
WARM_UP = 8  # signals for each worker, which make connections and statements
PATIENCE, PATIENCE_EACH = 60, 1.0  # seconds for one round, and more for each signal of it
MOST, MOST_WORKERS = 10_000, 8
LIFETIME = {"SIGNAL_LIFETIME": "86400"}  # seconds; none may expire while others are worked off
STOCKS, PAIRS = "stocks", "pairs"


@dataclass(frozen=True, slots=True)
class Case:
    """What the signals name, and how many workers there are."""

    kind: str
    workers: int


@dataclass(frozen=True, slots=True)
class Round:
    """What was measured: seconds for one signal, raw commits a second, CPU seconds for one signal if they are known."""

    seconds: float
    commits: float
    worker: float | None
    database: float | None


@dataclass
class Field:
    """One desk, the names of its signals, and what was measured on it."""

    desk: Desk
    raw: Raw
    names: dict[str, list[Name]]
    backlogs: dict[str, Backlog]
    rounds: dict[Case, list[Round]] = field(default_factory=dict)

    @classmethod
    def make(cls, place: Stage, database: str, count: int, kinds: Sequence[str]) -> Field:
        """Return a desk with so many active stocks, and pairs if asked for, and no process."""
        desk = make_desk(place, database, database, **LIFETIME)
        names = {kind: (pair_names if kind == PAIRS else stock_names)(count) for kind in kinds}
        register(desk, [name for group in names.values() for name in group])
        raw = Raw(desk.config.database_url)
        raw.make_table()
        return cls(desk, raw, names, {kind: Backlog.after(desk, group[0]) for kind, group in names.items()})

    def measure(self, number: int, case: Case) -> None:
        """Let the workers fill a signal of each name, and book what it took."""
        before = commits(self.raw, case.workers, YARDSTICK).rate
        started = [self.desk.start_worker(n + 1) for n in range(case.workers)]
        try:
            seconds, worker, database = self._fill(
                f"throughput-{number}-{case.workers}-{case.kind}", case.kind, started
            )
        finally:
            for child in started:
                self.desk.stage.stop(child)
        after = commits(self.raw, case.workers, YARDSTICK).rate
        self.rounds.setdefault(case, []).append(Round(seconds, mean((before, after)), worker, database))

    def _fill(self, label: str, kind: str, started: list[Child]) -> tuple[float, float | None, float | None]:
        """Return the seconds, and the CPU seconds of workers and database, for one signal."""
        names, backlog = self.names[kind], self.backlogs[kind]
        self._wait_for(started)
        warm_up = backlog.store(names[: WARM_UP * len(started)], f"{label}-warm-up")
        wait_until_filled(self.desk, warm_up.rowids, started, PATIENCE)
        workers, server = [child.process.pid for child in started], server_pid(self.desk)
        before = [cpu_seconds(pid) for pid in workers], cpu_seconds(server) if server else None
        stored = backlog.store(names, label)
        wait_until_filled(self.desk, stored.rowids, started, PATIENCE + PATIENCE_EACH * len(names))
        after = [cpu_seconds(pid) for pid in workers], cpu_seconds(server) if server else None
        seconds = (last_fill(self.desk, stored.rowids) - stored.at) / len(names)
        spent = [_less(end, begin, len(names)) for end, begin in zip(after[0], before[0], strict=True)]
        known = [each for each in spent if each is not None]
        return seconds, sum(known) if len(known) == len(spent) else None, _less(after[1], before[1], len(names))

    def _wait_for(self, started: list[Child]) -> None:
        """Return when all workers have reported themselves."""
        query = sa.select(sa.func.count()).select_from(Worker).where(Worker.stopped_at.is_(None))
        end = time.monotonic() + START_SECONDS
        while True:
            with self.desk.app.app_context():
                if db.session.execute(query).scalar_one() >= len(started):
                    return
            for child in started:
                child.check()
            if time.monotonic() > end:
                raise Failure(f"{self.desk.kind}: not all of {len(started)} workers have started")
            time.sleep(0.1)


def _less(after: float | None, before: float | None, count: int) -> float | None:
    return None if after is None or before is None else (after - before) / count


def show_results(fields: list[Field]) -> None:
    """Print what a signal costs, what that is in commits of the same minute, and what more workers bring."""
    rows = []
    for each in fields:
        for case, rounds in sorted(each.rounds.items(), key=lambda item: (item[0].kind != STOCKS, item[0].workers)):
            took, rates = [r.seconds for r in rounds], [r.commits for r in rounds]
            alone = [r.seconds for r in each.rounds[Case(case.kind, 1)]]
            rows.append(
                [
                    f"{each.desk.kind}, {case.kind}",
                    case.workers,
                    f"{1000 * Spread.of(took).median:.2f}",
                    f"{1 / Spread.of(took).median:.0f}",
                    f"{Spread.of(rates).median:.0f}",
                    str(ratios(took, [1 / rate for rate in rates])),
                    str(ratios(alone, took)),
                    _cpu([r.worker for r in rounds]),
                    _cpu([r.database for r in rounds]),
                ]
            )
    head = ["", "workers", "ms a signal", "signals/s", "raw commits/s", "raw commits in the time of a signal"]
    head += ["against one worker", "CPU ms: workers", "CPU ms: database"]
    show(f"\n{table(head, rows)}")


def _cpu(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{1000 * Spread.of(known).median:.2f}" if known else ""


def _numbers(text: str) -> list[int]:
    """Return numbers of workers, one among them."""
    numbers = sorted({1, *(int(part) for part in text.split(","))})
    if not 1 <= numbers[0] <= numbers[-1] <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"1 to {MOST_WORKERS} workers")
    return numbers


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="signals of one round (default 2,000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with each number of workers (default 5)")
    parser.add_argument("--workers", type=_numbers, default=[1], help="on PostgreSQL, rounds with so many too: 2,4")
    parser.add_argument("--pairs", action="store_true", help="rounds with signals of as many pairs too")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="a few signals: does it work?")
    given = parser.parse_args()
    if given.quick:
        given.count, given.rounds, given.workers, given.pairs = 6, 1, [1, 2], True
    if not (1 <= given.count <= MOST and 1 <= given.rounds <= 20):
        parser.error(f"--count must be 1 to {MOST}, --rounds 1 to 20")
    show(machine())
    with stage(durable=not given.quick) as place:
        databases = DATABASES if given.database == "both" else (given.database,)
        kinds = (STOCKS, PAIRS) if given.pairs else (STOCKS,)
        fields = [Field.make(place, database, given.count, kinds) for database in databases]
        for number in range(given.rounds):
            for each in fields:
                cases = [Case(kind, n) for n in ((1,) if each.desk.kind == SQLITE else given.workers) for kind in kinds]
                for case in cases if number % 2 == 0 else reversed(cases):  # so that drift hits none more
                    each.measure(number, case)
        show_results(fields)
    return 0


if __name__ == "__main__":
    run(main)
