"""Reading a request body: judged by what it contains, not by its header."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from flask import g, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MAX_DIGITS = 64  # of one number as text; what it may be worth is the schema's business
MAX_DEPTH = 32  # of nesting: whoever reads the value later must not run out of stack

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # tabs and line ends stand in comments that people type
_NO_NUMBER = re.compile(r'"([^"\\]{1,64})"\s*:\s*-?(?:NaN|Infinity)\b')
_UNFILLED = re.compile(r'"([^"\\]{1,64})"\s*:\s*(\{\{[^{}"]{1,64}\}\})')


class _NotJson(ValueError):
    """The text breaks a rule that the parser itself does not know."""


def json_body() -> dict[str, Any]:
    """Return the body as a JSON object; numbers with a point come as Decimal, texts may hold raw tabs and line ends.

    Raises BadRequest for broken JSON, duplicate keys, NaN, anything but an object and text that
    no database can keep; UnsupportedMediaType when neither header nor content is JSON.
    """
    if "json_body" in g:
        kept: dict[str, Any] = g.json_body
        return kept
    raw = g.raw_body = request.get_data(cache=True)
    if request.content_length is None and len(raw) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge  # of a body that did not tell its length only the beginning has been read
    try:
        text = _decode(raw)
        if _CONTROL.search(text):
            raise _NotJson("it holds a control character")
        value = json.loads(
            text,
            strict=False,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_no_constant,
            object_pairs_hook=_no_repeats,
        )
    except (ValueError, RecursionError) as e:
        declared = request.mimetype
        if declared and "json" not in declared and declared != "text/plain":
            raise UnsupportedMediaType("The body must be JSON.") from None
        reason = _reason(raw, e)
        raise BadRequest(
            f"The body is not valid JSON: {reason}" if raw else "The body is empty; JSON is needed."
        ) from None
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    # Only an escape can bring in a NUL or half a character, only brackets bring depth; most bodies have neither.
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        _check(value.items(), depth=1)
    g.json_body = value
    return value


def _reason(raw: bytes, e: Exception) -> str:
    """Return why a body is no JSON; the field is named where what stands in it is the usual mistake of alerts."""
    text = raw.decode("utf-8", "replace")
    if unfilled := _UNFILLED.search(text):
        return f"{unfilled[1]} still holds {unfilled[2]}, which the sender has not filled in"
    if no_number := _NO_NUMBER.search(text):
        return f"{no_number[1]} is no number"
    return str(e) if isinstance(e, _NotJson | json.JSONDecodeError) else "it is not UTF-8 text or nested too deeply"


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        charset = request.mimetype_params.get("charset", "")
        if charset.lower() not in ("iso-8859-1", "latin-1", "windows-1252", "utf-16", "utf-16le", "utf-16be"):
            raise
        return raw.decode(charset)


def _number(text: str) -> int | Decimal:
    if len(text) > MAX_DIGITS:
        raise _NotJson("a number has too many digits")
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that no machine can hold
        raise _NotJson("a number is too large or too small") from None
    if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        raise _NotJson("a number is too large or too small")
    return int(text) if text.lstrip("-").isdigit() else number


def _no_constant(word: str) -> NoReturn:
    raise _NotJson(f"{word} is no number")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _NotJson("a name stands twice")
    return result


def _check(items: Iterable[tuple[Any, Any]], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadRequest("The body is not valid JSON: it is nested too deeply")
    for name, value in items:
        for text in (name, value):
            if isinstance(text, str) and ("\x00" in text or any("\ud800" <= c <= "\udfff" for c in text)):
                raise BadRequest("The body is not valid JSON: a text holds a character that is none")
        if isinstance(value, dict):
            _check(value.items(), depth + 1)
        elif isinstance(value, list):
            _check((("", item) for item in value), depth + 1)
