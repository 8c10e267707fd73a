"""The worker as a process of its own: woken, stopped, killed, doubled."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from extensions import transaction
from models import Order, Signal, Worker
from tests.support.brokers import find
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_env, make_pair, make_stock

PATIENCE = 20  # seconds on a busy machine
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


@pytest.fixture
def worker(pytestconfig: pytest.Config, database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start `python worker.py` on the test's desk and on the paper store in its folder."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        env = make_env(database_url, tmp_path, PAPER_DATABASE_URL=f"sqlite:///{tmp_path}/paper.db", **settings)
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            command = [sys.executable, "worker.py", *arguments]
            process = subprocess.Popen(command, cwd=pytestconfig.rootpath, env=env, stderr=log, stdout=log)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def eventually(question: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def running(desk: Desk) -> int:
    with transaction() as session:
        return session.execute(
            sa.select(sa.func.count()).select_from(Worker).where(Worker.stopped_at.is_(None))
        ).scalar_one()


def status(desk: Desk, rowid: int) -> str:
    return desk.signal(rowid).status


def test_an_alert_is_filled_by_the_running_worker(desk: Desk, worker: Start) -> None:
    worker()
    eventually(lambda: running(desk) == 1, "the worker never said that it lives")
    single, pair = desk.alert("LNT"), desk.alert("MA-3*V", quantity="20", price="-2")
    eventually(lambda: status(desk, single) == status(desk, pair) == "filled", "the signals were not filled")


def test_once_does_what_waits_and_ends(desk: Desk, worker: Start) -> None:
    rowid = desk.alert("LNT")
    assert worker("--once").wait(PATIENCE) == 0
    assert status(desk, rowid) == "filled"
    assert running(desk) == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_ends_at_once_and_signs_off(desk: Desk, worker: Start, stop: signal.Signals) -> None:
    process = worker()
    eventually(lambda: running(desk) == 1, "the worker never said that it lives")
    began = time.monotonic()
    process.send_signal(stop)
    assert process.wait(PATIENCE) == 0
    assert time.monotonic() - began < 5
    assert running(desk) == 0


def test_sigterm_finishes_the_step_in_hand(desk: Desk, worker: Start) -> None:
    desk.tell(Kind.HANG, seconds=1.5)
    rowid = desk.alert("LNT")
    process = worker()
    eventually(lambda: [order.status for order in desk.orders(rowid)] == ["SENDING"], "the order was never sent")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert (desk.orders(rowid)[0].status, status(desk, rowid)) == ("FILLED", "filled")


def test_a_worker_killed_while_sending_doubles_nothing(desk: Desk, worker: Start) -> None:
    desk.tell(Kind.HANG, seconds=30)
    rowid = desk.alert("LNT")
    process = worker()
    eventually(lambda: [order.status for order in desk.orders(rowid)] == ["SENDING"], "the order was never sent")
    client_order_id = desk.orders(rowid)[0].client_order_id
    eventually(lambda: find(desk.broker, client_order_id) is not None, "the order never arrived")
    process.kill()
    process.wait()
    with transaction() as session:  # the lease runs out
        session.execute(sa.update(Order).values(lease_until=Order.created_at))
    worker()
    eventually(lambda: status(desk, rowid) == "filled", "the order was not adopted")
    assert [position.quantity for position in desk.broker.list_positions()] == [10]
    assert desk.orders(rowid)[0].send_attempts == 1


def test_a_second_worker_shares_the_work_or_waits_for_its_turn(desk: Desk, worker: Start, database_url: str) -> None:
    first, second = worker(), worker()
    if database_url.startswith("sqlite"):
        eventually(lambda: running(desk) == 1, "no worker started")
        time.sleep(0.2)
        assert running(desk) == 1
        (first if works(first) else second).kill()
        rowid = desk.alert("LNT")
        eventually(lambda: status(desk, rowid) == "filled", "nobody took over")
        return
    eventually(lambda: running(desk) == 2, "the workers never said that they live")
    rowids = [desk.alert("LNT" if n % 2 else "MA-3*V") for n in range(20)]
    eventually(lambda: {status(desk, rowid) for rowid in rowids} == {"filled"}, "not all were filled")
    assert {position.symbol: position.quantity for position in desk.broker.list_positions()} == {
        "LNT": 100, "MA": 100, "V": -300,
    }  # fmt: skip


def works(process: subprocess.Popen[bytes]) -> bool:
    with transaction() as session:
        return str(process.pid) in session.execute(sa.select(Worker.name)).scalars().one().split(":")


def test_a_worker_waits_for_a_database_that_is_away(desk: Desk, worker: Start, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        process = worker()
        eventually(lambda: running(desk) == 1, "the worker never said that it lives")
        with transaction():
            time.sleep(3)  # longer than the worker waits for the lock
        assert process.poll() is None
    else:
        process = worker()
        eventually(lambda: running(desk) == 1, "the worker never said that it lives")
        with transaction() as session:
            others = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            session.execute(sa.text(f"{others} and datname = current_database()"))
    rowid = desk.alert("LNT")
    eventually(lambda: status(desk, rowid) == "filled", "the worker did not recover")
    assert process.poll() is None


def test_a_worker_without_settings_says_what_is_missing(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    env = make_env("mysql://nowhere", tmp_path)
    done = subprocess.run(
        [sys.executable, "worker.py"], cwd=pytestconfig.rootpath, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "worker: DATABASE_URL: must start with postgresql://, postgres:// or sqlite:///"
    ]


def test_an_expired_signal_is_not_sent_by_a_worker_that_comes_late(desk: Desk, worker: Start) -> None:
    rowid = desk.alert("LNT")
    with transaction() as session:
        signal_row = session.get_one(Signal, rowid)
        signal_row.received_at -= timedelta(seconds=121)
    assert worker("--once").wait(PATIENCE) == 0
    assert (status(desk, rowid), desk.broker.list_positions()) == ("canceled", [])
