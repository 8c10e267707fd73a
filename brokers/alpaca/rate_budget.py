"""How many requests an account may still make: what Alpaca's answers say of it, and who has to wait."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from brokers.errors import RateLimited

USUAL = 200  # requests of a minute, where Alpaca does not say how many there are
HELD_BACK = 0.16  # the part of a minute's requests that reads still take while they are held back
LONGEST = 61.0  # seconds; whatever an answer or a clock says, nobody waits longer for the next minute
FAR = 120.0  # seconds; a `Reset` further away than that is no minute's window
CHANCE = random.SystemRandom()  # never the global one, which belongs to whoever seeds it
SAME = 1.5  # seconds; windows that end no further apart are one and the same


class Priority(Enum):
    """Whom a request serves; the value is the part of the minute's requests that it leaves to those before it."""

    URGENT = 0.0  # an order that closes or balances a position, and the end of an order
    OUTCOME = 0.01  # what became of an order
    NEEDED = 0.02  # what planning goes by, and polls: few while requests are scarce
    ENTRY = 0.04
    READ = 0.1  # what can wait


class Clock(Protocol):
    """Where the time is read; the module `time` is one."""

    def time(self) -> float:
        """Return the seconds since 1970; people and other machines may set it forward and back."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""


class RateBudget:
    """The window of one key at one host. What can wait stops early, so that what is urgent does not have to.

    Alpaca allows a number of requests in each minute and says in every answer how many are left
    (`X-RateLimit-Remaining`) and when the next window begins (`X-RateLimit-Reset`, seconds since 1970). The time of
    day is looked at once, to learn how long that is; what is waited for is monotonic, so that a clock that is set
    back does not hold up orders.
    """

    def __init__(self, clock: Clock = time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = USUAL
        self._remaining: int | None = None
        self._is_guess = False  # after a refusal nobody knows how many are left, until an answer says so
        self._resets_at = self._closed_until = -math.inf  # monotonic seconds

    def check(self, priority: Priority) -> None:
        """Return when a request may be made now, and count it; raises RateLimited with the seconds to wait."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._closed_until:
                raise RateLimited("the rate limit is reached", self._closed_until - now)
            if self._remaining is None or now >= self._resets_at:
                return
            if self._remaining <= 0:
                raise RateLimited("the minute's requests are used up", self._resets_at - now)
            if self._remaining < self._kept_from(priority):
                raise RateLimited("the rest of the minute's requests is kept for orders", self._resets_at - now)
            self._remaining -= 1  # several are on their way at once, and each must leave the others theirs

    def is_scarce(self, orders: int) -> bool:
        """Return True if reads that can wait should do so: so many orders are to be sent, and need what is left."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._closed_until:
                return True
            left = self._limit if self._remaining is None or now >= self._resets_at else self._remaining
            return left < orders + self._kept_from(Priority.ENTRY) + math.ceil(self._limit * HELD_BACK)

    def see(self, headers: Mapping[str, str]) -> None:
        """Read the limit from an answer's headers; ignore those that are no numbers."""
        remaining, reset = _number(headers.get("X-RateLimit-Remaining")), _number(headers.get("X-RateLimit-Reset"))
        if remaining is None or reset is None:
            return
        left = reset - self._clock.time()
        limit = _number(headers.get("X-RateLimit-Limit"))
        if abs(left) <= FAR:
            with self._lock:
                resets_at = self._clock.monotonic() + min(left, LONGEST)
                is_same = abs(resets_at - self._resets_at) <= SAME
                if self._remaining is not None and is_same and not self._is_guess:
                    # Of the same minute: an answer that was overtaken by others, or by requests, knows less.
                    self._remaining = min(self._remaining, int(remaining))
                else:
                    self._remaining, self._resets_at, self._is_guess = int(remaining), resets_at, False
                if limit is not None and limit >= 1:
                    self._limit = int(limit)

    def refuse(self, headers: Mapping[str, str]) -> float:
        """Close the window after a 429; returns the seconds until it opens, with a small random part."""
        reset, after = _number(headers.get("X-RateLimit-Reset")), _number(headers.get("Retry-After"))
        wait = after if after is not None else reset - self._clock.time() + 1 if reset is not None else 5.0
        wait = min(max(wait, 2.0), LONGEST - 1) + CHANCE.uniform(0, 1)  # spreads several workers
        with self._lock:
            self._closed_until = self._clock.monotonic() + wait
            if self._remaining is not None:  # what the refusal says of when to come again counts
                self._remaining, self._is_guess = max(self._remaining, self._kept_from(Priority.ENTRY)), True
        return wait

    def _kept_from(self, priority: Priority) -> int:
        return math.ceil(self._limit * priority.value)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
