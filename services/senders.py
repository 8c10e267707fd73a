"""Threads that send orders to brokers beyond this machine, so that one that is slow holds up no other order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from brokers.base import Broker
from services import send_orders
from services.claims import Claim

logger = logging.getLogger(__name__)

MOST = 8  # signals whose orders are on their way at once; the next one is sent by whoever asks, who then waits


class Senders:
    """The sending threads of one worker; `wake` is called when an answer is booked."""

    def __init__(self, app: Flask, worker: str, wake: Callable[[], None]) -> None:
        self._app, self._worker, self._wake = app, worker, wake
        self._free = threading.Semaphore(MOST)
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="send")

    def send(self, claims: Sequence[Claim], brokers: Mapping[int, Broker], worker: str) -> None:
        """Send orders that are committed as being sent; returns at once where a thread is free."""
        if not claims:
            return
        remote = any(brokers[claim.account_id].capabilities.is_remote for claim in claims)
        if remote and self._free.acquire(blocking=False):
            self._pool.submit(self._run, claims, dict(brokers))
        else:
            send_orders.send_now(claims, brokers, worker)

    def close(self) -> None:
        """Wait for the answers that are still to come."""
        self._pool.shutdown(wait=True)

    def _run(self, claims: Sequence[Claim], brokers: Mapping[int, Broker]) -> None:
        try:
            with self._app.app_context():
                send_orders.send_now(claims, brokers, self._worker)
        except SQLAlchemyError as e:  # the orders stay SENDING, and are looked up when the lease ends
            logger.error("database: %s; an answer was not booked", str(getattr(e, "orig", None) or e).strip())
        except Exception:
            logger.exception("unexpected while sending")
        finally:
            self._free.release()
            self._wake()
