"""One thread of a worker that records what brokers beyond this machine have answered, all that there is at a time."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Sequence

from flask import Flask

from services.background import BackgroundThread
from services.execution.recorder import Answered, Backlog

logger = logging.getLogger(__name__)

MOST = 64  # answers of one transaction


class RecordThread:
    """Takes answers from any thread; `wake` is called when some were recorded. It runs once there is a first one."""

    def __init__(self, app: Flask, worker: str, wake: Callable[[], None]) -> None:
        self._app, self._wake = app, wake
        self._backlog = Backlog(worker)
        self._answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        self._thread = BackgroundThread("recorder", self._record_and_rest, finish=self._record_the_rest)

    def put(self, answers: Sequence[Answered]) -> None:
        """Take answers; returns at once."""
        for answered in answers:
            self._answers.put(answered)
        self._thread.wake()
        self._thread.start()

    def close(self) -> None:
        """Return when all answers are recorded, or the leases of their orders have ended; then put none any more."""
        self._thread.stop()

    def _record_and_rest(self) -> float | None:
        """Record what there is; returns how long those may wait that are tried again."""
        answers = self._take()
        if answers or self._backlog.pause:
            self._record(answers)
        return self._backlog.pause or (None if self._answers.empty() else 0.0)

    def _record_the_rest(self) -> None:
        while self._backlog.pause or not self._answers.empty():
            time.sleep(self._backlog.pause)
            self._record(self._take())

    def _record(self, answers: list[Answered]) -> None:
        try:
            with self._app.app_context():
                self._backlog.record(answers)
        except Exception:  # the orders stay SENDING, and are looked up when their leases end
            logger.exception("unexpected while recording %d answers", len(answers))
        self._wake()

    def _take(self) -> list[Answered]:
        found: list[Answered] = []
        with contextlib.suppress(queue.Empty):
            while len(found) < MOST:
                found.append(self._answers.get_nowait())
        return found
