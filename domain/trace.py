"""The decision trace: each check with the values it used, its outcome and a plain sentence."""

from typing import Any


def step(check: str, ok: bool, text: str, **values: Any) -> dict[str, Any]:
    """Return one entry of a trace; values are shown as they were at that moment."""
    return {
        "check": check,
        "ok": ok,
        "text": text,
        "values": {name: str(value) for name, value in values.items()},
    }
