"""Tickets: files by which a running process is told to die, or to stop, at the next crash point of a name.

Whichever process reaches the point first takes the ticket by renaming it, which only one can do. A used
ticket says who used it and when, so what really happened can be counted afterwards.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Action(StrEnum):
    """What happens to the process that takes a ticket."""

    KILL = "kill"
    STOP = "stop"


SIGNALS = {Action.KILL: signal.SIGKILL, Action.STOP: signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Used:
    """A ticket that a process took; `at` in seconds since 1970."""

    point: str
    action: Action
    pid: int
    at: float


class Tickets:
    """The tickets of one rehearsal, in a folder that all its processes know."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._used = folder, folder / "used"
        self._used.mkdir(parents=True, exist_ok=True)

    def arm(self, point: str, action: Action) -> None:
        """Lay out a ticket."""
        self._ticket(point, action).touch()

    def withdraw(self) -> None:
        """Take back all tickets that nobody took."""
        for path in self._folder.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)

    def used(self) -> list[Used]:
        """Return the tickets that were taken, oldest first."""
        found = []
        for path in self._used.iterdir():
            at, pid, action, point = path.name.split(" ", 3)
            found.append(Used(point, Action(action), int(pid), int(at) / 1e9))
        return sorted(found, key=lambda one: one.at)

    def reach(self, point: str) -> None:
        """Take the ticket of this point, if there is one, and do what it says to this very process."""
        for action, number in SIGNALS.items():
            pid = os.getpid()
            try:
                self._ticket(point, action).rename(self._used / f"{time.time_ns()} {pid} {action} {point}")
            except FileNotFoundError:
                continue
            os.kill(pid, number)

    def _ticket(self, point: str, action: Action) -> Path:
        return self._folder / f"{action} {point}"
