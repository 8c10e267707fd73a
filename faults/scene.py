"""The processes of one rehearsal: a desk on one database, its web process and workers, replaced when they die."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import psutil

from bench.support import SQLITE, Child, Desk, Stage, make_desk
from faults.alpaca_venue import AlpacaSide
from faults.disguised_venue import DisguisedSide
from faults.launch import FOLDER
from faults.recovery import Blow
from faults.tickets import Tickets
from faults.venues import Venue, open_venue, settings_for

SINGLES = tuple(f"S{letter}.FT" for letter in "ABCDEFGHIJKL")
PAIRS = (
    ("PA.FT", "PB.FT", "1"),
    ("PC.FT", "PD.FT", "2"),
    ("PE.FT", "PF.FT", "0.5"),
    ("PG.FT", "PH.FT", "1.35"),
    ("PA.FT", "PH.FT", "3"),  # shares its legs with others
    ("PI.FT", "PD.FT", "0.75"),
)
WORKERS = {SQLITE: 2}  # on SQLite the second waits for its turn
MOST_WORKERS = 3
PATROL_SECONDS = 0.05
LOCK_SECONDS = 3.0
LOCK_PATIENCE = 1.0  # waiting longer would keep the conductor from waking whom it has stopped


@dataclass
class Scene:
    """A desk that runs, and what is done to it."""

    stage: Stage
    desk: Desk
    tickets: Tickets
    venue: Venue
    replaced: int = 0
    shipped: bool = False  # start what is shipped, deaf to tickets
    _roles: dict[str, Child] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _end: threading.Event = field(default_factory=threading.Event)
    _patrol: threading.Thread | None = None

    def open(self) -> None:
        """Start all processes, return when the web process answers, and replace from now on whatever dies."""
        for role in ("web", *self.worker_roles()):
            self._roles[role] = self._start(role)
        self.desk.wait_for("/healthz", self._roles["web"])
        self._patrol = threading.Thread(target=self._replace_the_dead, name=f"patrol-{self.desk.kind}", daemon=True)
        self._patrol.start()

    def close(self) -> None:
        """Stop all processes as an operator would."""
        self._end.set()
        if self._patrol is not None:
            self._patrol.join()
        for child in self._roles.values():
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGCONT)
            self.stage.stop(child)
        self._roles.clear()
        self.venue.close()

    def worker_roles(self) -> list[str]:
        """Return the names of the workers."""
        return [f"worker{n}" for n in range(1, WORKERS.get(self.desk.kind, MOST_WORKERS) + 1)]

    def kill_worker(self, rng: random.Random) -> Blow:
        """Kill one worker."""
        with self._lock:
            child = self._roles[rng.choice(self.worker_roles())]
            return _kill(child.process.pid)

    def kill_web(self, rng: random.Random) -> Blow:
        """Kill one of the processes that serve, or now and then the one above them."""
        with self._lock:
            parent = self._roles["web"].process.pid
            with contextlib.suppress(psutil.NoSuchProcess):
                serving = psutil.Process(parent).children()
                if serving and rng.random() < 0.75:
                    return _kill(rng.choice(serving).pid)
            blow = Blow(time.time(), parent)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent, signal.SIGKILL)
            return blow

    def restart_as_shipped(self) -> None:
        """Kill every worker and start the shipped program, which knows no tickets and has the usual lease."""
        with self._lock:
            self.shipped = True
            for role in self.worker_roles():
                _kill(self._roles[role].process.pid)

    def take_database_away(self) -> Blow | None:
        """Let PostgreSQL crash and come back, or keep SQLite's write lock for three seconds.

        None when somebody else keeps that lock: a process that was stopped amid a transaction has it until it goes on.
        """
        if self.desk.kind == SQLITE:
            return hold_write_lock(self.desk.config.database_url.removeprefix("sqlite:///"))
        blow = Blow(time.time())
        self.stage.cluster.restart("immediate")
        return blow

    def register(self) -> None:
        """Make the load's stocks and pairs tradable."""
        self.desk.register(SINGLES, PAIRS)
        if isinstance(self.venue, AlpacaSide):  # where a fraction cannot be short, a pair's legs are whole shares
            self.venue.keep_whole(sorted({symbol for first, second, _ in PAIRS for symbol in (first, second)}))

    def tickers(self) -> list[str]:
        """Return what alerts may name; a hedge ratio of 1 is left out, as charts do."""
        pairs = [f"{a}-{'' if Decimal(ratio) == 1 else ratio + '*'}{b}" for a, b, ratio in PAIRS]
        return [*SINGLES, *pairs]

    def _start(self, role: str) -> Child:
        if role == "web":
            factory = "faults.launch:create_app()"
            return self._run(role, "-m", "gunicorn", "--config", "gunicorn.conf.py", factory)
        is_shipped = self.shipped and not isinstance(self.venue, DisguisedSide)  # which knows no disguise
        return self._run(role, "worker.py") if is_shipped else self._run(role, "-m", "faults.launch")

    def _run(self, role: str, *arguments: str) -> Child:
        return self.stage.start(f"{self.desk.name}-{role}", [sys.executable, *arguments], self.desk.env)

    def _replace_the_dead(self) -> None:
        while not self._end.wait(PATROL_SECONDS):
            with self._lock:
                for role, child in self._roles.items():
                    if child.process.poll() is not None:
                        self.stage.stop(child)  # and whatever it left running
                        self._roles[role] = self._start(role)
                        self.replaced += 1


def hold_write_lock(path: str) -> Blow | None:
    """Keep SQLite's write lock for three seconds; None when it was not to be had within one."""
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_PATIENCE, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return None
        blow = Blow(time.time())
        time.sleep(LOCK_SECONDS)
        connection.execute("ROLLBACK")
    return blow


def _kill(pid: int) -> Blow:
    blow = Blow(time.time(), pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return blow


@contextlib.contextmanager
def scene(stage: Stage, kind: str, venue: str) -> Iterator[Scene]:
    """Give the desk of one database, set up, registered and running; its processes end with it."""
    folder = stage.folder / "tickets"
    settings = {FOLDER: str(folder), "WEB_WORKERS": "2", "WEB_THREADS": "16"}
    settings |= {"LEG_TIMEOUT": "2", "LOG_LEVEL": "info", **settings_for(stage, venue, kind)}
    desk = make_desk(stage, kind, kind, **settings)
    made = Scene(stage, desk, Tickets(folder), open_venue(venue, desk.config))
    made.register()
    try:
        made.open()
        yield made
    finally:
        made.close()
