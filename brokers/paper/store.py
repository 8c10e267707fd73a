"""The paper venue's own database: connections, transactions, and what their failures mean to a caller."""

import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateSchema

from brokers.errors import BrokerUnavailable, OutcomeUnknown
from brokers.paper import schema
from brokers.paper.tables import SCHEMA

CONNECT_SECONDS = 3
LOCK_SECONDS = 5
STATEMENT_SECONDS = 8
POOL_SIZE = 4
SETUP_LOCK = 0x7061706572  # advisory locks: "paper" in ASCII, and the next
ALONE_LOCK = SETUP_LOCK + 1
IDLE_SECONDS = 1.0
IMMEDIATE = "paper_immediate"
_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(:key)")


class RowRefused(BrokerUnavailable):
    """The store is there, and does not take what one of the rows has in it: nothing of the transaction was written."""


class Store:
    """One process's way to the venue's database; opens at first use, threads may share it.

    Raises BrokerUnavailable when nothing was written (RowRefused: on account of one of the rows), OutcomeUnknown
    when a commit got no answer.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(parsed) if self.is_sqlite else _postgresql_engine(parsed)
        self._writer = self._engine.execution_options(**{IMMEDIATE: True})
        self._setup = threading.Lock()
        self._is_open = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection whose transaction is rolled back."""
        self.open()
        with _failures(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Connection]:
        """Give a connection whose transaction is committed, or rolled back on any error.

        Of those that ask to be `alone` only one runs at a time; on SQLite that is true of all.
        """
        self.open()
        with _failures(), self._writer.connect() as connection:
            transaction = connection.begin()
            if alone and not self.is_sqlite:
                connection.execute(_ADVISORY_LOCK, {"key": ALONE_LOCK})
            yield connection  # on an error the connection rolls back when it closes
            try:
                transaction.commit()
            except SQLAlchemyError as e:
                # Its transaction may still be open: the next user of the connection would commit it.
                connection.invalidate()
                raise OutcomeUnknown(f"the paper store did not confirm: {_first_line(e)}") from e

    def open(self) -> None:
        """Make what the store lacks of the tables; any number of processes may do so at once."""
        if self._is_open:
            return
        with self._setup, _failures():
            if self.is_sqlite:
                _prepare_file(Path(self._engine.url.database or ""))
                with self._writer.begin() as connection:
                    schema.bring_up(connection, None)
            else:
                with self._engine.begin() as connection:
                    if not schema.is_current(connection, SCHEMA):
                        # IF NOT EXISTS alone fails when two sessions make the same name at once.
                        connection.execute(_ADVISORY_LOCK, {"key": SETUP_LOCK})
                        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
                        schema.bring_up(connection, SCHEMA)
            self._is_open = True

    def close(self) -> None:
        """Release the connections; the next call opens new ones."""
        self._engine.dispose()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as e:
        error = RowRefused if _is_of_a_row(e) else BrokerUnavailable
        raise error(f"the paper store cannot be used: {_first_line(e)}") from e


def _is_of_a_row(e: Exception) -> bool:
    return isinstance(e, DataError | IntegrityError) or (
        isinstance(e, StatementError) and not isinstance(e, DBAPIError)
    )


def _first_line(e: Exception) -> str:
    # The rest of SQLAlchemy's text is the statement with its values.
    return str(getattr(e, "orig", None) or e).partition("\n")[0]


def _sqlite_engine(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise ValueError("the paper store needs a file: sqlite:///path")
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=LOCK_SECONDS,
        connect_args={"timeout": LOCK_SECONDS},
        execution_options={"schema_translate_map": {SCHEMA: None}},
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=FULL")  # in WAL less than FULL may lose commits with the power
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another one wrote in between.
    immediate = connection.get_execution_options().get(IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _prepare_file(path: Path) -> None:
    """Make the file and put it in WAL mode; the mode stays with the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        connection = sqlite3.connect(path, timeout=LOCK_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # changing the mode does not wait for locks by itself
        finally:
            connection.close()


def _postgresql_engine(url: URL) -> Engine:
    milliseconds = {
        "lock_timeout": LOCK_SECONDS * 1000,
        "statement_timeout": STATEMENT_SECONDS * 1000,
        "idle_in_transaction_session_timeout": 2 * STATEMENT_SECONDS * 1000,
    }
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=LOCK_SECONDS,
        executemany_mode="values_plus_batch",  # rows go out in one message, not each in its own
        isolation_level="READ COMMITTED",  # what is read after a lock must be what the lock waited for
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "paper",
            "tcp_user_timeout": STATEMENT_SECONDS * 1000,
            "options": " ".join(f"-c {name}={value}" for name, value in milliseconds.items()),
        },
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _replace_dead)
    return engine


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _replace_dead(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    # Asking each time, as pool_pre_ping does, would make every order a tenth slower.
    if time.monotonic() - record.info.get("used_at", math.inf) < IDLE_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except psycopg2.Error as e:
        raise DisconnectionError from e
