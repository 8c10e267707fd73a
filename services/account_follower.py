"""A worker's thread that follows accounts at the brokerage, beside trading and never in its way."""

from __future__ import annotations

import logging
import threading

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from brokers.errors import BrokerError
from services import brokerage, follow_accounts

logger = logging.getLogger(__name__)

EVERY = 2.0  # seconds
MOST = 20  # accounts in a row


class AccountFollower:
    """Looks every two seconds for accounts whose time has come; without a key for the brokerage it does nothing."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble: str | None = None

    def begin(self, *, thread: bool = True) -> None:
        """Start the thread where there is a brokerage; without a thread look once."""
        with self._app.app_context():
            if not brokerage.is_configured():
                return
        if not thread:
            self.step()
            return
        self._thread = threading.Thread(target=self._run, name="account-follower", daemon=True)
        self._thread.start()

    def end(self, seconds: float = 0.0) -> None:
        """Tell the thread to end, and wait for it so long."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def step(self) -> None:
        """Look at what is due now; what goes wrong is told once, until it changes."""
        try:
            with self._app.app_context():
                for _ in range(MOST):
                    if self._ending.is_set() or not follow_accounts.follow_next():
                        break
            self._tell(None)
        except BrokerError as e:
            self._tell(str(e))
        except SQLAlchemyError as e:
            self._tell(f"database: {str(getattr(e, 'orig', None) or e).strip()}")
        except Exception:
            logger.exception("accounts at the brokerage: unexpected; trying again")

    def _run(self) -> None:
        while not self._ending.is_set():
            self.step()
            self._ending.wait(EVERY)

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._trouble:
            logger.warning("accounts at the brokerage cannot be followed: %s", trouble)
        elif trouble is None and self._trouble is not None:
            logger.info("accounts at the brokerage are followed again")
        self._trouble = trouble
