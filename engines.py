"""Connections to the database: options, what each new one needs, and whose turn it is to write on SQLite."""

from __future__ import annotations

import functools
import select
import sqlite3
import time
import weakref
from typing import Any, cast

import sqlalchemy as sa

from sqlite_turns import Turns

USED_AT, JUST_USED = "used_at", 0.05  # a connection that worked so many seconds ago is taken to be alive
POOL_TIMEOUT = 2.2  # seconds in line for a connection: TradingView waits 3, and what follows takes some
LOCK_TIMEOUT_MS = 1200  # an alert must be answered within the 3 s that TradingView waits
TURNS: weakref.WeakKeyDictionary[sa.Engine, Turns] = weakref.WeakKeyDictionary()  # of engines on SQLite


def engine_options(url: str, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS, pool_size: int = 8) -> dict[str, Any]:
    """Return the engine's options: pool, time-outs (milliseconds) and keep-alives of the given database."""
    # An error tells the statement, not its values: they are people's data, hashes and encrypted keys.
    if url.startswith("sqlite"):
        return {
            "hide_parameters": True,
            "pool_timeout": POOL_TIMEOUT,
            "connect_args": {"timeout": lock_timeout_ms / 1000, "check_same_thread": False},
        }
    return {
        "hide_parameters": True,
        # Changes of many rows go out in one message; row by row each would wait for its own answer.
        "executemany_mode": "values_plus_batch",
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT,
        "pool_use_lifo": True,
        "connect_args": {
            "connect_timeout": 3,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "options": f"-c timezone=UTC -c lock_timeout={lock_timeout_ms} -c statement_timeout={lock_timeout_ms * 10}",
        },
    }


def prepare_engine(engine: sa.Engine) -> None:
    """Attach what each connection needs: pragmas on SQLite, a dead-socket check on PostgreSQL."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_connect)
        turns = TURNS[engine] = Turns(str(engine.url.database))
        sa.event.listen(engine, "begin", functools.partial(_sqlite_begin, turns))
        sa.event.listen(engine, "engine_disposed", lambda engine: turns.close())
    else:
        sa.event.listen(engine, "checkout", _refuse_dead_socket)


def _sqlite_connect(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _sqlite_begin
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(turns: Turns, connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get("alone"):  # a single read
        return
    if not options.get("immediate"):
        connection.exec_driver_sql("BEGIN")
        return
    raw = connection.connection.dbapi_connection
    try:
        turns.begin(cast(sqlite3.Connection, raw))
    except sqlite3.OperationalError as e:
        raise sa.exc.OperationalError("BEGIN IMMEDIATE", None, e) from e


def _refuse_dead_socket(connection: Any, record: Any, proxy: Any) -> None:
    """Replace a pooled connection whose server went away.

    The server has nothing to say on an idle connection; a readable socket is its farewell.
    Costs microseconds, where asking `SELECT 1` would cost every alert a round trip.
    """
    if time.monotonic() - record.info.get(USED_AT, -1.0) < JUST_USED and not connection.closed:
        return
    if connection.closed or _readable(connection.fileno()):
        raise sa.exc.DisconnectionError("the database closed this connection")


def _readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def write_in_bulk(engine: sa.Engine) -> None:
    """Let others write first from now on, where they wait: a worker must not keep alerts out."""
    if (turns := TURNS.get(engine)) is not None:
        turns.writes_in_bulk = True
