"""A worker's thread that follows accounts at the brokerage, beside trading and never in its way.

Alpaca's events let an account be looked at at once; without them it is looked at when its time has come.
"""

from __future__ import annotations

import logging
import queue
import threading

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from brokers.alpaca.account_events import AccountEvents
from brokers.errors import BrokerError
from services import brokerage, follow_accounts

logger = logging.getLogger(__name__)

TROUBLE = {
    "asking": "accounts at the brokerage cannot be followed: %s",
    "events": "events of accounts at the brokerage: %s; they are polled without them",
}
OVER = {
    "asking": "accounts at the brokerage are followed again",
    "events": "events of accounts at the brokerage are heard again",
}
EVERY = 2.0  # seconds
MOST = 20  # accounts in a row


class AccountFollower:
    """Looks every two seconds for accounts whose time has come; without a key for the brokerage it does nothing."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._ending, self._poke = threading.Event(), threading.Event()
        self._changed: queue.SimpleQueue[str] = queue.SimpleQueue()  # Alpaca's ids of accounts that it told of
        self._events: AccountEvents | None = None
        self._thread: threading.Thread | None = None
        self._told: dict[str, str] = {}

    def begin(self, *, thread: bool = True) -> None:
        """Start the thread where there is a brokerage; without a thread look once."""
        with self._app.app_context():
            if not brokerage.is_configured():
                return
            settings = brokerage.settings()
        if not thread:
            self.step()
            return
        self._events = AccountEvents(settings, self._tell_of_change)
        self._thread = threading.Thread(target=self._run, name="account-follower", daemon=True)
        self._thread.start()

    def end(self, seconds: float = 0.0) -> None:
        """Tell the thread to end, and wait for it so long."""
        self._ending.set()
        self._poke.set()
        if self._events is not None:
            self._events.close()
        if self._thread is not None:
            self._thread.join(seconds)

    def step(self) -> None:
        """Look at what is due now; what goes wrong is told once, until it changes."""
        try:
            with self._app.app_context():
                while not self._changed.empty():
                    follow_accounts.look_soon(self._changed.get())
                for _ in range(MOST):
                    if self._ending.is_set() or not follow_accounts.follow_next():
                        break
            self._tell("asking", None)
        except BrokerError as e:
            self._tell("asking", str(e))
        except SQLAlchemyError as e:
            self._tell("asking", f"database: {str(getattr(e, 'orig', None) or e).strip()}")
        except Exception:
            logger.exception("accounts at the brokerage: unexpected; trying again")

    def _run(self) -> None:
        while not self._ending.is_set():
            self.step()
            if self._events is not None:
                self._tell("events", self._events.trouble)
            self._poke.wait(EVERY)
            self._poke.clear()

    def _tell_of_change(self, alpaca_id: str) -> None:
        self._changed.put(alpaca_id)
        self._poke.set()

    def _tell(self, topic: str, trouble: str | None) -> None:
        """Log trouble when it begins, changes and ends, not each time that it is met."""
        old = self._told.pop(topic, None)
        if trouble is not None:
            self._told[topic] = trouble
        if trouble is not None and trouble != old:
            logger.warning(TROUBLE[topic], trouble)
        elif trouble is None and old is not None:
            logger.info(OVER[topic])
