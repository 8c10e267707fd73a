"""What is known of one account's push stream: fed by the stream's own thread, read by the account's account_session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class StreamWatch:
    """The listener of a stream; `poke` wakes the account_session."""

    def __init__(self, poke: Callable[[], None]) -> None:
        self._poke = poke
        self._lock = threading.Lock()
        self._news = False
        self._trouble: str | None = "not connected yet"
        self._heard = time.monotonic()

    def connected(self) -> None:
        """Note that it has begun: what happened before is read by a poll."""
        with self._lock:
            self._news, self._trouble, self._heard = True, None, time.monotonic()
        self._poke()

    def changed(self) -> None:
        """Note that something happened to an order."""
        with self._lock:
            self._news, self._heard = True, time.monotonic()
        self._poke()

    def heard(self) -> None:
        """Note a sign of life."""
        with self._lock:
            self._heard = time.monotonic()

    def lost(self, reason: str) -> None:
        """Note that it is broken, and why."""
        with self._lock:
            self._trouble = reason
        self._poke()

    @property
    def has_news(self) -> bool:
        """Return True if there is something to poll for."""
        return self._news

    def take_news(self) -> bool:
        """Return True if there is something to poll for, and count it as read from then on."""
        with self._lock:
            news, self._news = self._news, False
        return news

    def state(self) -> tuple[str | None, float]:
        """Return what is wrong with it (None = nothing), and the seconds since it was last heard from."""
        with self._lock:
            return self._trouble, time.monotonic() - self._heard
