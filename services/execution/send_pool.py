"""Threads that send orders to brokers beyond this machine, so that one that is slow holds up no other order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from brokers.base import Broker
from services.execution import send_orders
from services.execution.claims import Claim

logger = logging.getLogger(__name__)

MOST = 8  # orders of one account on their way at once; further orders queue until one is answered


class SendPool:
    """The sending threads of one worker; `wake` is called when an answer is booked."""

    def __init__(self, app: Flask, worker: str, wake: Callable[[], None]) -> None:
        self._app, self._worker, self._wake = app, worker, wake
        self._lock = threading.Lock()
        self._threads: dict[int, set[threading.Thread]] = {}

    def room(self, account_id: int) -> int:
        """Return how many orders of an account may be sent now; no more are claimed."""
        with self._lock:
            return max(0, MOST - len(self._threads.get(account_id, ())))

    def send(self, claims: Sequence[Claim], brokers: Mapping[int, Broker], worker: str) -> None:
        """Send orders that are committed as being sent; returns at once where the broker is a remote one."""
        if not claims:
            return
        here = [claim for claim in claims if not brokers[claim.account_id].capabilities.is_remote]
        if here:
            send_orders.send_now(here, brokers, worker)
        for claim in claims:
            if claim in here:
                continue
            thread = threading.Thread(target=self._run, args=([claim], dict(brokers)), name=f"send-{claim.account_id}")
            with self._lock:
                self._threads.setdefault(claim.account_id, set()).add(thread)
            thread.start()

    def close(self) -> None:
        """Wait for the answers that are still to come."""
        with self._lock:
            left = [thread for threads in self._threads.values() for thread in threads]
        for thread in left:
            thread.join()

    def _run(self, claims: Sequence[Claim], brokers: Mapping[int, Broker]) -> None:
        try:
            with self._app.app_context():
                send_orders.send_now(claims, brokers, self._worker)
        except SQLAlchemyError as e:  # the orders stay SENDING, and are looked up when the lease ends
            logger.error("database: %s; an answer was not booked", str(getattr(e, "orig", None) or e).strip())
        except Exception:
            logger.exception("unexpected while sending")
        finally:
            with self._lock:
                self._threads[claims[0].account_id].discard(threading.current_thread())
            self._wake()
