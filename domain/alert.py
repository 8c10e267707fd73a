"""An alert as it was received, and the key that tells a repeat from a new event."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from domain.enums import MarketPosition, Side, WhenClosed
from domain.exact import plain_text

# TradingView sends an alert up to 4 times, waits 3 s for each answer and 5 s before the next: 27 s in all.
REDELIVERY_SPAN = 30  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTerms:
    """What an alert itself says of the order it asks for; prices a share, `notional` in the stock's currency."""

    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_percent: Decimal | None = None
    trail_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    notional: Decimal | None = None

    @classmethod
    def of(cls, stored: Mapping[str, str] | None) -> Self:
        """Return the terms that were kept with a signal."""
        return cls(**{name: Decimal(text) for name, text in (stored or {}).items()})

    def told(self) -> dict[str, Decimal]:
        """Return what is said, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def stored(self) -> dict[str, str] | None:
        """Return the terms as they are kept with a signal; None where there are none."""
        return {name: plain_text(value) for name, value in self.told().items()} or None

    def contradictions(self) -> dict[str, str]:
        """Return the rule that each field breaks, by name: what cannot be meant together, or be a distance."""
        found = {}
        if self.trail_percent is not None and self.trail_percent >= 100:
            found["trail_percent"] = "must be below 100"
        if self.trail_percent is not None and self.trail_price is not None:
            found["trail_price"] = "does not go together with trail_percent"
        if self.trail_percent is not None or self.trail_price is not None:
            for name in ("limit_price", "stop_price"):
                if getattr(self, name) is not None:
                    found[name] = "does not go together with a trailing stop"
        return found


NO_TERMS = OwnTerms()


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
    own_terms: OwnTerms = NO_TERMS
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
