"""A worker's thread that follows accounts at the brokerage, beside trading and never in its way.

Of several workers one hears Alpaca's events: they say what an account has become, and let it be looked at at once.
Without them it is looked at when its time has come.
"""

from __future__ import annotations

import logging
import queue
import time

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from brokers.alpaca.account_events import AccountEvents
from brokers.errors import BrokerError
from domain.account_opening.status import StatusEvent
from services.account_opening import account_rows, brokerage, follow_accounts
from services.background import BackgroundThread
from services.timing import FOLLOW_EVERY, LISTENER_EVERY
from services.worker import housekeeping

logger = logging.getLogger(__name__)

TROUBLE = {
    "asking": "accounts at the brokerage cannot be followed: %s",
    "events": "events of accounts at the brokerage: %s; they are polled without them",
}
OVER = {
    "asking": "accounts at the brokerage are followed again",
    "events": "events of accounts at the brokerage are heard again",
}
MOST = 20  # accounts in a row


class AccountFollower:
    """Looks every two seconds for accounts whose time has come; without a key for the brokerage it does nothing."""

    def __init__(self, app: Flask, worker: str) -> None:
        self._app, self._worker = app, worker
        self._thread = BackgroundThread("account-follower", self._step_and_rest, finish=self._stop_listening)
        self._heard: queue.SimpleQueue[StatusEvent] = queue.SimpleQueue()
        self._events: AccountEvents | None = None
        self._told: dict[str, str] = {}
        self._listener_due = 0.0

    def begin(self, *, thread: bool = True) -> None:
        """Start the thread where there is a brokerage; without a thread look once."""
        with self._app.app_context():
            if not brokerage.is_configured():
                return
        if not thread:
            self.step()
            return
        self._thread.start()

    def end(self, seconds: float = 0.0) -> None:
        """Stop the thread, and wait for it so long."""
        self._thread.stop(seconds)

    def step(self) -> None:
        """Look at what is due now; what goes wrong is told once, until it changes."""
        try:
            with self._app.app_context():
                self._take_events()
                for _ in range(MOST):
                    if self._thread.is_ending or not follow_accounts.follow_next():
                        break
            self._tell("asking", None)
        except BrokerError as e:
            self._tell("asking", str(e))
        except SQLAlchemyError as e:
            self._tell("asking", f"database: {str(getattr(e, 'orig', None) or e).strip()}")
        except Exception:
            logger.exception("accounts at the brokerage: unexpected; trying again")

    def _step_and_rest(self) -> float:
        self.step()
        self._tend_events()
        return FOLLOW_EVERY

    def _hear(self, event: StatusEvent) -> None:
        self._heard.put(event)
        self._thread.wake()

    def _take_events(self) -> None:
        where = brokerage.environment()
        while not self._heard.empty():
            event = self._heard.get()
            try:
                account_rows.hear(event, where)
            except SQLAlchemyError:
                self._heard.put(event)  # their order is of no account: each says of when it is
                raise

    def _tend_events(self) -> None:
        """Listen while this worker is the one to do so, and keep on record how the stream fares."""
        if time.monotonic() >= self._listener_due:
            self._listener_due = time.monotonic() + LISTENER_EVERY
            self._choose_listener()
        if self._events is not None:
            self._tell("events", self._events.trouble)

    def _choose_listener(self) -> None:
        try:
            with self._app.app_context():
                is_mine, settings = housekeeping.is_eldest(self._worker), brokerage.settings()
        except SQLAlchemyError:
            return  # all stays as it is; the steps tell of the database
        if not is_mine:
            self._stop_listening()
        elif self._events is None:
            self._events = AccountEvents(settings, self._hear)

    def _stop_listening(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None
            self._told.pop("events", None)

    def _tell(self, topic: str, trouble: str | None) -> None:
        """Log trouble when it begins, changes and ends, not each time that it is met."""
        old = self._told.pop(topic, None)
        if trouble is not None:
            self._told[topic] = trouble
        if trouble is not None and trouble != old:
            logger.warning(TROUBLE[topic], trouble)
        elif trouble is None and old is not None:
            logger.info(OVER[topic])
