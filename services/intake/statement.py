"""The one statement that every alert waits for.

It inserts a signal only if the registry is still the one that the decision was made on, and
no delivery of the same event is stored. PostgreSQL reads and plans it once a connection and
then only executes it: for a row this wide that is half of its work.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import Any, cast

import psycopg2
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from extensions import USED_AT, bare_transaction, db, insert_or_update, is_postgresql, release_session, utc_now
from models import RegistryVersion, Signal
from services import failpoints

TABLE = cast(sa.Table, Signal.__table__)
SAID = (
    "ticker", "side", "quantity", "price", "position", "position_size", "previous_position", "previous_position_size",
    "comment", "strategy", "bar_time", "alert_at", "body_sha256",
    "lifetime", "when_closed",
)  # fmt: skip
DECIDED = (
    "ticker_type",
    "name",
    "symbol1",
    "symbol2",
    "hedge_ratio",
    "account_id",
    "external",
    "status",
    "error_text",
    "trace",
)
COLUMNS = [*SAID, *DECIDED, "source", "dedupe_key", "weak_key", "status_reason"]
PREPARED = "insert_signal"


def insert_signal(values: Mapping[str, Any], lock: int | None) -> int | None:
    """Insert the signal, commit, and return its id; None when the registry has changed or the event is known.

    `values` holds COLUMNS and `known_version`, `previous_key`, `next_key`, `repeat_cutoff`. With a
    `lock`, inserts with the same number pass one by one. Raises SQLAlchemy's DBAPIError.
    """
    if not is_postgresql():  # SQLite writers pass one by one anyway
        with bare_transaction() as connection:
            rowid = connection.execute(_statement("sqlite"), values).scalar()
            failpoints.reach("alert before commit")
            return rowid
    prepare, execute, names, processors = _prepared()
    bound = tuple(processors[name](values[name]) if name in processors else values[name] for name in names)
    if lock is None:
        try:
            return _execute_alone(prepare, execute, bound)
        except sa.exc.DBAPIError as e:
            if not e.connection_invalidated:
                raise
        # The connection was lost. If the signal was stored all the same, it is a repeat now: nothing is doubled.
        return _execute_alone(prepare, execute, bound)
    with bare_transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
        if PREPARED not in connection.info:
            connection.exec_driver_sql(prepare)
            connection.info[PREPARED] = True
        return cast("int | None", connection.exec_driver_sql(execute, bound).scalar())


def _execute_alone(prepare: str, execute: str, bound: tuple[Any, ...]) -> int | None:
    """Execute the statement as a transaction of its own: one round trip where BEGIN and COMMIT would make it three."""
    release_session()
    try:
        pooled = db.engine.raw_connection()
    except psycopg2.Error as e:
        raise _as_sqlalchemy(e, lost=True) from e
    driver = cast(Any, pooled.driver_connection)
    try:
        driver.autocommit = True
        with driver.cursor() as cursor:
            if PREPARED not in pooled.info:  # lives as long as the connection
                cursor.execute(prepare)
                pooled.info[PREPARED] = True
            failpoints.reach("alert before commit")  # the statement commits itself
            cursor.execute(execute, bound)
            row = cursor.fetchone()
        pooled.info[USED_AT] = time.monotonic()
    except psycopg2.Error as e:
        # A server that crashes leaves the driver's connection looking open; its words tell.
        lost = bool(driver.closed) or db.engine.dialect.is_disconnect(cast(Any, e), driver, None)
        if lost:
            pooled.invalidate(e)
        raise _as_sqlalchemy(e, lost) from e
    finally:
        if not driver.closed:
            driver.autocommit = False
        pooled.close()
    return None if row is None else row[0]


def _as_sqlalchemy(e: psycopg2.Error, lost: bool) -> BaseException:
    """Return the driver's error as the rest of the desk knows errors."""
    return sa.exc.DBAPIError.instance(
        f"EXECUTE {PREPARED}", None, e, psycopg2.Error, True, connection_invalidated=lost, dialect=db.engine.dialect
    )


@functools.cache
def _prepared() -> tuple[str, str, list[str], Mapping[str, Any]]:
    """Return PREPARE, EXECUTE, the names of the parameters in order, and what turns values into the driver's."""
    dialect: sa.Dialect = postgresql.psycopg2.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled = _statement("postgresql").compile(dialect=dialect)
    names = [name for name, _ in sorted(_numbers(compiled).items(), key=lambda item: item[1])]
    execute = f"EXECUTE {PREPARED} ({', '.join(['%s'] * len(names))})"
    return f"PREPARE {PREPARED} AS {compiled}", execute, names, compiled._bind_processors


def _numbers(compiled: Any) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(compiled.positiontup), 1)}


@functools.cache
def _statement(dialect: str) -> Any:
    columns = [TABLE.c[name] for name in COLUMNS]
    values: list[sa.ColumnElement[Any]] = [sa.cast(sa.bindparam(c.name, type_=c.type), c.type) for c in columns]
    values += [sa.literal_column("1"), utc_now(), utc_now()]
    registry_is_known = sa.exists().where(RegistryVersion.version == sa.bindparam("known_version"))
    stored_before = (
        sa.exists()
        .where(Signal.source == sa.bindparam("source"))
        .where(Signal.dedupe_key.in_([sa.bindparam("previous_key"), sa.bindparam("next_key")]))
        .where(Signal.received_at > sa.bindparam("repeat_cutoff", type_=Signal.received_at.type))
    )
    rows = sa.select(*values).where(registry_is_known, ~stored_before)
    names = [*COLUMNS, "seen_count", "received_at", "last_seen_at"]
    stored = insert_or_update(TABLE).from_select(names, rows, include_defaults=False)
    return stored.on_conflict_do_nothing().returning(TABLE.c.id)
