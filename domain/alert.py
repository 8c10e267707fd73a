"""An alert as it was received, and the key that tells a repeat from a new event."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.enums import MarketPosition, Side, WhenClosed

REPEAT_WINDOW = 60  # seconds; TradingView sends one event up to 4 times within about half of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A validated alert. Quantities in shares of leg 1, price per share or per unit of spread."""

    ticker: str
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    position: MarketPosition | None = None
    position_size: Decimal | None = None
    previous_position: MarketPosition | None = None
    previous_position_size: Decimal | None = None
    comment: str | None = None
    strategy: str | None = None
    bar_time: str | None = None
    alert_at: datetime | None = None
    lifetime: int | None = None  # seconds within which it is traded or not at all
    when_closed: WhenClosed | None = None
    signal_id: str | None = None  # the sender's own name of the event
    body_sha256: str = ""


@dataclass(frozen=True, slots=True)
class RepeatKey:
    """`key` names the event; less than the window ago it may also have been stored under `previous` or `next`.

    Under `next`, when another delivery saw the new minute before and yet was faster.
    """

    key: str
    previous: str
    next: str
    weak: bool
    near_edge: bool  # two deliveries at this moment may see different windows


def body_hash(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a body without its passphrase, independent of key order and white space."""
    rest = {name: value for name, value in body.items() if name != "passphrase"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def repeat_key(alert: Alert, now: float) -> RepeatKey:
    """Return the key of an alert received at `now` (seconds since 1970).

    With an id from the sender the key is that id, for ever. Without one it is the body within a
    minute, so two genuine alerts that are equal to the letter collapse when less than a minute apart.
    """
    if alert.signal_id is not None:
        short = len(alert.signal_id) <= 120
        key = f"id:{alert.signal_id}" if short else f"sha256:{hashlib.sha256(alert.signal_id.encode()).hexdigest()}"
        return RepeatKey(key, key, key, weak=False, near_edge=False)
    window, second = divmod(now, REPEAT_WINDOW)
    return RepeatKey(
        f"body:{alert.body_sha256}:{int(window)}",
        f"body:{alert.body_sha256}:{int(window) - 1}",
        f"body:{alert.body_sha256}:{int(window) + 1}",
        weak=True,
        near_edge=not 5 <= second <= REPEAT_WINDOW - 5,
    )
