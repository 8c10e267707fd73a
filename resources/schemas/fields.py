"""Building blocks of the schemas: numbers, texts and times as clients write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from domain.edge.ignored import shown
from domain.edge.visible import visible
from domain.errors import InvalidInput
from domain.period import BACKWARDS, moment_after
from domain.ticker import TickerError, normalise_name, parse_symbol
from extensions import plain

LARGEST = Decimal(10) ** 12 - 1  # with any decimals beyond, SQLite's check of the column would round up to 10 ** 12
EIGHT = Decimal("1e-8")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PREFIXED = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9_]*:[^:]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


def to_decimal(value: Any) -> Any:
    """Return a number, or a text that is one, as Decimal at eight decimals; raises ValueError naming the rule."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise PydanticCustomError("cannot_be_empty", "cannot be empty")
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 64 or not _NUMBER.fullmatch(text):
            raise ValueError("must be a number")
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")
    number = Decimal(value)
    if abs(number) > LARGEST:
        raise ValueError("must be at most 999999999999 in size")
    return plain(number.quantize(EIGHT, ROUND_HALF_EVEN))  # charts carry binary noise in the far decimals


def none_if_blank(value: Any) -> Any:
    """Return None for an empty text: a placeholder that the sender left unfilled."""
    return None if isinstance(value, str) and not value.strip() else value


def _positive(number: Decimal) -> Decimal:
    if number <= 0:
        raise ValueError("must be greater than 0")
    return number


def _not_negative(number: Decimal) -> Decimal:
    if number < 0:
        raise ValueError("must be 0 or more")
    return number


def _symbol(text: str) -> str:
    try:
        return parse_symbol(text)
    except TickerError as e:
        raise ValueError(e.reason) from None


def _name(text: str) -> str:
    try:
        return normalise_name(text)
    except TickerError as e:
        raise ValueError(e.reason) from None


def _without_exchange(text: str) -> str:
    return text.rpartition(":")[2] if _PREFIXED.fullmatch(text) else text


def to_time(value: Any) -> Any:
    """Return an aware UTC time from `YYYY-MM-DD HH:MM:SS`, with or without fraction, `T` or `Z`; raises ValueError."""
    rule = "must be a time as YYYY-MM-DD HH:MM:SS, UTC"
    if not isinstance(value, str):
        raise ValueError(rule)
    try:
        time = datetime.fromisoformat(value.strip())
        utc = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(rule) from None
    if utc.year < 1970:  # nor do all databases write years of fewer than four digits alike
        raise ValueError(rule)
    return utc


def to_end(value: Any) -> Any:
    """Return the end of a time, which no longer belongs to it: of a day alone that of the day; raises ValueError."""
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value.strip())
        except ValueError:
            return to_time(value)
        to_time(value)  # the rules of times hold for days
        return moment_after(day)
    return to_time(value)


def to_day(value: Any) -> Any:
    """Return a day from `YYYY-MM-DD`; raises ValueError."""
    rule = "must be a day as YYYY-MM-DD, UTC"
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        raise ValueError(rule)
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(rule) from None


def require_forwards(first: date | None, last: date | None) -> None:
    """Raise InvalidInput if there are days of which the last is before the first."""
    if first is not None and last is not None and last < first:
        raise InvalidInput({"to": BACKWARDS})


def to_whole(value: Any) -> Any:
    """Return digits as a number; everything else as it is, for the next check."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 else value


def to_order_id(value: Any) -> Any:
    """Return an order id as text; executors send numbers or texts."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number or a text")
    text = str(value).strip()
    if not text:
        raise PydanticCustomError("cannot_be_empty", "cannot be empty")
    if len(text) > 64 or not text.isprintable():
        raise ValueError("must have at most 64 plain characters")
    return text


def show_order_id(text: str | None) -> int | str | None:
    """Return an order id as it was given: a number when it is one."""
    if text is not None and text.isascii() and text.isdigit() and len(text) <= 15 and (text == "0" or text[0] != "0"):
        return int(text)
    return text


