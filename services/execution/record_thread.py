"""One thread of a worker that records what brokers beyond this machine have answered, all that there is at a time."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from flask import Flask

from services.execution.recorder import Answered, Backlog

logger = logging.getLogger(__name__)

MOST = 64  # answers of one transaction


class RecordThread:
    """Takes answers from any thread; `wake` is called when some were recorded. It runs once there is a first one."""

    def __init__(self, app: Flask, worker: str, wake: Callable[[], None]) -> None:
        self._app, self._wake = app, wake
        self._backlog = Backlog(worker)
        self._answers: queue.SimpleQueue[Answered | None] = queue.SimpleQueue()  # None = no more will come
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, answers: Sequence[Answered]) -> None:
        """Take answers; returns at once."""
        for answered in answers:
            self._answers.put(answered)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Return when all answers are recorded, or the leases of their orders have ended; then put none any more."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            self._answers.put(None)
            thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last or self._backlog.pause:
            found = self._take()
            is_last = is_last or None in found
            answers = [answered for answered in found if answered is not None]
            try:
                with self._app.app_context():
                    self._backlog.record(answers)
            except Exception:  # the orders stay SENDING, and are looked up when their leases end
                logger.exception("unexpected while recording %d answers", len(answers))
            self._wake()

    def _take(self) -> list[Answered | None]:
        """Return all that there is; waits for the first, but no longer than those may wait that are tried again."""
        found: list[Answered | None] = []
        try:
            found.append(self._answers.get(timeout=self._backlog.pause or None))
            while len(found) < MOST:
                found.append(self._answers.get_nowait())
        except queue.Empty:
            pass
        return found
