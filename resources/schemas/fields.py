"""Building blocks of the schemas: numbers, texts and times as clients write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from domain.errors import InvalidInput
from domain.ticker import TickerError, normalise_name, parse_symbol
from extensions import plain

LARGEST = Decimal(10) ** 12 - 1  # with any decimals beyond, SQLite's check of the column would round up to 10 ** 12
EIGHT = Decimal("1e-8")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
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


def to_day(value: Any) -> Any:
    """Return a day from `YYYY-MM-DD`; raises ValueError."""
    rule = "must be a day as YYYY-MM-DD, UTC"
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        raise ValueError(rule)
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(rule) from None


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
Day = Annotated[
    date, BeforeValidator(to_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-20"]})
]
OrderId = Annotated[
    str, BeforeValidator(to_order_id), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
]
OutOrderId = Annotated[int | str, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=128)]
Required = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Symbol = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_symbol)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=129), AfterValidator(_name)]
RowId = Annotated[int, BeforeValidator(to_whole), Field(ge=1, le=2**53)]
Limit = Annotated[int, BeforeValidator(to_whole), Field(ge=1, le=500)]
Blank = BeforeValidator(none_if_blank)


class Closed(BaseModel):
    """A request that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class Tolerant(BaseModel):
    """A request that ignores fields it does not know, as alerts carry what people like to add."""

    model_config = ConfigDict(extra="ignore")


class TimeQuery(Tolerant):
    """Filters of what has a time; times are UTC, `to` is excluded."""

    from_: Time | None = Field(None, alias="from")
    to: Time | None = None


class PageQuery(TimeQuery):
    """Filters of a list that is read page by page; `after` is `next_after` of the page before."""

    limit: Limit = 50
    after: RowId | None = None


class Out(BaseModel):
    """An answer; built from what services return."""

    model_config = ConfigDict(extra="forbid")


def symbol_in_path(text: str) -> str:
    """Return a symbol or pair name from a URL as it is stored."""
    return text.strip().upper()


def name_in_path(text: str) -> str:
    """Return a list's stock or pair name as it is stored; class shares come as `BF.A` or `BF A`."""
    try:
        return normalise_name(text)
    except TickerError as e:
        raise InvalidInput({"ticker": e.reason}) from None
