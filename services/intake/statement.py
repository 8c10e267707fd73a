"""The one statement that every alert waits for.

It inserts a signal only if the registry is still the one that the decision was made on, what it names is
still registered, and no delivery of the same event is stored. PostgreSQL reads and plans it once a connection
and then only executes it: for a row this wide that is half of its work. Alerts with an id of the sender are
inserted by one form of it, and those without by another, which asks for repeats.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import psycopg2
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from domain.intake import FUTURE_TOLERANCE
from engines import USED_AT
from extensions import bare_transaction, db, insert_or_update, is_postgresql, release_session, utc_now
from models import Instrument, Pair, RegistryVersion, Signal
from services import failpoints
from services.intake.repeats import is_new, last_of_body, next_key

TABLE = cast(sa.Table, Signal.__table__)
SAID = (
    "ticker", "side", "quantity", "price", "position", "position_size", "previous_position", "previous_position_size",
    "comment", "strategy", "bar_time", "alert_at", "body_sha256",
    "lifetime", "when_closed", "order_terms",
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that PostgreSQL keeps for a connection, and how values are handed to it."""

    name: str
    prepare: str
    execute: str
    parameters: tuple[str, ...]  # their names, in order
    processors: Mapping[str, Any]  # what turns values into the driver's, by name

    def bind(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values in order, as the driver takes them."""
        processors = self.processors
        return tuple(processors[name](values[name]) if name in processors else values[name] for name in self.parameters)


def insert_signal(values: Mapping[str, Any], weak: bool) -> int | None:
    """Insert the signal, commit, and return its id.

    None when the registry has changed, the event is known, or the alert's time is too far ahead.
    `values` holds COLUMNS, `known_version`, `registered_as`, the name of the stock or pair if there is one, and
    `unjudged_at`, the alert's time unless it was compared with the database's clock before; with a `weak` key
    also `first_key` and `last_key`. Raises SQLAlchemy's DBAPIError.
    """
    if not is_postgresql():  # SQLite writers pass one by one anyway
        with bare_transaction() as connection:
            rowid = connection.execute(_statement("sqlite", weak), values).scalar()
            failpoints.reach("alert before commit")
            return rowid
    prepared = _prepared(weak)
    bound = prepared.bind(values)
    try:
        return _execute_alone(prepared, bound)
    except sa.exc.DBAPIError as e:
        if not e.connection_invalidated:
            raise
    # The connection was lost. If the signal was stored all the same, it is a repeat now: nothing is doubled.
    return _execute_alone(prepared, bound)


def _execute_alone(prepared: Prepared, bound: tuple[Any, ...]) -> int | None:
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
            if prepared.name not in pooled.info:  # lives as long as the connection
                cursor.execute(prepared.prepare)
                pooled.info[prepared.name] = True
            failpoints.reach("alert before commit")  # the statement commits itself
            cursor.execute(prepared.execute, bound)
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
        "EXECUTE insert_signal", None, e, psycopg2.Error, True, connection_invalidated=lost, dialect=db.engine.dialect
    )


@functools.cache
def _prepared(weak: bool) -> Prepared:
    """Return the statement for PostgreSQL."""
    dialect: sa.Dialect = postgresql.psycopg2.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled: Any = _statement("postgresql", weak).compile(dialect=dialect)
    parameters = tuple(dict.fromkeys(compiled.positiontup))  # in the order of their numbers
    name = "insert_signal_by_body" if weak else "insert_signal"
    return Prepared(
        name,
        f"PREPARE {name} AS {compiled}",
        f"EXECUTE {name} ({', '.join(['%s'] * len(parameters))})",
        parameters,
        compiled._bind_processors,
    )


@functools.cache
def _statement(dialect: str, weak: bool) -> Any:
    columns: dict[str, sa.ColumnElement[Any]] = {
        name: sa.cast(sa.bindparam(name, type_=TABLE.c[name].type), TABLE.c[name].type) for name in COLUMNS
    }
    unjudged_at = sa.cast(sa.bindparam("unjudged_at", type_=TABLE.c.alert_at.type), TABLE.c.alert_at.type)
    registered_as = sa.cast(sa.bindparam("registered_as", type_=TABLE.c.name.type), TABLE.c.name.type)
    conditions = [
        sa.exists().where(RegistryVersion.version == sa.bindparam("known_version")),
        # A stock or pair that is just being deleted: the statement waits for the end of that, and does not find it
        # then. The version alone would not do, for it is read as it was when the statement began.
        sa.or_(
            registered_as.is_(None),
            _locked_row(Instrument.symbol == registered_as),
            _locked_row(Pair.name == registered_as),
        ),
        sa.or_(unjudged_at.is_(None), unjudged_at <= utc_now(FUTURE_TOLERANCE)),
    ]
    source: sa.FromClause | None = None
    if weak:
        last = last_of_body()
        columns["dedupe_key"] = next_key(last)
        conditions.append(is_new(last))
        source = sa.select(sa.literal_column("1").label("one")).subquery("alert").outerjoin(last, sa.true())
    values = [*columns.values(), sa.literal_column("1"), utc_now(), utc_now()]
    rows = sa.select(*values).where(*conditions)
    if source is not None:
        rows = rows.select_from(source)
    names = [*columns, "seen_count", "received_at", "last_seen_at"]
    stored = insert_or_update(TABLE).from_select(names, rows, include_defaults=False)
    return stored.on_conflict_do_nothing().returning(TABLE.c.id)


def _locked_row(named: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return the condition that a row is there, which keeps it there until the end of the transaction."""
    return sa.exists(sa.select(sa.literal_column("1")).where(named).with_for_update(read=True, key_share=True))
