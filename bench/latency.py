"""How long from an alert to the broker: real web and worker processes, alerts at a steady rate, databases in turns."""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil
import sqlalchemy as sa

from bench.load import commits
from bench.raw import Raw
from bench.report import Spread, machine, percentile, show, table
from bench.support import DATABASES, HOST, SQLITE, Child, Desk, Failure, Stage, family, make_desk, run, stage
from bench.venues import PAPER, VENUES, arrivals, settings_of
from domain.order_status import OrderStatus
from extensions import db
from models import Order, OrderEvent

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXY"
STOCKS = [f"SA{letter}" for letter in LETTERS]
PAIRS = [(f"PA{letter}", f"QA{letter}", "1.3") for letter in LETTERS[:20]]
SENDERS = 8  # kept connections of the alerts' sender
YARDSTICK = 0.5  # seconds of raw commits before each round
WARM_UP = 8  # alerts before all rounds
PATIENCE = 60  # seconds after the last alert of a round
ANSWERED, SINGLE, LEG1, LEG2, FILLED = STEPS = (
    "answered 201",
    "single: at the venue",
    "pair: leg 1 at the venue",
    "pair: leg 2 at the venue",
    "signal filled",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One alert: when its request began, and after how long it was answered; seconds."""

    rowid: int
    at: float
    answered: float


@dataclass
class Side:
    """One desk under test and what was measured on it; milliseconds."""

    desk: Desk
    venue: str
    web: Child
    workers: list[Child]
    raw: Raw
    times: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    commits: list[float] = field(default_factory=list)  # the median of single raw commits, round by round
    to_venue: list[float] = field(default_factory=list)  # the median over first legs, round by round

    @classmethod
    def start(cls, place: Stage, kind: str, workers: int, venue: str) -> Side:
        """Return a desk with its processes, all well."""
        desk = make_desk(place, kind, kind, **settings_of(place, venue, kind))
        desk.register(STOCKS, PAIRS)
        raw = Raw(desk.config.database_url)
        raw.make_table()
        web = desk.start_web()
        started = [desk.start_worker(number + 1) for number in range(workers)]
        desk.wait_for("/readyz", web, *started)
        return cls(desk, venue, web, started, raw)

    def warm_up(self) -> None:
        """Send some alerts without looking: connections, caches and statements are made."""
        self.round(-1, WARM_UP, WARM_UP)
        for times in (*self.times.values(), self.commits, self.to_venue):
            times.clear()

    def round(self, number: int, count: int, rate: float) -> None:
        """Send `count` alerts, wait until all are filled, and book the times."""
        self.commits.append(commits(self.raw, 1, YARDSTICK).p50)
        sent = self._send(number, count, rate)
        end = time.monotonic() + PATIENCE
        while len(found := self._filled(sent)) < len(sent):
            for child in (self.web, *self.workers):
                child.check()
            if time.monotonic() > end:
                raise Failure(f"{self.desk.kind}: {len(sent) - len(found)} of {len(sent)} signals were not filled")
            time.sleep(0.1)
        at_venue = arrivals(self.venue, self.desk.config)
        firsts = []
        for rowid, legs in found.items():
            alert = sent[rowid]
            delays = [1000 * (at_venue[client_order_id] - alert.at) for client_order_id, _ in legs]
            firsts.append(delays[0])
            for step, delay in zip((SINGLE,) if len(legs) == 1 else (LEG1, LEG2), delays, strict=True):
                self.times[step].append(delay)
            self.times[FILLED].append(1000 * (max(at for _, at in legs) - alert.at))
            self.times[ANSWERED].append(1000 * alert.answered)
        self.to_venue.append(percentile(firsts, 50))

    def _send(self, number: int, count: int, rate: float) -> dict[int, Sent]:
        """Post the alerts, each at its time whatever became of those before."""
        tasks: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
        begin = time.monotonic() + 0.2
        for n in range(count):
            stock, (leg1, leg2, ratio) = STOCKS[n // 2 % len(STOCKS)], PAIRS[n // 2 % len(PAIRS)]
            ticker = f"NASDAQ:{stock}" if n % 2 == 0 else f"NYSE:{leg1}-{ratio}*NYSE:{leg2}"
            tasks.put((begin + n / rate, json.dumps(self.desk.alert(ticker, f"latency-{number}-{n}")).encode()))
        for _ in range(SENDERS):
            tasks.put(None)
        sent: dict[int, Sent] = {}
        problems: list[str] = []

        def post() -> None:
            connection = http.client.HTTPConnection(HOST, self.desk.config.port, timeout=30)
            try:
                while (task := tasks.get()) is not None:
                    time.sleep(max(0.0, task[0] - time.monotonic()))
                    at, began = time.time(), time.perf_counter()
                    connection.request("POST", "/v3/webhook", task[1], {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    text = answer.read()
                    spent = time.perf_counter() - began
                    if answer.status != 201:
                        raise Failure(f"{answer.status} {text[:200]!r}")
                    rowid = json.loads(text)["rowid"]
                    sent[rowid] = Sent(rowid, at, spent)
            except (OSError, http.client.HTTPException, Failure) as e:
                problems.append(f"an alert was not taken: {e}")
            finally:
                connection.close()

        threads = [threading.Thread(target=post, daemon=True) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise Failure(f"{self.desk.kind}: {problems[0]}")
        return sent

    def _filled(self, sent: Iterable[int]) -> dict[int, list[tuple[str, float]]]:
        """Return by signal, of those with all orders filled, each leg's client order id and when the desk knew it."""
        filled_at = sa.func.max(sa.case((OrderEvent.to_status == OrderStatus.FILLED, OrderEvent.at)))
        query = (
            sa.select(Order.signal_id, Order.client_order_id, sa.type_coerce(filled_at, OrderEvent.at.type))
            .join(OrderEvent, OrderEvent.order_id == Order.id)
            .where(Order.signal_id.in_(list(sent)))
            .group_by(Order.signal_id, Order.leg, Order.client_order_id)
            .order_by(Order.signal_id, Order.leg)
        )
        with self.desk.app.app_context():
            rows = db.session.execute(query).all()
        result: dict[int, list[tuple[str, float]]] = {}
        pending = {rowid for rowid, _, at in rows if at is None}
        for rowid, client_order_id, at in rows:
            if rowid not in pending:
                result.setdefault(rowid, []).append((client_order_id, at.timestamp()))
        return result


def show_idle(sides: list[Side], seconds: float) -> None:
    """Print what the processes need of one core while nothing happens."""
    groups: dict[str, list[psutil.Process]] = {}
    for side in sides:
        groups[f"{side.desk.kind}: worker"] = [p for worker in side.workers for p in family(worker)]
        groups[f"{side.desk.kind}: web"] = family(side.web)
    before = {name: _cpu(processes) for name, processes in groups.items()}
    began = time.monotonic()
    time.sleep(seconds)
    spent = time.monotonic() - began
    rows = [[name, f"{100 * (_cpu(group) - before[name]) / spent:.2f}"] for name, group in groups.items()]
    show(f"\n{table([f'idle for {seconds:.0f} s', '% of a core'], rows)}")


def _cpu(processes: Iterable[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def show_results(sides: list[Side]) -> None:
    """Print the percentiles side by side, and the way to the venue in raw commits of the same minute."""
    head = ["milliseconds after the alert"]
    head += [f"{side.desk.kind} {name}" for side in sides for name in ("p50", "p90", "p99", "max")]
    rows = []
    for step in STEPS:
        cells = [f"{percentile(side.times[step], p):.1f}" for side in sides for p in (50, 90, 99, 100)]
        rows.append([step, *cells])
    show(f"\n{table(head, rows)}")
    rows = [
        [
            side.desk.kind,
            f"{Spread.of(side.commits).median:.2f}",
            f"{Spread.of(side.to_venue).median:.1f}",
            str(Spread.of(venue / commit for venue, commit in zip(side.to_venue, side.commits, strict=True))),
        ]
        for side in sides
    ]
    show(f"\n{table(['', 'raw commit, p50 ms', 'first leg at the venue, p50 ms', 'ratio (min–max)'], rows)}")


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rate", type=float, default=10, help="alerts a second (default 10)")
    parser.add_argument("--count", type=int, default=200, help="alerts to each database (default 200)")
    parser.add_argument("--rounds", type=int, default=4, help="turns in which they are sent (default 4)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes on PostgreSQL (default 1)")
    parser.add_argument("--idle", type=float, default=10, help="seconds of rest before, to measure it (default 10)")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--venue", choices=VENUES, default=PAPER, help="alpaca: the simulator, over HTTP and stream")
    parser.add_argument("--quick", action="store_true", help="a few alerts: does it work?")
    given = parser.parse_args()
    if given.quick:
        given.count, given.rounds, given.idle = 6, 1, 1.0
    if not (given.rate > 0 and 1 <= given.rounds <= given.count // 2 and 1 <= given.workers <= 8 and given.idle > 0):
        parser.error("--rate and --idle must be above 0, --workers 1 to 8, --count at least two a round")
    show(machine())
    with stage(durable=not given.quick) as place:
        sides = [
            Side.start(place, kind, 1 if kind == SQLITE else given.workers, given.venue)
            for kind in (DATABASES if given.database == "both" else (given.database,))
        ]
        for side in sides:
            side.warm_up()
        show_idle(sides, given.idle)
        for number in range(given.rounds):
            for side in sides:
                side.round(number, given.count // given.rounds, given.rate)
        show_results(sides)
    return 0


if __name__ == "__main__":
    run(main)
