"""What the lists and the worker's look-ups cost in a long history, as a multiple of their cost in a short one."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.fill import COMMON, RARE, SPAN, History, fill
from bench.report import Spread, machine, ratios, show, table
from bench.support import DATABASES, Desk, Failure, Stage, make_desk, run, stage
from domain.order_status import SignalStatus
from extensions import db
from services.execution import submit_orders
from services.execution.sendable import sendable
from services.planning import claim
from services.reconciliation import sync_broker
from services.reports.signal_queries import SignalFilter, list_signals

SHORT = 1000
PAGE = 20  # rows of a list
MOST_SECONDS = 3.0  # of one query in one round
OF_RARE = 3  # a rare name has so many in a short history too

Question = Callable[[], int]  # returns how many rows it got


@dataclass(frozen=True, slots=True)
class Book:
    """One history on its desk."""

    desk: Desk
    history: History

    def questions(self) -> dict[str, Question]:
        """Return what is measured, by name."""
        rows, at = self.history.rows, self.history.at
        accounts = (self.history.account_id,)
        old, older = at(rows) - SPAN * 0.7, at(rows) - SPAN * 0.9
        some, mine = SignalFilter(), SignalFilter(name=COMMON.name)

        def listing(wanted: SignalFilter, limit: int = PAGE, after: int | None = None) -> Question:
            return lambda: len(list_signals(wanted, limit, after))

        def claim_signal() -> int:
            found = claim._claimable()
            return len(db.session.execute(found, {"accounts": accounts, "most": 1}).all())

        def claim_order() -> int:
            return len(db.session.execute(sendable(), {"accounts": accounts, "most": 1}).all())

        def dead_and_late() -> int:
            return 1 + submit_orders.reap("bench") + submit_orders.expire_orders("bench")  # there are none

        def working() -> int:
            return 1 + sync_broker.has_working_orders(self.history.account_id)

        return {
            "newest": listing(some),
            "status filled": listing(SignalFilter(status=SignalStatus.FILLED)),
            "status waiting": listing(SignalFilter(status=SignalStatus.WAITING)),
            "ticker, often traded": listing(mine),
            "ticker, rarely traded": listing(SignalFilter(name=RARE.name), OF_RARE),
            "ticker and status": listing(SignalFilter(name=COMMON.name, status=SignalStatus.FILLED)),
            "dates long ago": listing(SignalFilter(since=older, until=old)),
            "ticker and dates long ago": listing(SignalFilter(name=COMMON.name, since=older, until=old)),
            "page in the middle": listing(some, after=rows // 2),
            "page in the middle, ticker": listing(mine, after=rows // 2),
            "worker: next waiting signal": claim_signal,
            "worker: next order to send": claim_order,
            "worker: dead and late orders": dead_and_late,
            "worker: working orders": working,
        }

    def ask(self, question: Question) -> tuple[float, int]:
        """Return how long the question took, milliseconds, and how many rows it got."""
        with self.desk.app.app_context():
            began = time.perf_counter()
            got = question()
            spent = time.perf_counter() - began
            db.session.rollback()  # without a commit, so that no disk is waited for
        return 1000 * spent, got


def measure(short: Book, long: Book, rounds: int, calls: int) -> list[list[str]]:
    """Measure both in turns, and return a line of the table for each question."""
    lines = []
    pairs = {name: (question, long.questions()[name]) for name, question in short.questions().items()}
    for name, (of_short, of_long) in pairs.items():
        medians: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds + 1):  # the first one warms up
            times: tuple[list[float], list[float]] = ([], [])
            end = time.monotonic() + MOST_SECONDS
            while not times[1] or (len(times[1]) < calls and time.monotonic() < end):
                for which, (book, question) in enumerate(((short, of_short), (long, of_long))):
                    spent, got = book.ask(question)
                    times[which].append(spent)
                    if not got:
                        raise Failure(f"{name}: nothing was found among {book.history.rows} rows")
            if number:
                for which in (0, 1):
                    medians[which].append(Spread.of(times[which]).median)
        row = [f"{Spread.of(times).median:.2f}" for times in medians]
        lines.append([name, *row, str(ratios(medians[1], medians[0]))])
    return lines


def prepare(place: Stage, kind: str, rows: int) -> Book:
    """Return a desk with a history of so many signals."""
    began = time.monotonic()
    desk = make_desk(place, kind, f"{kind}_{rows}")
    history = fill(desk, rows)
    show(f"{kind}: {rows:,} signals with their orders stored in {time.monotonic() - began:.0f} s")
    return Book(desk, history)


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="signals of the long history (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=7, help="times that everything is measured (default 7)")
    parser.add_argument("--calls", type=int, default=25, help="calls of each query a round, time allowing (default 25)")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="a few thousand rows and one round: does it work?")
    given = parser.parse_args()
    rows, rounds, calls = (5000, 1, 3) if given.quick else (given.rows, given.rounds, given.calls)
    if rows < SHORT or min(rounds, calls) < 1:
        parser.error(f"--rows must be at least {SHORT}, --rounds and --calls at least 1")
    show(machine())
    with stage(durable=not given.quick) as place:
        for kind in DATABASES if given.database == "both" else (given.database,):
            short, long = (prepare(place, kind, count) for count in (SHORT, rows))
            head = [f"{kind}, milliseconds", f"{SHORT:,} rows", f"{rows:,} rows", "ratio (min–max)"]
            show(f"\n{table(head, measure(short, long, rounds, calls))}\n")
    return 0


if __name__ == "__main__":
    run(main)
