"""A long history, stored fast: COPY on PostgreSQL, one transaction of executemany on SQLite.

Signals of 50 names over one year, evenly in time, few names with many and many with few; nearly all
filled, with their orders. At the end come WAITING signals for the worker, and before them as many
with a queued order. Two histories of different length have the same shape, whatever their length.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bench.support import POSTGRESQL, Desk
from extensions import db
from models import BrokerAccount

SINGLES, PAIRS = 30, 20
WAITING = 20  # signals for the worker to plan, and as many orders for it to send
SPAN = timedelta(days=365)
CHUNK = 5000  # rows
TRACE = (
    '[{"check":"ticker","ok":true,"text":"It is understood.","values":{"symbol":"S00"}},'
    '{"check":"registered","ok":true,"text":"The stock is registered.","values":{"name":"S00"}},'
    '{"check":"active","ok":true,"text":"The stock is active.","values":{"activity":"active"}}]'
)
SIGNAL_COLUMNS = (
    "id", "received_at", "source", "dedupe_key", "weak_key", "body_sha256", "seen_count", "last_seen_at", "ticker",
    "side", "quantity", "price", "ticker_type", "name", "symbol1", "symbol2", "hedge_ratio", "account_id", "external",
    "status", "trace", "order_id1", "order_id2", "filled_quantity", "fill_price", "slip",
)  # fmt: skip
ORDER_COLUMNS = (
    "id", "signal_id", "leg", "generation", "account_id", "symbol", "asset_class", "currency", "side", "quantity",
    "order_type", "time_in_force", "client_order_id", "broker_order_id", "status", "filled_quantity", "average_price",
    "created_at", "next_at", "send_attempts", "lookups", "moves", "lease_epoch",
)  # fmt: skip
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A stock, or a pair with its second leg."""

    name: str
    symbol1: str
    symbol2: str | None


NAMES = [
    *(Name(f"S{n:02d}", f"S{n:02d}", None) for n in range(SINGLES)),
    *(Name(f"P{n:02d}-Q{n:02d}", f"P{n:02d}", f"Q{n:02d}") for n in range(PAIRS)),
]
COMMON, RARE = NAMES[1], NAMES[-1]
WEIGHTS = [1 / (n + 1) for n in range(len(NAMES))]
ENDS = {"filled": 0.90, "canceled": 0.06, "error": 0.03, "part.filled": 0.005, "critical err": 0.005}


@dataclass(frozen=True, slots=True)
class History:
    """Rows to be stored, the same ones each time."""

    rows: int
    account_id: int
    end: datetime

    def at(self, number: int) -> datetime:
        """Return when the signal of that number (from 1) came."""
        return self.end - SPAN + SPAN * (number / self.rows)

    def signals(self) -> Iterator[Row]:
        """Yield the values of SIGNAL_COLUMNS."""
        for number, name, status in self._events():
            at, pair = _text(self.at(number)), name.symbol2 is not None
            done = status in ("filled", "part.filled", "critical err")
            yield (
                number, at, "webhook", f"id:{number:09d}", 0, f"{number:064x}", 1, at, f"NYSE:{name.name}",
                "buy" if number % 2 else "sell", "100", "101.25", "pair" if pair else "single", name.name,
                name.symbol1, name.symbol2, "1.3" if pair else None, self.account_id, 0,
                status, TRACE, str(2 * number) if done else None, str(2 * number + 1) if done and pair else None,
                "100" if done else None, "101.25" if done else None, "0" if done else None,
            )  # fmt: skip

    def orders(self) -> Iterator[Row]:
        """Yield the values of ORDER_COLUMNS: one order a leg, queued for signals that are `created`."""
        for number, name, status in self._events():
            if status in ("waiting", "canceled", "error"):
                continue
            at, queued = _text(self.at(number)), status == "created"
            for leg, symbol in enumerate((name.symbol1, name.symbol2), 1):
                if symbol is None:
                    continue
                key = 2 * number + leg - 1
                yield (
                    key, number, leg, 1, self.account_id, symbol, "STK", "USD", "buy", "100",
                    "MARKET", "DAY", f"{key:036d}", None if queued else str(key),
                    "QUEUED" if queued else "FILLED", "0" if queued else "100", None if queued else "101.25",
                    at, at, 0 if queued else 1, 0, 1 if queued else 4, 0,
                )  # fmt: skip

    def _events(self) -> Iterator[tuple[int, Name, str]]:
        chance = random.Random(self.rows)
        statuses, weights = list(ENDS), list(ENDS.values())
        number = 0
        while number < self.rows:
            names = chance.choices(NAMES, WEIGHTS, k=CHUNK)
            for name, status in zip(names, chance.choices(statuses, weights, k=CHUNK), strict=True):
                number += 1
                from_end = self.rows - number
                if number > self.rows:
                    return
                if number <= 3 * len(NAMES):  # so that the rare names have some rows in a short history too
                    yield number, NAMES[number % len(NAMES)], "filled"
                elif from_end < 2 * WAITING:
                    yield number, NAMES[from_end], "waiting" if from_end < WAITING else "created"
                else:
                    yield number, name, status


def fill(desk: Desk, rows: int, *, orders: bool = True) -> History:
    """Store a history of so many signals, with their orders if asked for."""
    with desk.app.app_context():
        wanted = sa.select(BrokerAccount.id).where(BrokerAccount.name == "paper")
        account_id = db.session.execute(wanted).scalar_one()
        db.session.remove()
        history = History(rows, account_id, datetime.now(UTC) - timedelta(seconds=5))
        store = _copy if desk.kind == POSTGRESQL else _insert_all
        with contextlib.closing(db.engine.raw_connection()) as connection:
            store(connection, "signals", SIGNAL_COLUMNS, history.signals())
            if orders:
                store(connection, "orders", ORDER_COLUMNS, history.orders())
            connection.commit()
        if desk.kind == POSTGRESQL:  # as its autovacuum will; a SQLite desk never has statistics
            with db.engine.connect() as bare:
                bare.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
    return history


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")  # as SQLite keeps it; PostgreSQL's sessions are in UTC


def _insert_all(connection: Any, table: str, columns: tuple[str, ...], rows: Iterator[Row]) -> None:
    marks = ", ".join("?" * len(columns))
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608 - our names
    cursor.execute("COMMIT")


def _copy(connection: Any, table: str, columns: tuple[str, ...], rows: Iterator[Row]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", _Lines(rows))
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608


class _Lines:
    """Rows as the text that COPY reads."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._lines = (_line(row) for row in rows)
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        while len(self._left) < size and (line := next(self._lines, None)) is not None:
            self._left += line
        piece, self._left = self._left[:size], self._left[size:]
        return piece


def _line(row: Row) -> bytes:
    return ("\t".join("\\N" if value is None else str(value) for value in row) + "\n").encode()
