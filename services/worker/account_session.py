"""Keeping one account in step with its broker: its state, polls and stream, in a thread of its own.

A broker that is slow, or away, holds up its own account and no other, and no alert.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from brokers.base import Broker, Stream
from brokers.errors import BrokerError, BrokerUnavailable, RateLimited
from extensions import database_time, db, reading
from services import timing
from services.background import BackgroundThread
from services.broker_state import account_state
from services.broker_state.market import Market
from services.reconciliation import reconcile, sync_broker
from services.reconciliation.lost_orders import look_for_lost
from services.worker import stream_lease
from services.worker.read_pace import ReadPace
from services.worker.stream_watch import StreamWatch

logger = logging.getLogger(__name__)

BUSY = 10  # polls in ten seconds
READS = frozenset({"state", "poll"})  # topics of a broker that cannot be read


class AccountSession:
    """One account of one worker. `is_open`: in step with its broker, so that orders may be sent."""

    def __init__(
        self,
        app: Flask,
        account_id: int,
        broker: Broker,
        market: Market,
        *,
        name: str,
        worker: str,
        wake: Callable[[], None],
    ) -> None:
        self.account_id, self.broker = account_id, broker
        self.is_open = False
        self._label = f"account {account_id} ({name})"
        self._thread = BackgroundThread(
            f"account-{account_id}",
            self._step_and_rest,
            finish=self._close,
            what=self._label,
            pause=timing.LONGEST_REST,
        )
        self._app, self._market, self._worker, self._wake = app, market, worker, wake
        self._watch, self._pace = StreamWatch(self._thread.wake), ReadPace(account_id, broker)
        self._stream: Stream | None = None
        self._due: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._tries = self._soon = 0
        self._polls_again = 0.0  # not before; polls were held back
        self._limited_since: float | None = None  # reads wait for the broker's limit
        self._polls: deque[float] = deque(maxlen=BUSY)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self, seconds: float = 0.0) -> None:
        """Stop the thread, and wait for it so long; it closes the connection itself."""
        self.is_open = False
        self._thread.stop(seconds)

    @property
    def is_away(self) -> bool:
        """Return True if the broker could not be read the last time that it was asked, and not for its limit alone."""
        return bool(READS & self._told.keys()) or (not self.is_open and not self._waits_for_limit)

    @property
    def _waits_for_limit(self) -> bool:
        return self._limited_since is not None and time.monotonic() - self._limited_since < timing.READS_HELD

    def step(self) -> None:
        """Do what is due now; inside an app context."""
        if not self.is_open:
            self._open()
            return
        self._tend_stream()
        if self._is_due("state", self.broker.capabilities.pace.state):
            if self._pace.may_read("state"):
                self._guarded("state", self._refresh)
            else:
                self._due["state"] = time.monotonic() + timing.LONGEST_REST
        self._guarded("poll", self._poll)
        if not self._pace.is_scarce and self._is_due("lost", timing.LOST_EVERY):
            self._guarded("lost", self._look_for_lost)

    def _step_and_rest(self) -> float:
        with self._app.app_context():
            self.step()
        return self._rest()

    def _open(self) -> None:
        if not self._is_due("open", timing.OPEN_AGAIN[min(self._tries, len(timing.OPEN_AGAIN) - 1)]):
            return
        self._tries += 1
        try:
            reconcile.start_account(self.account_id, self.broker, self._worker)
            self._market.refresh(self.account_id)
        except BrokerUnavailable as e:
            if not (isinstance(e, RateLimited) and self._is_held(e)):
                account_state.keep_account(self.account_id, None, None, str(e))
                self._tell("open", f"{self.broker.name} cannot be read ({e}); it stays closed")
            return
        self._is_due("state", self.broker.capabilities.pace.state)
        self._is_due("compare", timing.COMPARE_EVERY)
        self._tries, self.is_open, self._limited_since = 0, True, None
        self._told.clear()
        logger.info("%s: %s is in step, open for orders", self._label, self.broker.name)
        self._wake()

    def _refresh(self) -> bool:
        self._pace.note("state")
        self._market.refresh(self.account_id, sparing=self._pace.is_scarce)
        return True

    def _poll(self) -> bool:
        """Read what has changed, when it is time to; returns True if the broker was asked."""
        if not self._is_poll_due():
            return False
        if not self._pace.may_read("poll"):
            self._polls_again = time.monotonic() + timing.LONGEST_REST
            return False
        news = self._may_poll_for_news() and self._watch.take_news()
        again = self._soon > 0 and time.monotonic() >= self._due.get("soon", 0.0)
        compare = not self._pace.is_scarce and self._is_due("compare", timing.COMPARE_EVERY)
        if not (news or again or compare or self._is_turn()):
            return False
        if compare and not reconcile.take_turn(self.account_id, self.broker.capabilities.pace.poll):
            self._due["compare"] = time.monotonic() + timing.LONGEST_REST  # another worker has the turn now
            compare = False
            if not (news or again):
                return False
        self._polls.append(time.monotonic())
        self._pace.note("poll")
        try:
            last = reconcile.last_poll(self.account_id)
            polled = sync_broker.poll_account(self.account_id, self.broker, last, self._worker)
            account_state.set_state(self.account_id, synced_until=polled.until)
            if compare:
                reconcile.compare_positions(self.account_id, self.broker, self._worker)
                account_state.set_state(self.account_id, reconciled_at=polled.until)
        except BrokerUnavailable:
            if news:
                self._watch.changed()  # what it told of is still to be read
            if compare:
                self._due["compare"] = 0.0
            raise
        self._due["soon"] = time.monotonic() + timing.POLL_AGAIN[min(self._soon, len(timing.POLL_AGAIN) - 1)]
        self._soon = self._soon + 1 if polled.soon else 0
        self._wake()
        return True

    def _look_for_lost(self) -> bool:
        """Look for orders that were given up, and whether the broker holds what they may have traded meanwhile."""
        if not look_for_lost(self.account_id, self.broker, self._worker):
            return False
        reconcile.compare_positions(self.account_id, self.broker, self._worker)
        self._wake()
        return True

    def _is_poll_due(self) -> bool:
        """Return True if there may be something to poll for; nobody is asked for that."""
        now = time.monotonic()
        if now < self._polls_again:
            return False
        again = self._soon > 0 and now >= self._due.get("soon", 0.0)
        news = self._watch.has_news and self._may_poll_for_news()
        return news or again or any(now >= self._due.get(step, 0.0) for step in ("compare", "poll"))

    def _is_turn(self) -> bool:
        """Return True if working orders are to be asked for, by this worker and not by another one."""
        seconds = self.broker.capabilities.pace.poll
        if not self._is_due("poll", seconds):
            return False
        if "poll" not in self._told and not sync_broker.has_working_orders(self.account_id):
            return False
        return reconcile.take_turn(self.account_id, seconds)

    def _may_poll_for_news(self) -> bool:
        """Return True if the last polls leave room for one more: a burst of events is read in few."""
        return time.monotonic() >= self._next_for_news()

    def _next_for_news(self) -> float:
        if not self._polls:
            return 0.0
        many = len(self._polls) == BUSY and time.monotonic() - self._polls[0] < BUSY
        return self._polls[-1] + (timing.BUSY_GAP if many else timing.POLL_GAP)

    def _tend_stream(self) -> None:
        """Listen while the lease is ours, and keep on record how the stream fares."""
        if not self._is_due("stream", timing.STREAM_RENEW):
            return
        if not stream_lease.take_stream(self.account_id, self._worker):
            self._close_stream()
            return
        if self._stream is None:
            self._stream = self.broker.listen(self._watch)
            if self._stream is None:  # this broker has none
                self._due["stream"] = math.inf
            return
        trouble, silent = self._watch.state()
        with reading():
            at = database_time() - timedelta(seconds=silent)
        account_state.set_state(self.account_id, stream_heard_at=at, stream_trouble=trouble and trouble[:255])
        if trouble:
            self._tell("stream", f"the stream of {self.broker.name}: {trouble}; polls go on without it")
        elif self._told.pop("stream", None):
            logger.info("%s: the stream of %s is heard again", self._label, self.broker.name)

    def _guarded(self, topic: str, step: Callable[[], bool]) -> None:
        """Log when a broker can no longer be read, and when it can again; a step that asked nothing says neither."""
        try:
            asked = step()
        except BrokerError as e:
            if isinstance(e, RateLimited) and self._is_held(e):
                return
            self._tell(topic, f"{self.broker.name} cannot be read ({e})")
            return
        if asked:
            self._limited_since = None
        if asked and self._told.pop(topic, "") and not self.is_away:
            logger.info("%s: %s can be read again", self._label, self.broker.name)

    def _is_held(self, limit: RateLimited) -> bool:
        """Return True while reads wait for the broker's limit of requests: nothing is wrong with the broker."""
        if self._limited_since is None:
            self._limited_since = time.monotonic()
            logger.info("%s: reads of %s wait (%s)", self._label, self.broker.name, limit)
        self._polls_again = time.monotonic() + timing.LONGEST_REST
        return self._waits_for_limit

    def _tell(self, topic: str, text: str) -> None:
        """Log something once, not each time that it happens again."""
        if self._told.get(topic) != text:
            logger.warning("%s: %s", self._label, text)
            self._told[topic] = text

    def _is_due(self, step: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(step, 0.0):
            return False
        self._due[step] = now + seconds
        return True

    def _rest(self) -> float:
        waiting = [self._due[step] for step in ("state", "stream") if step in self._due and self.is_open]
        polls = [self._due["poll"]] if "poll" in self._due and self.is_open else []
        if self._soon:
            polls.append(self._due.get("soon", 0.0))
        if self._watch.has_news:
            polls.append(self._next_for_news())
        waiting += [max(at, self._polls_again) for at in polls]
        return max(0.02, min([timing.LONGEST_REST, *(at - time.monotonic() for at in waiting)]))

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _close(self) -> None:
        self._close_stream()
        try:
            with self._app.app_context():
                stream_lease.give_stream_back(self.account_id, self._worker)
                db.session.remove()
        except SQLAlchemyError as e:
            logger.warning("%s: could not give its stream back: %s", self._label, e)
        self.broker.close()
