"""On SQLite an alert rings for the worker, which else looks a hundred times a second."""

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import change_feed
from services.bell import SUFFIX, Bell
from services.change_feed import SqliteWaker

PATIENCE = 5.0


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "desk.db")
    sqlite3.connect(path).close()
    return path


@pytest.fixture
def waker(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteWaker]:
    monkeypatch.setattr(change_feed, "SQLITE_POLL", PATIENCE)
    waker = SqliteWaker(database, Bell(database))
    yield waker
    waker.close()


def waits(waker: SqliteWaker) -> float:
    began = time.monotonic()
    waker.wait(PATIENCE)
    return time.monotonic() - began


def test_a_ring_ends_the_wait_long_before_the_next_look(database: str, waker: SqliteWaker) -> None:
    ringing = threading.Timer(0.05, Bell(database).tell)
    ringing.start()
    assert waits(waker) < PATIENCE / 2
    ringing.join()


def test_a_ring_before_the_wait_is_heard_and_many_are_one(database: str, waker: SqliteWaker) -> None:
    for _ in range(3):
        Bell(database).tell()
    assert waker.wait(PATIENCE) is True
    assert waker.wait(0.01) is False


def test_a_bell_that_rings_and_rings_blocks_nobody(database: str, waker: SqliteWaker) -> None:
    bell = Bell(database)
    for _ in range(70_000):  # more than the pipe takes
        bell.tell()
    assert waker.wait(PATIENCE) is True


def test_the_worker_does_not_ring_for_itself(database: str, waker: SqliteWaker) -> None:
    bell = Bell(database)
    bell.mute()
    bell.tell()
    assert waker.wait(0.01) is False


def test_without_a_listener_a_ring_does_nothing(database: str) -> None:
    Bell(database).tell()
    assert not os.path.exists(f"{database}{SUFFIX}")


def test_a_bell_that_a_dead_worker_left_is_used_again(database: str) -> None:
    os.mkfifo(f"{database}{SUFFIX}")
    Bell(database).tell()  # nobody listens
    waker = SqliteWaker(database, Bell(database))
    Bell(database).tell()
    assert waker.wait(PATIENCE) is True
    waker.close()
    assert not os.path.exists(f"{database}{SUFFIX}")


def test_another_file_of_that_name_is_left_alone(database: str) -> None:
    path = Path(f"{database}{SUFFIX}")
    path.write_text("mine")
    waker = SqliteWaker(database, Bell(database))
    Bell(database).tell()
    assert waker.wait(0.01) is False
    waker.close()
    assert path.read_text() == "mine"


def test_only_the_owner_may_ring(database: str, waker: SqliteWaker) -> None:
    assert stat.S_IMODE(os.stat(f"{database}{SUFFIX}").st_mode) == 0o600


def test_where_no_pipe_can_be_made_the_version_still_tells(tmp_path: Path, database: str) -> None:
    waker = SqliteWaker(database, Bell(str(tmp_path / "missing" / "desk.db")))
    with sqlite3.connect(database) as connection:
        connection.execute("create table t (x)")
    assert waker.wait(PATIENCE) is True
    waker.close()
