"""The events of the Broker API: they say that something happened to an account, and of a status what it is now.

Losing them is harmless, as accounts are polled all the same. After a break the stream goes on where it ended.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable

import requests

from brokers.alpaca.account_forms import status_event
from brokers.alpaca.logins import login_of
from brokers.alpaca.settings import BrokerageSettings
from brokers.errors import BrokerUnavailable
from brokers.http import CONNECT_SECONDS
from domain.account_opening.status import StatusEvent

SILENT_SECONDS = 60.0  # a stream that sends not even a heartbeat for so long is dead
PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)  # seconds between tries to connect
JOIN_SECONDS = 3.0


class AccountEvents:
    """A listener in a thread of its own; `changed` is called with each event, from that thread."""

    def __init__(self, settings: BrokerageSettings, changed: Callable[[StatusEvent], None]) -> None:
        self.trouble: str | None = None  # why it is silent now
        self._changed = changed
        self._url = f"{settings.url}/v1/events/accounts/status"
        self._session = requests.Session()
        self._session.auth = self._login = login_of(settings)
        self._cursor: str | None = None
        self._ending = threading.Event()
        self._answer: requests.Response | None = None
        self._tries = 0
        self._thread = threading.Thread(target=self._run, name="account-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._ending.set()
        if self._answer is not None:
            with contextlib.suppress(Exception):  # it may have ended meanwhile
                self._answer.raw.shutdown()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._listen()
                self.trouble = "the stream ended"
            except BrokerUnavailable as e:
                self.trouble = str(e)
            except requests.RequestException as e:
                self.trouble = f"no stream from Alpaca ({type(e).__name__})"
            except Exception as e:  # what cannot be understood must not end the thread
                self.trouble = f"the stream cannot be understood ({type(e).__name__})"
            self._ending.wait(PAUSES[min(self._tries, len(PAUSES) - 1)])
            self._tries += 1
        self._session.close()

    def _listen(self) -> None:
        self._login.prepare()
        with self._session.get(
            self._url,
            params={"since_ulid": self._cursor} if self._cursor else {},
            headers={"Accept": "text/event-stream"},
            stream=True,
            allow_redirects=False,
            timeout=(CONNECT_SECONDS, SILENT_SECONDS),
        ) as answer:
            if answer.status_code == 401:
                self._login.renew()
            if answer.status_code != 200:
                raise requests.HTTPError(f"HTTP {answer.status_code}")
            self._answer = answer
            for line in answer.iter_lines(chunk_size=1):
                if self._ending.is_set():
                    return
                self.trouble, self._tries = None, 0
                if line.startswith(b"data:"):
                    self._take(line.removeprefix(b"data:"))

    def _take(self, text: bytes) -> None:
        try:
            event = json.loads(text)
            told = status_event(event)
        except ValueError:
            return  # the next poll sees what it was about
        self._changed(told)
        self._cursor = str(event.get("event_ulid") or "") or self._cursor
