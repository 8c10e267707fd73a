"""A bell between the processes of a desk on SQLite: who has stored an alert rings it, and a worker that waits hears it.

It is a pipe with a name, beside the database. Where it cannot be used the worker finds the alert a moment later by
itself, for a ring is only a hint.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path

logger = logging.getLogger(__name__)

SUFFIX = ".bell"  # what the pipe is called after the database
FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
MOST = 4096  # bytes that are taken out of it at once


class Bell:
    """The bell of one database; any process may ring it, and the one worker listens."""

    def __init__(self, database: str) -> None:
        self._path = Path(f"{database}{SUFFIX}")
        self._listening: int | None = None
        self._is_mute = False

    def mute(self) -> None:
        """Ring no more: a worker does itself what its own changes call for."""
        self._is_mute = True

    def tell(self) -> None:
        """Ring; costs microseconds, and nothing is lost where nobody hears it."""
        if self._is_mute:
            return
        with contextlib.suppress(OSError):  # nobody listens, or it rings already
            pipe = os.open(self._path, os.O_WRONLY | FLAGS)
            try:
                if stat.S_ISFIFO(os.fstat(pipe).st_mode):
                    os.write(pipe, b"!")
            finally:
                os.close(pipe)

    def listen(self) -> None:
        """Hang the bell up."""
        try:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self._path, 0o600)
            pipe = os.open(self._path, os.O_RDWR | FLAGS)  # a reader alone would hear the last writer leave for ever
        except OSError as e:
            logger.warning("no bell at %s (%s): alerts are found a moment later", self._path, e.strerror)
            return
        if stat.S_ISFIFO(os.fstat(pipe).st_mode):
            self._listening = pipe
        else:
            os.close(pipe)

    @property
    def pipes(self) -> list[int]:
        """Return what is to be watched; nothing where no bell could be hung up."""
        return [] if self._listening is None else [self._listening]

    def has_rung(self) -> bool:
        """Return True if it was rung since this was asked last."""
        if self._listening is None:
            return False
        try:
            return bool(os.read(self._listening, MOST))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Take the bell down."""
        if self._listening is not None:
            os.close(self._listening)
            self._listening = None
            self._path.unlink(missing_ok=True)
