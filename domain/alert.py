"""An alert as it was received, and the key that tells a repeat from a new event."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.enums import MarketPosition, Side, WhenClosed

# TradingView sends an alert up to 4 times, waits 3 s for each answer and 5 s before the next: 27 s in all.
REDELIVERY_SPAN = 30  # seconds


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
    alert_at: datetime | None = None  # when it fired, by the sender's clock
    lifetime: int | None = None  # seconds within which it is traded or not at all
    when_closed: WhenClosed | None = None
    signal_id: str | None = None  # the sender's own name of the event
    body_sha256: str = ""
    ignored: tuple[str, ...] = ()  # names of what the sender wrote beside, and the desk has no use for
    as_leg: bool = False  # an outside executor trades a leg of its pair by itself, to bring it in step
    reason: str | None = None  # why the sender made it, in a few words


@dataclass(frozen=True, slots=True)
class RepeatKey:
    """By what a delivery is known; a weak key is a beginning only, and each event of that body has its own ending."""

    key: str
    weak: bool


def body_hash(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a body without its passphrase, independent of key order and white space."""
    rest = {name: value for name, value in body.items() if name != "passphrase"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def repeat_key(alert: Alert) -> RepeatKey:
    """Return the key of an alert.

    With an id from the sender the key is that id, for ever. Without one it is the body, which may come again for
    another event: whether it does, only the database can tell, by what is stored and by its clock.
    """
    if alert.signal_id is None:
        return RepeatKey(f"same:{alert.body_sha256}:", weak=True)
    short = len(alert.signal_id) <= 120
    return RepeatKey(
        f"id:{alert.signal_id}" if short else f"sha256:{hashlib.sha256(alert.signal_id.encode()).hexdigest()}",
        weak=False,
    )
