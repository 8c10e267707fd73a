"""Writers on SQLite take turns: nobody is kept out by one that writes all the time."""

import multiprocessing
import os
import select
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

import sqlite_turns
from engines import TURNS, write_in_bulk
from extensions import db, transaction
from sqlite_turns import Turns


def connect(path: Path, patience: float = 5.0) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(connect(tmp_path / "turns.db")) as connection:
        connection.execute("CREATE TABLE rows (of TEXT)")
    return tmp_path / "turns.db"


def write(path: Path, turns: Turns, of: str) -> None:
    with closing(connect(path)) as connection:
        turns.begin(connection)
        connection.execute("INSERT INTO rows VALUES (?)", (of,))
        connection.execute("COMMIT")


def count(path: Path, of: str) -> int:
    with closing(connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM rows WHERE of = ?", (of,)).fetchone()[0])


def write_without_a_break(path: str, polite: bool, stop: "multiprocessing.synchronize.Event") -> None:
    """Hold the lock nearly all the time, in long transactions with nothing between them, as a worker with a backlog."""
    turns = Turns(path)
    turns.writes_in_bulk = polite
    with closing(connect(Path(path))) as connection:
        while not stop.is_set():
            turns.begin(connection)
            connection.execute("INSERT INTO rows VALUES ('bulk')")
            time.sleep(0.02)
            connection.execute("COMMIT")


@contextmanager
def bulk_writer(path: Path, *, polite: bool = True) -> Iterator[None]:
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    process = spawn.Process(target=write_without_a_break, args=(str(path), polite, stop))
    process.start()
    try:
        while not count(path, "bulk"):
            time.sleep(0.01)
        yield
    finally:
        stop.set()
        process.join(20)


def test_a_bulk_writer_lets_every_other_one_in_and_goes_on_itself(path: Path) -> None:
    turns = Turns(str(path))
    with bulk_writer(path):
        between = []
        for _ in range(20):
            before = count(path, "bulk")
            write(path, turns, "single")
            between.append(count(path, "bulk") - before)
        after = count(path, "bulk")
        while count(path, "bulk") == after:  # it is not kept out either
            time.sleep(0.01)
    assert count(path, "single") == 20
    assert max(between) <= 2  # the transaction in hand, and one that began in the same moment


def test_who_waits_is_seen_by_other_processes_and_by_other_threads(path: Path) -> None:
    waiting, elsewhere, here = Turns(str(path)), Turns(str(path)), Turns(str(path))
    with closing(connect(path)) as holder, closing(connect(path)) as other:
        holder.execute("BEGIN IMMEDIATE")
        assert not elsewhere._somebody_waits()
        thread = threading.Thread(target=waiting.begin, args=(other,))
        thread.start()
        while not elsewhere._somebody_waits():
            time.sleep(0.001)
        assert waiting._somebody_waits()
        assert here._somebody_waits()
        holder.execute("COMMIT")
        thread.join(10)
        assert not elsewhere._somebody_waits()
        assert not waiting._somebody_waits()


def test_patience_ends_with_the_same_error_as_the_database_s_own(path: Path) -> None:
    turns = Turns(str(path))
    with closing(connect(path)) as holder, closing(connect(path, patience=0.05)) as other:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            turns.begin(other)
        assert other.execute("PRAGMA busy_timeout").fetchone() == (50,)
        assert not turns._somebody_waits()


def test_a_bulk_writer_steps_aside_for_a_moment_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_turns, "STEP_ASIDE", 0.02)
    waiting, bulk = Turns(str(path)), Turns(str(path))
    bulk.writes_in_bulk = True
    with closing(connect(path)) as connection, waiting._shown_as_waiting():  # for ever
        bulk.begin(connection)
        connection.execute("COMMIT")


def test_a_forked_process_waits_for_itself(path: Path) -> None:
    turns, other = Turns(str(path)), Turns(str(path))
    with turns._shown_as_waiting():
        pass  # the file is open now
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with turns._shown_as_waiting():
            os.write(ready[1], b"1")
            select.select([done[0]], [], [], 10)
        os._exit(0)
    os.read(ready[0], 1)
    with turns._shown_as_waiting():
        pass
    assert other._somebody_waits()  # the child waits still
    os.write(done[1], b"1")
    os.waitpid(child, 0)
    assert not other._somebody_waits()


def test_the_desk_begins_its_transactions_so(sqlite_url: str, app: Flask) -> None:
    with app.app_context():
        if db.engine.dialect.name != "sqlite":
            assert db.engine not in TURNS
            return
        write_in_bulk(db.engine)
        assert TURNS[db.engine].writes_in_bulk
        with closing(connect(Path(str(db.engine.url.database)))) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(sa.exc.OperationalError, match="database is locked"), transaction():
                pass
        with transaction() as session:
            session.execute(sa.text("SELECT 1"))
