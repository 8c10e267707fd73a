"""Threads that work in the background of a process: one way to start, wake and stop them, whatever they do.

No error ends such a thread: it is logged, and the work goes on after a pause.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)


class LoggedErrors:
    """Logs what goes wrong within it, and lets the program go on; `failed` says whether anything did.

    An error of the database is told in a line, for the cause is not in the code; every other one with its traceback.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.failed = False

    def __enter__(self) -> LoggedErrors:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self.failed = True
        if isinstance(error, SQLAlchemyError):
            logger.error("%s: database: %s", self._what, str(getattr(error, "orig", None) or error).strip())
        else:
            logger.error("%s: unexpected; trying again", self._what, exc_info=error)
        return True


class BackgroundThread:
    """Takes a step, rests, and takes the next one, in a thread of its own; it has one life.

    `step` returns how many seconds to rest, None = until somebody wakes it; `finish` is called at the end, in the same
    thread. `what` is what errors are logged about, and `pause` the seconds after one, in which nobody can wake it.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        *,
        finish: Callable[[], None] | None = None,
        what: str | None = None,
        pause: float = 1.0,
    ) -> None:
        self.name = name
        self._thread: threading.Thread | None
        self._step, self._finish, self._what, self._pause = step, finish, what or name, pause
        self._forget()
        _made.add(self)

    def start(self) -> None:
        """Start the thread unless it was started, or stopped, before; costs next to nothing then."""
        if self._thread is None:
            with self._starting:
                if self._thread is None and not self.is_ending:
                    self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                    self._thread.start()

    def wake(self) -> None:
        """Let the next step be taken now."""
        self._woken.set()

    def stop(self, seconds: float | None = None) -> bool:
        """End it after its present step, and wait so long for that, None = for ever; returns True if it has ended."""
        self._ending.set()
        self._woken.set()
        with self._starting:
            thread = self._thread
        if thread is None:
            return True
        thread.join(seconds)
        return not thread.is_alive()

    def sleep(self, seconds: float) -> None:
        """Wait within a step; only the end of the thread cuts it short."""
        self._ending.wait(seconds)

    @property
    def is_woken(self) -> bool:
        """Return True if the next step will be taken without a rest."""
        return self._woken.is_set()

    @property
    def is_ending(self) -> bool:
        """Return True once it was told to stop."""
        return self._ending.is_set()

    @property
    def is_alive(self) -> bool:
        """Return True while the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _forget(self) -> None:
        """Be as new: in a forked process there is no thread, and its locks may be held by nobody for ever."""
        self._starting = threading.Lock()
        self._woken, self._ending = threading.Event(), threading.Event()
        self._thread = None

    def _run(self) -> None:
        rest: float | None = 0.0
        while True:
            self._woken.wait(rest)
            self._woken.clear()
            if self.is_ending:  # asked after the clearing, so that no end is overslept
                break
            with LoggedErrors(self._what) as errors:
                rest = self._step()
            if errors.failed:
                self._ending.wait(self._pause)
                rest = 0.0
        if self._finish is not None:
            with LoggedErrors(self._what):
                self._finish()


_made: weakref.WeakSet[BackgroundThread] = weakref.WeakSet()


def _forget_all() -> None:
    for background in _made:
        background._forget()


os.register_at_fork(after_in_child=_forget_all)