def show_time(time: datetime) -> str:
    """Return a time in the v3 form, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def show_iso(time: datetime) -> str:
    """Return a time as ISO 8601 with Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_number_schema = WithJsonSchema(
    {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?[0-9]*\.?[0-9]+$"}]}
)
Number = Annotated[Decimal, BeforeValidator(to_decimal), _number_schema]
Positive = Annotated[Decimal, BeforeValidator(to_decimal), AfterValidator(_positive), _number_schema]
NotNegative = Annotated[Decimal, BeforeValidator(to_decimal), AfterValidator(_not_negative), _number_schema]
OutNumber = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Time = Annotated[
    datetime,
    BeforeValidator(to_time),
    WithJsonSchema({"type": "string", "examples": ["2026-11-20 14:30:00"]}),
]
End = Annotated[
    datetime,
    BeforeValidator(to_end),
    WithJsonSchema({"type": "string", "examples": ["2026-11-20 14:30:00", "2026-11-20"]}),
]
Day = Annotated[
    date, BeforeValidator(to_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-20"]})
]
OrderId = Annotated[
    str, BeforeValidator(to_order_id), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
]
OutOrderId = Annotated[int | str, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})]
Visible = AfterValidator(visible)
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=128)]
Required = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Symbol = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_symbol)]
SymbolFilter = Annotated[
    str, StringConstraints(min_length=1, max_length=128), AfterValidator(_without_exchange), AfterValidator(_symbol)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=160), AfterValidator(_name)]
RowId = Annotated[int, BeforeValidator(to_whole), Field(ge=1, le=2**53)]
Limit = Annotated[int, BeforeValidator(to_whole), Field(ge=1, le=500)]
Blank = BeforeValidator(none_if_blank)


class Closed(BaseModel):
    """A request that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class Tolerant(BaseModel):
    """A request that ignores fields it does not know, as alerts carry what people like to add."""

    model_config = ConfigDict(extra="ignore")


class V3Body(Tolerant):
    """A body of v3's own clients: what it does not know is ignored, and named in the answer."""

    KNOWN_BESIDES: ClassVar[frozenset[str]] = (
        frozenset()
    )  # names that a client may well send, though nothing reads them
    _ignored: tuple[str, ...] = PrivateAttr(())

    @property
    def ignored(self) -> tuple[str, ...]:
        """Return the names of the fields that nothing was done with, as they may be told."""
        return self._ignored

    def ignore(self, names: list[str]) -> None:
        """Name further fields that nothing is done with."""
        self._ignored = tuple(shown([*self._ignored, *names]))

    def compare_names(self, data: Mapping[str, Any]) -> None:
        """Find out which of the fields that were sent this body does not know."""
        known = {field.alias or name for name, field in type(self).model_fields.items()} | self.KNOWN_BESIDES
        if unknown := [name for name in data if name not in known]:
            self.ignore(unknown)


class TimeQuery(Tolerant):
    """Filters of what has a time, UTC."""

    from_: Time | None = Field(None, alias="from", description="a time, or a day: from its beginning")
    to: End | None = Field(None, description="a time, which is excluded, or a day, which is included")

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.from_ is not None and self.to is not None and self.to <= self.from_:
            raise InvalidInput({"to": "must be after 'from'"})
        return self


class PageQuery(TimeQuery):
    """Filters of a list that is read page by page; `after` is `next_after` of the page before."""

    limit: Limit = 50
    after: RowId | None = None


class Out(BaseModel):
    """An answer; built from what services return."""

    model_config = ConfigDict(extra="forbid")


def symbol_in_path(text: str) -> str:
    """Return a symbol or pair name from a URL as it is stored: upper-case, without exchanges."""
    try:
        return normalise_name(text) if ":" in text else text.strip().upper()
    except TickerError:  # nothing is called so, and whoever looks for it is told that
        return text.strip().upper()


def name_in_path(text: str) -> str:
    """Return a list's stock or pair name as it is stored; class shares come as `BF.A` or `BF A`."""
    try:
        return normalise_name(text)
    except TickerError as e:
        raise InvalidInput({"ticker": e.reason}) from None
