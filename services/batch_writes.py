"""Writing many rows of one transaction in few statements.

The mapper sends changed rows one UPDATE each, and makes an object of each row of a record that nobody reads again.
Where a batch of signals is worked off both cost more than all decisions together. So changed rows go out as one
statement for each set of columns, and rows of records as one INSERT for each table; both when the session is flushed.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.exc import StaleDataError

from models import DailyResult, Order, Position, Signal

RECORDS = "records"
WORTH_IT = 4  # rows with the same columns changed; fewer are left to the mapper
IN_BATCHES = frozenset({Signal, Order, Position, DailyResult})
Table = sa.Table
Values = dict[str, Any]


def add_record(session: Session, model: type[Any], values: Values) -> None:
    """Add a row to a record (moves of orders and signals) in this transaction, after all that is changed before it."""
    session.info.setdefault(RECORDS, defaultdict(list))[model.__table__].append(values)


@sa.event.listens_for(Session, "before_flush")
def _write_changes(session: Session, context: object, instances: object) -> None:
    for (mapper, columns), changed in _changed(session.dirty).items():
        if len(changed) >= WORTH_IT:
            _update(session, mapper, columns, changed)


@sa.event.listens_for(Session, "after_flush")
def _write_records(session: Session, context: object) -> None:
    _insert_records(session)


@sa.event.listens_for(Session, "before_commit")
def _write_last_records(session: Session) -> None:
    if session.info.get(RECORDS):
        session.flush()
        _insert_records(session)


@sa.event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(RECORDS, None)


def _insert_records(session: Session) -> None:
    records: Mapping[Table, Sequence[Values]] = session.info.pop(RECORDS, {})
    for table, rows in records.items():
        session.connection().execute(_insert(table), rows)


@functools.cache
def _insert(table: Table) -> sa.Insert:
    return sa.insert(table)


def _changed(dirty: Iterable[Any]) -> dict[tuple[Mapper[Any], tuple[str, ...]], list[Any]]:
    """Return the changed rows by their table and changed columns; those that only the mapper can write are left out."""
    found: dict[tuple[Mapper[Any], tuple[str, ...]], list[Any]] = defaultdict(list)
    for row in dirty:
        if type(row) not in IN_BATCHES:
            continue
        state = sa.inspect(row)
        mapper, columns = state.mapper, tuple(sorted(state.committed_state))
        if columns and _is_plain(mapper, row, columns):
            found[mapper, columns].append(row)
    return found


def _is_plain(mapper: Mapper[Any], row: Any, columns: Sequence[str]) -> bool:
    keys = {column.key for column in mapper.primary_key}
    return all(
        name in mapper.column_attrs and name not in keys and not isinstance(row.__dict__.get(name), sa.ClauseElement)
        for name in columns
    )


def _update(session: Session, mapper: Mapper[Any], columns: tuple[str, ...], rows: Sequence[Any]) -> None:
    """Write the columns of rows; raises StaleDataError when one of them is not there any more."""
    table, keys = cast(sa.Table, mapper.local_table), tuple(str(column.key) for column in mapper.primary_key)
    rows = sorted(rows, key=lambda row: [getattr(row, key) for key in keys])
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        statement, values = _from_arrays(table, keys, columns), _as_arrays([*keys, *columns], rows)
        result = connection.execute(statement, values)
    else:
        result = connection.execute(_one_by_one(table, keys, columns), list(_as_rows(keys, columns, rows)))
    if result.rowcount != len(rows):
        raise StaleDataError(f"{len(rows)} rows of {table.name} were to be changed, {result.rowcount} are there")
    for row in rows:
        for name in columns:
            sa.orm.attributes.set_committed_value(row, name, row.__dict__[name])


@functools.lru_cache(maxsize=200)
def _from_arrays(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> sa.Update:
    """Return the UPDATE from one array for each column: the server reads one short statement, however many rows."""
    types = {name: table.c[name].type for name in (*keys, *columns)}
    arrays = (sa.bindparam(f"new_{name}", type_=postgresql.ARRAY(of, dimensions=1)) for name, of in types.items())
    new = sa.func.unnest(*arrays).table_valued(*(sa.column(name, of) for name, of in types.items()), name="new")
    new = new.render_derived()
    is_same = sa.and_(*(table.c[key] == new.c[key] for key in keys))
    return sa.update(table).where(is_same).values({name: new.c[name] for name in columns})


def _as_arrays(names: Sequence[str], rows: Sequence[Any]) -> Values:
    return {f"new_{name}": [getattr(row, name) for row in rows] for name in names}


@functools.lru_cache(maxsize=200)
def _one_by_one(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> sa.Update:
    is_same = sa.and_(*(table.c[key] == sa.bindparam(f"key_{key}") for key in keys))
    return sa.update(table).where(is_same).values({name: sa.bindparam(f"new_{name}") for name in columns})


def _as_rows(keys: Sequence[str], columns: Sequence[str], rows: Sequence[Any]) -> Iterator[Values]:
    for row in rows:
        yield {f"key_{key}": getattr(row, key) for key in keys} | {
            f"new_{name}": getattr(row, name) for name in columns
        }
