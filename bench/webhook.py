"""How many alerts the desk takes, as a share of what bare Flask views and bare commits manage beside it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psutil
import sqlalchemy as sa

from bench.fill import fill
from bench.load import MARK, Generator, Load, commits
from bench.raw import Raw
from bench.report import Spread, machine, ratios, show, table
from bench.support import DATABASES, POSTGRESQL, Child, Desk, Failure, Stage, family, make_desk, run, stage
from bench.targets import BARE, INSERT
from extensions import db
from models import Signal

TARGETS = "bench.targets:create_app()"
PAIR = ("MA", "V", "1.3")
TICKER = "NYSE:MA-1.3*NYSE:V"
WAITING_LIST = "/v3/signals/status/waiting/20"
QUICK_COMMITS = 0.3  # seconds
QUICK_SETTINGS = {"WEB_WORKERS": "1"}
SETTLE = 0.3  # seconds after which what was on its way at the end of a slice is stored

Slice = Callable[[], Load]


def warm_up(targets: Iterable[Slice], given: argparse.Namespace) -> None:
    """Load each target once without looking: threads, connections and statements are made."""
    for take in () if given.quick else targets:
        take()


@dataclass
class Series:
    """The slices of each target, round by round."""

    loads: dict[str, list[Load]] = field(default_factory=dict)

    def measure(self, targets: dict[str, Slice], rounds: int) -> None:
        """Load all targets in turns; every other round goes backwards, so that drift hits none more."""
        for number in range(rounds):
            order = list(targets.items())
            for name, take in order if number % 2 == 0 else reversed(order):
                self.loads.setdefault(name, []).append(take())

    @property
    def failed(self) -> int:
        """Return how many requests were not answered with 2xx."""
        return sum(load.failed for loads in self.loads.values() for load in loads)

    def show(self, title: str) -> None:
        """Print what each target managed."""
        head = [title, "a second", "p50 ms", "p99 ms", "requests", "not 2xx"]
        rows = [
            [
                name,
                f"{Spread.of(load.rate for load in loads).median:.0f}",
                f"{Spread.of(load.p50 for load in loads).median:.1f}",
                f"{Spread.of(load.p99 for load in loads).median:.1f}",
                sum(load.requests for load in loads),
                sum(load.failed for load in loads),
            ]
            for name, loads in self.loads.items()
        ]
        show(f"\n{table(head, rows)}")

    def show_ratios(self, pairs: list[tuple[str, str]]) -> None:
        """Print the quotients of requests a second."""
        rates = {name: [load.rate for load in loads] for name, loads in self.loads.items()}
        rows = [[f"{above} / {below}", ratios(rates[above], rates[below])] for above, below in pairs]
        show(f"\n{table(['ratio, requests a second', 'median (min–max)'], rows)}")


def count_signals(desk: Desk) -> int:
    """Return how many signals are stored."""
    with desk.app.app_context():
        return db.session.execute(sa.select(sa.func.count()).select_from(Signal)).scalar_one()


def measure_webhook(place: Stage, given: argparse.Namespace) -> int:
    """Measure the webhook; returns how many requests failed."""
    desk = make_desk(place, given.database, "desk", **QUICK_SETTINGS if given.quick else {})
    desk.register([], [PAIR])
    raw = Raw(desk.config.database_url)
    raw.make_table()
    web = desk.start_web(TARGETS)
    if given.worker:
        desk.wait_for("/readyz", web, desk.start_worker())
    generator = Generator(place.folder, given.connections)
    body = desk.alert(TICKER, MARK)

    def webhook() -> Load:
        before = count_signals(desk)
        load = generator.run(f"{desk.url}/v3/webhook", given.seconds, body)
        time.sleep(SETTLE)
        stored, told = count_signals(desk) - before, load.requests - load.failed
        if not told <= stored <= told + load.failed + given.connections:
            raise Failure(f"{told} alerts were answered with 2xx, {stored} are stored")
        return load

    commit_seconds = QUICK_COMMITS if given.quick else given.seconds
    targets: dict[str, Slice] = {
        "webhook": webhook,
        "bare view": lambda: generator.run(desk.url + BARE, given.seconds, body),
        "insert view": lambda: generator.run(desk.url + INSERT, given.seconds, body),
        "commits, 1 connection": lambda: commits(raw, 1, commit_seconds),
        f"commits, {given.connections} connections": lambda: commits(raw, given.connections, commit_seconds),
    }
    settings = f"{desk.config.web_workers} web processes, worker {'on' if given.worker else 'off'}"
    show(f"{given.database}, {given.connections} connections by {generator.name}, {settings}")
    warm_up(list(targets.values())[:3], given)
    series = Series()
    series.measure(targets, given.rounds)
    series.show(given.database)
    many = list(targets)[-1]
    series.show_ratios([("webhook", "bare view"), ("webhook", "insert view"), ("insert view", many), ("webhook", many)])
    show_memory(web)
    for child in list(place.children):
        child.check()
        place.stop(child)
    return series.failed


def measure_waiting_list(place: Stage, given: argparse.Namespace) -> int:
    """Measure the look-up of waiting signals in a long history; returns how many requests failed."""
    desk = make_desk(place, given.database, "history", **QUICK_SETTINGS if given.quick else {})
    fill(desk, given.rows, orders=False)
    web = desk.start_web(TARGETS)
    generator = Generator(place.folder, given.connections)
    look_up = f"20 waiting of {given.rows:,}"
    targets: dict[str, Slice] = {
        look_up: lambda: generator.run(desk.url + WAITING_LIST, given.seconds),
        "bare view": lambda: generator.run(desk.url + BARE, given.seconds),
    }
    warm_up(targets.values(), given)
    series = Series()
    series.measure(targets, given.rounds)
    series.show(f"GET {WAITING_LIST}")
    series.show_ratios([(look_up, "bare view")])
    place.stop(web)
    return series.failed


def show_memory(web: Child) -> None:
    """Print what the web processes hold in memory: resident, and of that what they share with nobody."""
    rows = []
    for number, process in enumerate(family(web)):
        name = "gunicorn" if number == 0 else f"web process {number}"
        resident = process.memory_info().rss
        try:
            own = f"{process.memory_full_info().uss / 1e6:.0f}"
        except psutil.AccessDenied:
            own = ""
        rows.append([name, f"{resident / 1e6:.0f}", own])
    show(f"\n{table(['memory at the end, MB', 'resident', 'its own'], rows)}")


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.webhook", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="length of one slice (default 5)")
    parser.add_argument("--rounds", type=int, default=7, help="slices of each target (default 7)")
    parser.add_argument("--connections", type=int, default=16, help="kept HTTP connections (default 16)")
    parser.add_argument("--database", choices=DATABASES, default=POSTGRESQL)
    parser.add_argument("--worker", action="store_true", help="let a worker execute the alerts meanwhile")
    parser.add_argument("--rows", type=int, default=200_000, help="signals around the waiting ones (default 200,000)")
    parser.add_argument("--quick", action="store_true", help="one short round and few rows: does it work?")
    given = parser.parse_args()
    if given.quick:
        given.seconds, given.rounds, given.rows = 1, 1, 2000
    if not (1 <= given.connections <= 64 and min(given.seconds, given.rounds) >= 1 and given.rows >= 1000):
        parser.error("1 to 64 connections, at least 1 second, 1 round and 1000 rows")
    show(machine())
    with stage(durable=not given.quick) as place:
        failed = measure_webhook(place, given) + measure_waiting_list(place, given)
    if failed:
        show(f"\n{failed} requests were not answered with 2xx")
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
