"""Conditions that a column is one of many values, which are handed over as one: an array, on SQLite as JSON.

SQLAlchemy writes a list into each statement anew, value by value. That takes longer than most statements do, and each
length of the list is another statement for the database to read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Values(sa.types.TypeDecorator[Sequence[Any]]):
    """Whole numbers or texts as one value."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, is_number: bool) -> None:
        super().__init__()
        self.is_number = is_number

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        item: sa.types.TypeEngine[Any] = sa.BigInteger() if self.is_number else sa.Text()
        return dialect.type_descriptor(postgresql.ARRAY(item, dimensions=1))

    def process_bind_param(self, value: Sequence[Any] | None, dialect: sa.Dialect) -> Any:
        values = [] if value is None else list(value)
        return json.dumps(values) if dialect.name == "sqlite" else values


class among(FunctionElement[bool]):
    """The condition that a column, of whole numbers or texts, is among the values that the statement is given by name.

    `walks` is False where SQLite is not to seek each of them in an index, but to hold what it has found against them.
    """

    type = sa.Boolean()
    inherit_cache = True

    def __init__(self, column: Any, name: str, *, walks: bool = True) -> None:
        values = sa.bindparam(name, type_=Values(isinstance(column.type, sa.Integer)))
        super().__init__(column if walks else _HeldAgainst(column), values)


class _HeldAgainst(FunctionElement[Any]):
    inherit_cache = True


@compiles(among, "sqlite")
def _in_json(element: Any, compiler: Any, **kw: Any) -> str:
    column, values = element.clauses
    each = f"json_each({compiler.process(values, **kw)})"
    return f"{compiler.process(column, **kw)} IN (SELECT value FROM {each})"  # noqa: S608 - fixed words


@compiles(among, "postgresql")
def _in_array(element: Any, compiler: Any, **kw: Any) -> str:
    column, values = element.clauses
    return f"{compiler.process(column, **kw)} = ANY ({compiler.process(values, **kw)})"


@compiles(_HeldAgainst, "sqlite")
def _without_index(element: Any, compiler: Any, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


@compiles(_HeldAgainst, "postgresql")
def _as_it_is(element: Any, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))
