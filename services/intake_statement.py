"""The one statement that every alert waits for.

It inserts a signal only if the registry is still the one that the decision was made on, and
no delivery of the same event is stored. PostgreSQL reads and plans it once a connection and
then only executes it: for a row this wide that is half of its work.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from extensions import insert_or_update, utc_now
from models import RegistryVersion, Signal

TABLE = cast(sa.Table, Signal.__table__)
SAID = (
    "ticker", "side", "quantity", "price", "position", "position_size", "previous_position", "previous_position_size",
    "comment", "strategy", "bar_time", "alert_at", "body_sha256",
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


def insert_signal(connection: sa.Connection, values: Mapping[str, Any]) -> int | None:
    """Insert the signal and return its id; None when the registry has changed or the event is known.

    `values` holds COLUMNS and `known_version`, `previous_key`, `next_key`, `repeat_cutoff`.
    """
    if connection.dialect.name != "postgresql":
        return connection.execute(_statement("sqlite"), values).scalar()
    prepare, names, processors = _prepared()
    if PREPARED not in connection.info:  # lives as long as the connection, whatever becomes of this transaction
        connection.exec_driver_sql(prepare)
        connection.info[PREPARED] = True
    bound = tuple(processors[name](values[name]) if name in processors else values[name] for name in names)
    return cast(
        "int | None",
        connection.exec_driver_sql(f"EXECUTE {PREPARED} ({', '.join(['%s'] * len(names))})", bound).scalar(),
    )


@functools.cache
def _prepared() -> tuple[str, list[str], Mapping[str, Any]]:
    """Return the PREPARE, the names of its parameters in order, and what turns values into the driver's."""
    dialect: sa.Dialect = postgresql.psycopg2.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled = _statement("postgresql").compile(dialect=dialect)
    names = [name for name, _ in sorted(_numbers(compiled).items(), key=lambda item: item[1])]
    return f"PREPARE {PREPARED} AS {compiled}", names, compiled._bind_processors


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
