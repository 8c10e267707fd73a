"""The decision trace: each check with the values it used, its outcome and a plain sentence."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.exact import plain_text


def step(check: str, ok: bool, text: str, **values: Any) -> dict[str, Any]:
    """Return one entry of a trace; values are shown as they were at that moment."""
    return {
        "check": check,
        "ok": ok,
        "text": text,
        "values": {name: _in_words(value) for name, value in values.items()},
    }


def _in_words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Decimal):
        return plain_text(value)
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)
