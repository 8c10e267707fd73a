"""Keeps the processes of a desk running: one that dies is started again, and all are stopped together."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from logs import configure_logging

logger = logging.getLogger("supervisor")

LOOK_EVERY = 0.1  # seconds
DELAYS = (1.0, 2.0, 5.0, 10.0)  # seconds until a process is started again, by how often it died quickly
QUICK = 15.0  # seconds; one that lived longer had begun well
MOST_QUICK = len(DELAYS) + 1  # quick deaths in a row of one process that end the desk
CLEAR = 5.0  # seconds that what a dead process leaves behind may take to end
GRACE = 25.0  # seconds that all may take to finish the step in hand, once they are told to stop


class Program:
    """One line of a Procfile, and the process that runs it now, in a group of its own."""

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._next = 0.0
        self._quick = 0  # deaths in a row

    def tend(self) -> str | None:
        """Start the process when its time has come; returns why the desk must end, if it must."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._next:
                self._start()
            return None
        if (code := self._process.poll()) is None:
            return None
        how = f"{self.name} (process {self._process.pid}) {_ending(code)}"
        self._clear()
        self._process = None
        self._quick = self._quick + 1 if now - self._began < QUICK else 0
        if self._quick >= MOST_QUICK:
            return f"{how}, the {self._quick}th time within {QUICK:.0f} s of its start"
        delay = DELAYS[max(0, self._quick - 1)]
        self._next = now + delay
        logger.error("%s; it is started again in %.0f s", how, delay)
        return None

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children."""
        if self._process is not None:
            _signal_group(self._process.pid, number)

    def has_ended(self) -> bool:
        """Return True if nothing of it runs any more."""
        return self._process is None or (self._process.poll() is not None and not _group_lives(self._process.pid))

    def _start(self) -> None:
        # In place of the shell, so that its death is seen; in a session of its own, so that Ctrl-C comes from us.
        command = f"exec {self._command}"
        self._process = subprocess.Popen(command, shell=True, start_new_session=True)  # noqa: S602 - the Procfile's own
        self._began = time.monotonic()

    def _clear(self) -> None:
        """End what the process has left behind: it may still hold the port."""
        assert self._process is not None  # noqa: S101 - it was just polled
        group, until = self._process.pid, time.monotonic() + CLEAR
        _signal_group(group, signal.SIGTERM)
        while _group_lives(group) and time.monotonic() < until:
            time.sleep(LOOK_EVERY)
        _signal_group(group, signal.SIGKILL)


class Supervisor:
    """Runs programs until it is told to stop, or until one of them cannot be kept running."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self._told, self._hurry = threading.Event(), threading.Event()

    def stop(self, *_: object) -> None:
        """Be told to stop; a second time nothing is waited for."""
        (self._hurry if self._told.is_set() else self._told).set()

    def run(self) -> int:
        """Return the exit code when all have ended: 0 after `stop`, 1 when one could not be kept running."""
        while not self._told.is_set():
            for program in self._programs:
                if reason := program.tend():
                    logger.critical("%s; the desk ends, its own lines above say why", reason)
                    self._end()
                    return 1
            self._told.wait(LOOK_EVERY)
        self._end()
        return 0

    def _end(self) -> None:
        for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, CLEAR)):
            self._signal(number)
            until = time.monotonic() + seconds
            while not self._have_ended() and time.monotonic() < until:
                if self._hurry.is_set() and number == signal.SIGTERM:
                    break
                time.sleep(LOOK_EVERY)

    def _signal(self, number: int) -> None:
        for program in self._programs:
            program.signal(number)

    def _have_ended(self) -> bool:
        return all(program.has_ended() for program in self._programs)


def read_procfile(path: Path, names: Sequence[str]) -> list[Program]:
    """Return the named programs of a Procfile; raises KeyError for one that it does not have."""
    lines = [line.partition(":") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    commands = {name.strip(): command.strip() for name, _, command in lines}
    return [Program(name, commands[name]) for name in names]


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}"


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where all are dead already
        os.killpg(group, number)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> int:
    """Start the programs; returns the exit code."""
    arguments = argparse.ArgumentParser(description="Keep the processes of a Procfile running.")
    arguments.add_argument("--procfile", type=Path, default=Path("Procfile"))
    arguments.add_argument("names", nargs="+")
    given = arguments.parse_args()
    configure_logging("info")
    supervisor = Supervisor(read_procfile(given.procfile, given.names))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.stop)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
