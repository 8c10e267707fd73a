"""How many signals a second the workers plan, send and book, against the commits that the database can do.

Signals of independent stocks wait; then the workers start. Counted from the first order to the last
fill, so the start of the processes is no part of it. Rounds with one worker and with several alternate.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from decimal import Decimal

import sqlalchemy as sa

from bench.load import commits
from bench.raw import Raw
from bench.report import Spread, machine, ratios, show, table
from bench.support import DATABASES, SQLITE, Child, Desk, Failure, Stage, make_desk, run, stage
from domain.alert import Alert
from domain.enums import Side
from domain.order_status import OrderStatus
from extensions import db
from models import Order, OrderEvent
from services.intake.receive import receive_signal

YARDSTICK = 1.0  # seconds of raw commits before each round
PATIENCE = 120  # seconds for one round


@dataclass
class Field:
    """One desk with its waiting signals, and what was measured on it."""

    desk: Desk
    raw: Raw
    stocks: list[str]
    rates: dict[int, list[float]] = field(default_factory=dict)  # signals a second, by number of workers
    ceilings: dict[int, list[float]] = field(default_factory=dict)  # raw commits a second, by connections

    @classmethod
    def make(cls, place: Stage, kind: str, count: int) -> Field:
        """Return a desk with so many active stocks and no process."""
        desk = make_desk(place, kind, kind)
        stocks = [f"T{number:03d}" for number in range(count)]
        desk.register(stocks, [])
        raw = Raw(desk.config.database_url)
        raw.make_table()
        return cls(desk, raw, stocks)

    def round(self, number: int, workers: int) -> None:
        """Let the workers fill a signal of each stock, and book the rate."""
        self.ceilings.setdefault(workers, []).append(commits(self.raw, workers, YARDSTICK).rate)
        rowids = self._store(number, workers)
        started = [self.desk.start_worker(n + 1) for n in range(workers)]
        try:
            seconds = self._wait(rowids, started)
        finally:
            for child in started:
                self.desk.stage.stop(child)
        self.rates.setdefault(workers, []).append(len(rowids) / seconds)

    def _store(self, number: int, workers: int) -> list[int]:
        with self.desk.app.app_context():
            return [
                receive_signal(
                    Alert(
                        ticker=stock,
                        side=Side.BUY,
                        quantity=Decimal(1),
                        price=Decimal("101.25"),
                        signal_id=f"throughput-{number}-{workers}-{stock}",
                        body_sha256=f"{number:032x}{workers:032x}",
                    )
                ).rowid
                for stock in self.stocks
            ]

    def _wait(self, rowids: list[int], started: list[Child]) -> float:
        """Return the seconds from the first order to the last fill, by the database's clock."""
        filled = sa.case((OrderEvent.to_status == OrderStatus.FILLED, 1))
        query = (
            sa.select(sa.func.count(filled), sa.func.min(OrderEvent.at), sa.func.max(OrderEvent.at))
            .join(Order, Order.id == OrderEvent.order_id)
            .where(Order.signal_id.between(rowids[0], rowids[-1]))
        )
        end = time.monotonic() + PATIENCE
        while True:
            with self.desk.app.app_context():
                done, first, last = db.session.execute(query).one()
            if done == len(rowids):
                return float((last - first).total_seconds())
            for child in started:
                child.check()
            if time.monotonic() > end:
                raise Failure(f"{self.desk.kind}: {len(rowids) - done} of {len(rowids)} signals were not filled")
            time.sleep(0.5)


def show_results(fields: list[Field]) -> None:
    """Print the rates, what they are of the commits of the same minute, and what more workers bring."""
    rows = []
    for each in fields:
        for workers, rates in each.rates.items():
            ceiling = each.ceilings[workers]
            rows.append(
                [
                    each.desk.kind,
                    workers,
                    f"{Spread.of(rates).median:.0f}",
                    f"{Spread.of(ceiling).median:.0f}",
                    str(ratios(ceiling, rates)),
                    str(ratios(rates, each.rates[1])),
                ]
            )
    head = ["", "workers", "signals/s", "raw commits/s", "raw commits in the time of a signal", "against one worker"]
    show(f"\n{table(head, rows)}")


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="signals a round, each of a stock of its own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=4, help="worker processes on PostgreSQL, beside rounds with one")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="a few signals: does it work?")
    given = parser.parse_args()
    if given.quick:
        given.count, given.rounds, given.workers = 6, 1, 2
    if not (1 <= given.count <= 999 and 1 <= given.rounds <= 20 and 2 <= given.workers <= 8):
        parser.error("--count must be 1 to 999, --rounds 1 to 20, --workers 2 to 8")
    show(machine())
    with stage(durable=not given.quick) as place:
        kinds = DATABASES if given.database == "both" else (given.database,)
        fields = [Field.make(place, kind, given.count) for kind in kinds]
        for number in range(given.rounds):
            for each in fields:
                for workers in (1,) if each.desk.kind == SQLITE else (1, given.workers):
                    each.round(number, workers)
        show_results(fields)
    return 0


if __name__ == "__main__":
    run(main)
