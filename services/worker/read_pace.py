"""How often an account's broker is read while its orders need the requests that its limit leaves: orders come first."""

from __future__ import annotations

import time

from brokers.base import Broker
from services.execution.due import count_to_be_sent
from services.timing import RARE_READS, SCARCE_AGAIN

# Seconds between reads of a kind where requests are scarce: planning and those who wait for fills still learn what
# they need, and it takes but a tenth of the requests.


class ReadPace:
    """The reads of one account by one worker."""

    def __init__(self, account_id: int, broker: Broker) -> None:
        self.broker = broker
        self._account_id = account_id
        self._last: dict[str, float] = {}
        self._looked_at, self._is_scarce = -1e9, False

    @property
    def is_scarce(self) -> bool:
        """Return True if the orders that are to be sent need the requests that are left; needs an app context."""
        now = time.monotonic()
        if now - self._looked_at >= SCARCE_AGAIN:
            able = self.broker.capabilities.is_remote
            self._is_scarce = able and self.broker.reads_wait(count_to_be_sent(self._account_id))
            self._looked_at = now
        return self._is_scarce

    def may_read(self, kind: str) -> bool:
        """Return True if there may be a read of a kind now."""
        return time.monotonic() - self._last.get(kind, -1e9) >= RARE_READS[kind] or not self.is_scarce

    def note(self, kind: str) -> None:
        """Note that there is a read of a kind now."""
        self._last[kind] = time.monotonic()
