"""The yardstick: one row a commit, with the driver alone."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import psycopg2

PATIENCE = 30  # seconds that a SQLite writer waits for its turn
BODY = "x" * 400  # about the size of an alert


class Raw:
    """Single-row inserts into a table of their own in the desk's database, each one its own commit.

    Written as the driver's manual writes it: execute, then commit.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_sqlite = url.startswith("sqlite")
        self._insert = f"INSERT INTO bench_rows (body) VALUES ({'?' if self._is_sqlite else '%s'})"  # noqa: S608

    def connect(self) -> Any:
        """Return a connection of the driver; as durable as the desk's own."""
        if self._is_sqlite:
            path = self._url.removeprefix("sqlite:///")
            connection: Any = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            return connection
        return psycopg2.connect(self._url.replace("postgresql+psycopg2://", "postgresql://", 1))

    def make_table(self) -> None:
        """Make the table."""
        key = "INTEGER PRIMARY KEY" if self._is_sqlite else "BIGSERIAL PRIMARY KEY"
        with contextlib.closing(self.connect()) as connection:
            connection.cursor().execute(f"CREATE TABLE IF NOT EXISTS bench_rows (id {key}, body TEXT NOT NULL)")
            connection.commit()

    def insert(self, connection: Any, body: str = BODY) -> None:
        """Store one row, durably."""
        if self._is_sqlite:
            connection.execute(self._insert, (body,))
            return
        with connection.cursor() as cursor:
            cursor.execute(self._insert, (body,))
        connection.commit()
