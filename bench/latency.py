"""How long from an alert to the broker: real web and worker processes, alerts at a steady rate, databases in turns."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field

from bench.cpu import cpu_seconds
from bench.load import commits
from bench.outcome import filled_legs, wait_until_filled
from bench.raw import Raw
from bench.report import Spread, machine, percentile, show, table
from bench.sender import CREATED, Answer, alert_request, by_rowid, send
from bench.support import DATABASES, SQLITE, Child, Desk, Failure, Stage, make_desk, run, stage
from bench.venues import PAPER, VENUES, arrivals, settings_of

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
        wait_until_filled(self.desk, sent, (self.web, *self.workers), PATIENCE)
        at_venue = arrivals(self.venue, self.desk.config)
        firsts = []
        for rowid, legs in filled_legs(self.desk, sent).items():
            alert = sent[rowid]
            delays = [1000 * (at_venue[leg.client_order_id] - alert.sent_at) for leg in legs]
            firsts.append(delays[0])
            for step, delay in zip((SINGLE,) if len(legs) == 1 else (LEG1, LEG2), delays, strict=True):
                self.times[step].append(delay)
            self.times[FILLED].append(1000 * (max(leg.filled_at for leg in legs) - alert.sent_at))
            self.times[ANSWERED].append(1000 * alert.seconds)
        self.to_venue.append(percentile(firsts, 50))

    def _send(self, number: int, count: int, rate: float) -> dict[int, Answer]:
        """Send the alerts and return the answers by signal; all must have been taken."""
        requests = []
        for n in range(count):
            stock, (leg1, leg2, ratio) = STOCKS[n // 2 % len(STOCKS)], PAIRS[n // 2 % len(PAIRS)]
            ticker = f"NASDAQ:{stock}" if n % 2 == 0 else f"NYSE:{leg1}-{ratio}*NYSE:{leg2}"
            requests.append(alert_request(self.desk, ticker, f"latency-{number}-{n}"))
        answers = send(self.desk.url, requests, rate, SENDERS)
        for answer in answers:
            if answer.status != CREATED:
                text = f"{self.desk.kind}: an alert was not taken: {answer.status} {answer.body[:200]!r}"
                raise Failure(text)
        return by_rowid(answers)


def show_idle(sides: list[Side], seconds: float) -> None:
    """Print what the processes need of one core while nothing happens."""
    groups: dict[str, list[int]] = {}
    for side in sides:
        groups[f"{side.desk.kind}: worker"] = [worker.process.pid for worker in side.workers]
        groups[f"{side.desk.kind}: web"] = [side.web.process.pid]
    before = {name: _cpu(group) for name, group in groups.items()}
    began = time.monotonic()
    time.sleep(seconds)
    spent = time.monotonic() - began
    rows = [[name, f"{100 * (_cpu(group) - before[name]) / spent:.2f}"] for name, group in groups.items()]
    show(f"\n{table([f'idle for {seconds:.0f} s', '% of a core'], rows)}")


def _cpu(group: list[int]) -> float:
    return sum(cpu_seconds(pid) or 0.0 for pid in group)


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
