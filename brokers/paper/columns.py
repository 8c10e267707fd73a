"""Column types that keep money and time exact on SQLite and PostgreSQL alike."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, DateTime, Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from brokers.paper.pricing import EXACT, PLACES, round8

_WIDTH = len("2026-03-02T12:00:00.000000")  # one width, so that text sorts as time does


class ExactDecimal(TypeDecorator[Decimal]):
    """NUMERIC(precision, 8); text on SQLite, whose numbers are floats. ValueError if it would be rounded."""

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int = 24) -> None:
        super().__init__(precision, PLACES)
        self.precision = precision

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of one database."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric(self.precision, PLACES))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Return the value for the driver."""
        if value is None:
            return None
        fits = value.is_finite() and value.adjusted() < self.precision - PLACES
        if not fits or (rounded := round8(value)) != value:
            raise ValueError(f"{value} does not fit NUMERIC({self.precision}, {PLACES})")
        exact = EXACT.plus(rounded)  # no negative zero
        return format(exact, "f") if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the stored value."""
        return None if value is None else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware moment, to the microsecond, always UTC. ValueError for a naive one."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of one database."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return the value for the driver."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        moment = value if value.tzinfo is UTC else value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds")[:_WIDTH] if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the stored value."""
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        moment: datetime = value
        return moment.astimezone(UTC)


class TextList(TypeDecorator[Sequence[str]]):
    """Texts as one value of a statement: an array; JSON on SQLite. However many they are, the statement is the same."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of one database."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(Text()))

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        """Return the value for the driver."""
        if value is None:
            return None
        return json.dumps(list(value), ensure_ascii=False) if dialect.name == "sqlite" else list(value)
