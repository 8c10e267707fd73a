"""Telling other processes that something changed, and waiting to be told.

PostgreSQL: NOTIFY and LISTEN, each on a connection of its own. SQLite: `PRAGMA data_version`
changes with every commit of another connection; asking costs microseconds. For a worker a bell rings besides.
A word received is only a hint: who wakes always reads the tables, and does so every second anyway.
"""

from __future__ import annotations

import logging
import os
import select
import sqlite3
import time
from typing import Any, Protocol

import psycopg2
from flask import Flask, current_app

from config import Config
from extensions import db, is_postgresql
from services.background import BackgroundThread
from services.bell import Bell

logger = logging.getLogger(__name__)

CHANGES, WORK = "desk_changes", "desk_work"  # all there is to see; what a worker may have to do
SQLITE_POLL = 0.01  # seconds: half of it is the mean delay of what no bell was rung for, and about 1 % of a core
SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.04  # seconds between two notifications; the first of a burst goes at once


class Notifier:
    """Sends NOTIFY from a thread of its own, after the commit it speaks of.

    Inside the alert's transaction it would be surer, but PostgreSQL then lets such transactions
    commit one by one, each waiting for the disk alone. What a crash loses in between is a hint.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._words = f"NOTIFY {WORK}; NOTIFY {CHANGES}"
        self._connection: Any = None
        self._pause = SHORTEST_PAUSE
        self._thread = BackgroundThread("notifier", self._send, finish=self._drop)

    def wake_no_worker(self) -> None:
        """Notify only those who show the data: a worker does itself what its own changes call for.

        Else each worker would wake all others, and itself, several times for every order.
        """
        self._words = f"NOTIFY {CHANGES}"

    def tell(self) -> None:
        """Let the others know soon; costs the caller next to nothing."""
        self._thread.wake()  # before the start, else a word that is sent at once would be sent twice
        self._thread.start()  # at first use: a thread does not survive a fork

    def close(self, seconds: float) -> None:
        """Send nothing more, and wait so long for the thread to end."""
        self._thread.stop(seconds)

    def _send(self) -> None:
        try:
            self._connection = self._connection or self._connect()
            with self._connection.cursor() as cursor:
                cursor.execute(self._words)
        except psycopg2.Error as e:
            logger.warning("cannot tell the others of a change: %s", str(e).strip())
            self._drop()
        self._thread.sleep(self._pause)
        # In a flood one word stands for many changes, and who was woken reads them all anyway.
        self._pause = min(2 * self._pause, LONGEST_PAUSE) if self._thread.is_woken else SHORTEST_PAUSE

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Any:
        # Nothing is lost with a lost NOTIFY, so it need not wait for the disk.
        connection = psycopg2.connect(self._dsn, connect_timeout=3, options="-c synchronous_commit=off")
        connection.autocommit = True
        return connection


def init_app(app: Flask) -> None:
    """Give the app its way to tell others of changes."""
    config: Config = app.config["DESK"]
    if config.is_sqlite:
        with app.app_context():
            app.extensions["bell"] = bell = Bell(str(db.engine.url.database))
        app.extensions["tell_others"] = bell.tell
    else:
        app.extensions["notifier"] = notifier = Notifier(_dsn(config.database_url))
        app.extensions["tell_others"] = notifier.tell


def wake_no_worker() -> None:
    """Let this process, a worker, wake only those who look at its changes."""
    if (notifier := current_app.extensions.get("notifier")) is not None:
        notifier.wake_no_worker()
    if (bell := current_app.extensions.get("bell")) is not None:
        bell.mute()


def _dsn(url: str) -> str:
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


class Waker(Protocol):
    """Waits for a change made by another process."""

    def wait(self, seconds: float) -> bool:
        """Return True at a change (or when unsure), False when `seconds` passed without one."""

    def interrupt(self) -> None:
        """End a wait from a signal handler or another thread."""

    def close(self) -> None:
        """Release the connection."""


class _Interruptible:
    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def interrupt(self) -> None:
        try:
            os.write(self._write, b"!")
        except BlockingIOError:
            logger.debug("already interrupted")

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


class SqliteWaker(_Interruptible):
    """Watches the database file's version number, and listens to a bell where there is one."""

    def __init__(self, path: str, bell: Bell | None = None) -> None:
        super().__init__()
        self._bell = bell
        if bell is not None:
            bell.listen()
        self._connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
        )
        self._seen = self._version()

    def _version(self) -> int:
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while True:
            version = self._version()
            if version != self._seen:
                self._seen = version
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            pipes = self._bell.pipes if self._bell is not None else []
            ready = select.select([self._read, *pipes], [], [], min(SQLITE_POLL, left))[0]
            if self._read in ready:
                os.read(self._read, 64)
                return True
            if self._bell is not None and self._bell.has_rung():
                self._seen = self._version()  # what follows is read after this, so one waking is enough
                return True

    def close(self) -> None:
        super().close()
        if self._bell is not None:
            self._bell.close()
        self._connection.close()


class PostgresqlWaker(_Interruptible):
    """Listens on a connection of its own; a lost one is made again, and counts as a change."""

    def __init__(self, dsn: str, channel: str) -> None:
        super().__init__()
        self._dsn, self._channel = dsn, channel
        self._connection: Any = None

    def _connect(self) -> bool:
        try:
            self._connection = psycopg2.connect(
                self._dsn, connect_timeout=3, keepalives_idle=30, keepalives_interval=5, keepalives_count=3
            )
            self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute(f"LISTEN {self._channel}")
        except psycopg2.Error as e:
            self._drop()
            logger.warning("cannot listen for changes: %s", str(e).strip())
            return False
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def wait(self, seconds: float) -> bool:
        if self._connection is None:
            if self._connect():
                return True  # what happened before we listened was not heard
            self._pause(min(seconds, 1.0))
            return False
        try:
            ready = select.select([self._connection, self._read], [], [], seconds)[0]
            if self._read in ready:
                os.read(self._read, 64)
                return True
            if not ready:
                return False
            self._connection.poll()
            del self._connection.notifies[:]
        except (psycopg2.Error, OSError) as e:
            logger.warning("lost the connection that listens for changes: %s", str(e).strip())
            self._drop()
        return True

    def _pause(self, seconds: float) -> None:
        if select.select([self._read], [], [], seconds)[0]:
            os.read(self._read, 64)

    def close(self) -> None:
        super().close()
        self._drop()


def make_waker(channel: str = CHANGES) -> SqliteWaker | PostgresqlWaker:
    """Return the waker of the desk's database; call it inside an app context. SQLite knows no channels."""
    if is_postgresql():
        return PostgresqlWaker(_dsn(current_app.config["SQLALCHEMY_DATABASE_URI"]), channel)
    bell: Bell | None = current_app.extensions.get("bell") if channel == WORK else None
    return SqliteWaker(str(db.engine.url.database), bell)
