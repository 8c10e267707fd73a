"""Sending orders: to brokers beyond this machine in threads, so that one that is slow holds up no other order.

A venue on this machine answers at once. Its answers are recorded together, a moment later: orders go first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from flask import Flask

from brokers.base import Broker
from services.execution import send_orders
from services.execution.claims import Claim
from services.execution.record_thread import RecordThread
from services.execution.recorder import Answered, record_until_done
from services.timing import RECORD_WITHIN

logger = logging.getLogger(__name__)

MOST = 8  # orders of one account on their way at once; further orders queue until one is answered
MOST_UNRECORDED = 64  # answers of venues on this machine


class SendPool:
    """The sending threads of one worker, so many for each account, and the one that records.

    `wake` is called when answers are recorded. By then there is room again for the account's next orders.
    """

    def __init__(self, app: Flask, worker: str, wake: Callable[[], None]) -> None:
        self._recorder, self._worker = RecordThread(app, worker, wake), worker
        self._here: list[Answered] = []  # not recorded yet
        self._since = 0.0
        self._lock = threading.Lock()
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._on_their_way: Counter[int] = Counter()

    def room(self, account_id: int) -> int:
        """Return how many orders of an account may be sent now; no more are claimed."""
        with self._lock:
            return max(0, MOST - self._on_their_way[account_id])

    def send(self, claims: Sequence[Claim], brokers: Mapping[int, Broker], worker: str) -> None:
        """Send orders that are committed as being sent; returns at once where the broker is a remote one.

        What a venue on this machine answers is recorded by `record`.
        """
        here = [claim for claim in claims if not brokers[claim.account_id].capabilities.is_remote]
        if here:
            self._since = self._since if self._here else time.monotonic()
            self._here += send_orders.call_brokers(here, brokers)
        far = [claim for claim in claims if brokers[claim.account_id].capabilities.is_remote]
        for account_id, group in groupby(sorted(far, key=_account_of), _account_of):
            broker = brokers[account_id]
            for part in send_orders.calls_of(broker, list(group)):
                with self._lock:
                    self._on_their_way[account_id] += len(part)
                    threads = self._threads_of(account_id)
                threads.submit(self._call, account_id, broker, part)

    @property
    def can_wait(self) -> bool:
        """Return True while other orders may go before the answers of venues on this machine are recorded."""
        return len(self._here) < MOST_UNRECORDED and time.monotonic() - self._since < RECORD_WITHIN

    def record(self) -> bool:
        """Record what venues on this machine have answered; False when there is nothing."""
        answers, self._here = self._here, []
        if answers:
            record_until_done(answers, self._worker)
        return bool(answers)

    def close(self) -> None:
        """Wait for the answers that are still to come, and until they are recorded."""
        with self._lock:
            pools = list(self._threads.values())
        for threads in pools:
            threads.shutdown()
        self._recorder.close()

    def _threads_of(self, account_id: int) -> ThreadPoolExecutor:
        """Return the threads of an account: of its own, so that no other account's broker can hold them up."""
        if account_id not in self._threads:
            self._threads[account_id] = ThreadPoolExecutor(MOST, thread_name_prefix=f"send-{account_id}")
        return self._threads[account_id]

    def _call(self, account_id: int, broker: Broker, claims: Sequence[Claim]) -> None:
        answers: Sequence[Answered] = ()
        try:
            answers = send_orders.call_broker(broker, claims)
        except Exception:  # the orders stay SENDING, and are looked up when their leases end
            logger.exception("unexpected while sending")
        finally:
            with self._lock:  # before the worker is woken, which looks for room
                self._on_their_way[account_id] -= len(claims)
            self._recorder.put(answers)


def _account_of(claim: Claim) -> int:
    return claim.account_id
