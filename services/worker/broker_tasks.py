"""Calls to brokers beyond this machine that are no orders, each account's in a thread of its own.

A broker that is slow, or away, so holds up its own account and no other: what is asked before planning, and what
becomes of cancels and of orders whose outcome is not known.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask

from brokers.base import Broker
from brokers.errors import BrokerUnavailable, RateLimited
from extensions import db
from services.background import LoggedErrors
from services.execution import cancel_orders
from services.reconciliation import look_ups
from services.timing import LOOKUP_RESTS
from services.worker.read_pace import ReadPace

logger = logging.getLogger(__name__)

MOST = 50  # cancels, and look-ups, of one task: then others get a turn
FEW = 5  # look-ups of one task while orders need the requests


class BrokerTasks:
    """The tasks of one worker; `wake` is called when one is done. At most one of a kind for an account at once."""

    def __init__(self, app: Flask, worker: str, wake: Callable[[], None]) -> None:
        self._app, self._worker, self._wake = app, worker, wake
        self._lock = threading.Lock()
        self._threads: dict[tuple[int, str], threading.Thread] = {}
        self._failed: dict[int, int] = {}
        self._rests_until: dict[int, float] = {}
        self._paces: dict[int, ReadPace] = {}
        self._ending = threading.Event()

    def under_way(self, kind: str) -> frozenset[int]:
        """Return the accounts that have a task of this kind under way."""
        with self._lock:
            return frozenset(account_id for account_id, of_kind in self._threads if of_kind == kind)

    def begin(self, account_id: int, kind: str, work: Callable[[], bool]) -> bool:
        """Begin a task in its own thread; False when one of its kind is under way, or all is ending.

        `work` returns True if there is more to do now for the worker, which is woken then.
        """
        key = (account_id, kind)
        with self._lock:
            if key in self._threads or self._ending.is_set():
                return False
            thread = threading.Thread(target=self._run, args=(key, work), name=f"{kind}-{account_id}", daemon=True)
            self._threads[key] = thread
        thread.start()
        return True

    def see_to(self, account_id: int, broker: Broker) -> bool:
        """Cancel and look up the orders of an account that are due, in this thread; returns True if there was one."""
        one, done = {account_id: broker}, 0
        while done < MOST and not self._ending.is_set() and cancel_orders.cancel_next(one, self._worker):
            done += 1
        pace = self._pace_of(account_id, broker)
        if time.monotonic() >= self._rests_until.get(account_id, 0.0) and pace.may_read("look-up"):
            found = self._look_up(account_id, broker, FEW if pace.is_scarce else MOST)
            if found:
                pace.note("look-up")
            done += found
        return done > 0

    def end(self, seconds: float) -> None:
        """Begin no more, and wait so long for those under way."""
        self._ending.set()
        until = time.monotonic() + seconds
        with self._lock:
            left = list(self._threads.values())
        for thread in left:
            thread.join(max(0.0, until - time.monotonic()))

    def _pace_of(self, account_id: int, broker: Broker) -> ReadPace:
        pace = self._paces.get(account_id)
        if pace is None or pace.broker is not broker:  # it is connected anew, with other keys
            pace = self._paces[account_id] = ReadPace(account_id, broker)
        return pace

    def _look_up(self, account_id: int, broker: Broker, most: int) -> int:
        done = 0
        try:
            done = look_ups.resolve_together(account_id, broker, self._worker)
            while (
                done < most and not self._ending.is_set() and look_ups.resolve_next({account_id: broker}, self._worker)
            ):
                done += 1
        except RateLimited as e:  # nothing is wrong there
            self._rests_until[account_id] = time.monotonic() + min(e.seconds_left, LOOKUP_RESTS[-1])
        except BrokerUnavailable as e:
            times = self._failed.get(account_id, 0)
            if times == 0:
                logger.warning("account %s: orders of unknown outcome cannot be looked up now (%s)", account_id, e)
            self._failed[account_id] = times + 1
            self._rests_until[account_id] = time.monotonic() + LOOKUP_RESTS[min(times, len(LOOKUP_RESTS) - 1)]
        else:
            if done and self._failed.pop(account_id, 0):
                logger.info("account %s: orders can be looked up again", account_id)
        return done

    def _run(self, key: tuple[int, str], work: Callable[[], bool]) -> None:
        more = False
        with LoggedErrors(f"{key[1]} of account {key[0]}") as errors, self._app.app_context():
            try:
                more = work()
            finally:
                db.session.remove()
        if errors.failed:  # nothing is lost: what was due still is
            self._ending.wait(1.0)
        with self._lock:
            del self._threads[key]
        if more:
            self._wake()
