"""Taking turns at the write lock of SQLite, so that no writer is kept out by another one.

SQLite itself lets waiting writers sleep longer and longer (up to 0.1 s) and gives the lock to whoever happens to ask
when it is free. A worker that works off a backlog frees it for a moment only, so alerts would wait for seconds, and be
lost. Here one writer of each process asks again every millisecond, and shows by a lock on a file beside the database
that it waits; and a process that writes in bulk steps aside, before each of its transactions, while somebody waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

CHANCE = random.SystemRandom()  # never the global one, which belongs to whoever seeds it
ASK_AGAIN = 0.001  # seconds, on average, until a writer asks again
STEP_ASIDE = 0.1  # seconds, at most, that a bulk writer lets others go first
SHOWS = ".writers"  # what the file is called after the database


class Turns:
    """The writers of one process on one database file."""

    def __init__(self, database: str) -> None:
        self._path = Path(f"{database}{SHOWS}")
        self._guard = threading.Lock()
        self._line = threading.Lock()
        self._waiting = 0
        self._file: int | None = None
        self._pid = 0
        self.writes_in_bulk = False

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begin a transaction that holds the write lock; OperationalError after the connection's time-out."""
        if self.writes_in_bulk:
            self._let_others_go_first()
        with _asking_once(connection) as patience:
            if _has_begun(connection):
                return
            end = time.monotonic() + patience
            with self._shown_as_waiting(), self._first_in_line(patience):
                while not _has_begun(connection):
                    if time.monotonic() >= end:
                        raise sqlite3.OperationalError("database is locked")
                    time.sleep(ASK_AGAIN * CHANCE.uniform(0.5, 1.5))  # so that two do not ask in step

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            if self._file is not None and self._pid == os.getpid():
                os.close(self._file)
            self._file = None

    def _let_others_go_first(self) -> None:
        end = time.monotonic() + STEP_ASIDE
        while time.monotonic() < end and self._somebody_waits():
            time.sleep(ASK_AGAIN)

    def _somebody_waits(self) -> bool:
        with self._guard:
            descriptor = self._descriptor()
            if self._waiting:
                return True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return False

    @contextlib.contextmanager
    def _first_in_line(self, patience: float) -> Iterator[None]:
        """Wait until no other thread of this process asks: if all did, they would take the time that writers need."""
        if not self._line.acquire(timeout=patience):
            raise sqlite3.OperationalError("database is locked")
        try:
            yield
        finally:
            self._line.release()

    @contextlib.contextmanager
    def _shown_as_waiting(self) -> Iterator[None]:
        with self._guard:
            descriptor = self._descriptor()
            if self._waiting == 0:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._waiting += 1
        try:
            yield
        finally:
            with self._guard:
                self._waiting -= 1
                if self._waiting == 0:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _descriptor(self) -> int:
        """Return the file's descriptor. Each process has one of its own: a forked one would share its parent's lock."""
        if self._file is None or self._pid != os.getpid():
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._pid, self._waiting = os.getpid(), 0
        return self._file


@contextlib.contextmanager
def _asking_once(connection: sqlite3.Connection) -> Iterator[float]:
    """Let statements fail at once where the database is locked; yields the connection's own patience, seconds."""
    (milliseconds,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout=0")
    try:
        yield milliseconds / 1000
    finally:
        connection.execute(f"PRAGMA busy_timeout={milliseconds}")


def _has_begun(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as e:
        if "locked" not in str(e):
            raise
        return False
    return True
