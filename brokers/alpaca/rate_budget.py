"""How many requests an account may still make: what Alpaca's answers say of it, and who has to wait."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Mapping
from typing import Protocol

from brokers.errors import RateLimited

RESERVE = 20  # requests of a minute that reads leave to orders and cancels
LONGEST = 61.0  # seconds; whatever an answer or a clock says, nobody waits longer for the next minute
FAR = 120.0  # seconds; a `Reset` further away than that is no minute's window


class Clock(Protocol):
    """Where the time is read; the module `time` is one."""

    def time(self) -> float:
        """Return the seconds since 1970; people and other machines may set it forward and back."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""


class RateBudget:
    """The window of one key at one host. Reads stop early, so that orders do not have to wait.

    Alpaca allows a number of requests in each minute and says in every answer how many are left
    (`X-RateLimit-Remaining`) and when the next window begins (`X-RateLimit-Reset`, seconds since 1970). The time of
    day is looked at once, to learn how long that is; what is waited for is monotonic, so that a clock that is set
    back does not hold up orders.
    """

    def __init__(self, clock: Clock = time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._remaining: int | None = None
        self._resets_at = self._closed_until = -math.inf  # monotonic seconds

    def check(self, *, order: bool) -> None:
        """Return when a request may be made now; raises RateLimited with the seconds to wait.

        `order`: it places or ends an order, or learns what became of one.
        """
        with self._lock:
            now = self._clock.monotonic()
            if now < self._closed_until:
                raise RateLimited("the rate limit is reached", self._closed_until - now)
            if self._remaining is None or now >= self._resets_at:
                return
            if self._remaining <= 0:
                raise RateLimited("the minute's requests are used up", self._resets_at - now)
            if self._remaining < RESERVE and not order:
                raise RateLimited("the rest of the minute's requests is kept for orders", self._resets_at - now)

    def see(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer's headers; others than numbers are passed over."""
        remaining, reset = _number(headers.get("X-RateLimit-Remaining")), _number(headers.get("X-RateLimit-Reset"))
        if remaining is None or reset is None:
            return
        left = reset - self._clock.time()
        if abs(left) <= FAR:
            with self._lock:
                self._remaining, self._resets_at = int(remaining), self._clock.monotonic() + min(left, LONGEST)

    def refuse(self, headers: Mapping[str, str]) -> float:
        """Close the window after a 429; returns the seconds until it opens, with a little chance in them."""
        reset, after = _number(headers.get("X-RateLimit-Reset")), _number(headers.get("Retry-After"))
        wait = after if after is not None else reset - self._clock.time() + 1 if reset is not None else 5.0
        wait = min(max(wait, 2.0), LONGEST - 1) + random.uniform(0, 1)  # noqa: S311 - spreads several workers
        with self._lock:
            self._closed_until = self._clock.monotonic() + wait
            if self._remaining is not None:  # what the refusal says of when to come again counts
                self._remaining = max(self._remaining, 1)
        return wait


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
