"""Orders go to a broker beyond this machine beside each other, and one thread records what is answered."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError

from domain.messages import OrderReport, OrderRequest
from extensions import db
from models import Order
from services.execution import recorder
from services.execution.claims import Claim
from services.execution.send_pool import MOST, SendPool
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

PATIENCE = 20.0  # seconds until a test gives a thread up
SYMBOLS = [f"S{number}" for number in range(MOST)]
AWAY = OperationalError("update orders", {}, Exception("the database is away"))


class FarBroker:
    """The test's paper venue, but far away: `before` stands between an order and its arrival."""

    def __init__(self, desk: Desk, before: Callable[[OrderRequest], None] = lambda _: None) -> None:
        self._broker, self._before = desk.broker, before
        self.capabilities = replace(desk.broker.capabilities, is_remote=True, batch_size=1)
        self.threads: set[threading.Thread] = set()

    def submit_order(self, request: OrderRequest) -> OrderReport:
        self.threads.add(threading.current_thread())
        self._before(request)
        return self._broker.submit_order(request)


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    for symbol in SYMBOLS:
        make_stock(context, symbol)
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


@contextmanager
def open_pool(app: Flask, wake: Callable[[], None] = lambda: None) -> Iterator[SendPool]:
    pool = SendPool(app, "worker", wake)
    try:
        yield pool
    finally:
        pool.close()


def plan(desk: Desk, count: int = MOST) -> list[Claim]:
    """Return so many orders, each of a symbol of its own, that are committed as being sent."""
    for symbol in SYMBOLS[:count]:
        desk.alert(symbol)
    claims = desk.plan(ready=True, most=count) or []
    assert len(claims) == count
    return claims


def send(pool: SendPool, claims: list[Claim], broker: Any) -> None:
    pool.send(claims, {claim.account_id: broker for claim in claims}, "worker")


def statuses(claims: list[Claim]) -> dict[str, str]:
    db.session.rollback()
    query = sa.select(Order.symbol, Order.status).where(Order.id.in_([claim.order_id for claim in claims]))
    return {row.symbol: row.status for row in db.session.execute(query)}


def are_sending() -> bool:
    db.session.rollback()
    return db.session.execute(sa.select(sa.exists().where(Order.status == "SENDING"))).scalar_one()


def wait(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.005)


def record_through(monkeypatch: pytest.MonkeyPatch, before: Callable[[list[str]], None]) -> list[int]:
    """Let each transaction that records answers go through `before`, given the symbols; returns how many were in each."""
    real, batches = recorder._record_all, list[int]()

    def record(answers: Any, worker: str) -> None:
        before([claim.request.symbol for claim, _ in answers])
        real(answers, worker)
        batches.append(len(answers))

    monkeypatch.setattr(recorder, "_record_all", record)
    monkeypatch.setattr(recorder, "FIRST_PAUSE", 0.001)
    return batches


def test_answers_that_are_there_are_recorded_in_one_transaction(
    context: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_sent, begun, answered = threading.Barrier(MOST), threading.Event(), threading.Event()

    def hold_up(symbols: list[str]) -> None:
        begun.set()
        assert answered.wait(PATIENCE)

    batches = record_through(monkeypatch, hold_up)
    claims = plan(desk)
    with open_pool(context) as pool:
        send(pool, claims, FarBroker(desk, lambda _: all_sent.wait(PATIENCE) and None))  # beside each other, or never
        wait(lambda: begun.is_set() and pool.room(desk.account_id) == MOST)
        answered.set()
    assert len(batches) <= 2  # the first that came, and all the others
    assert sum(batches) == MOST
    assert set(statuses(claims).values()) == {"FILLED"}


def test_the_end_waits_for_answers_and_records_them_once_the_database_is_back(
    context: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    def away(symbols: list[str]) -> None:
        tries.append(len(symbols))
        if MOST not in tries[:-1]:  # until all have come, and were tried together
            raise AWAY

    record_through(monkeypatch, away)
    claims = plan(desk)
    with open_pool(context) as pool:
        send(pool, claims, FarBroker(desk))
    assert set(statuses(claims).values()) == {"FILLED"}
    assert caplog.text.count("the answer cannot be booked yet (the database is away)") == MOST  # once for each
    assert tries[-2:] == [MOST, MOST]  # those that wait are recorded together


def test_an_answer_that_cannot_be_recorded_spoils_no_other(
    context: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    all_sent = threading.Barrier(MOST)

    def refuse(symbols: list[str]) -> None:
        if "S3" in symbols:
            raise ValueError("what nobody foresaw")

    record_through(monkeypatch, refuse)
    claims = plan(desk)
    with open_pool(context) as pool:
        send(pool, claims, FarBroker(desk, lambda _: all_sent.wait(PATIENCE) and None))
    assert statuses(claims) == {symbol: "SENDING" if symbol == "S3" else "FILLED" for symbol in SYMBOLS}
    assert caplog.text.count("unexpected while recording the answer") == 1


def test_an_answer_that_waits_for_a_locked_row_holds_up_none_that_come_later(
    context: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def locked(symbols: list[str]) -> None:
        if "S0" in symbols and not go_on.is_set():
            raise OperationalError("update orders", {}, Exception("the row is locked"))

    record_through(monkeypatch, locked)
    claims = plan(desk)
    with open_pool(context) as pool:
        send(pool, claims[:1], FarBroker(desk))
        send(pool, claims[1:], FarBroker(desk))
        wait(lambda: list(statuses(claims).values()).count("FILLED") == MOST - 1)
        assert statuses(claims)["S0"] == "SENDING"
        go_on.set()
    assert set(statuses(claims).values()) == {"FILLED"}


def test_both_legs_of_a_pair_leave_at_the_same_moment(context: Flask, desk: Desk) -> None:
    rowid = desk.alert("MA-3*V", quantity="20")
    claims = desk.plan(ready=True) or []
    both = threading.Barrier(2)
    with open_pool(context) as pool:
        send(pool, claims, FarBroker(desk, lambda _: both.wait(PATIENCE) and None))
    assert [order.status for order in desk.orders(rowid)] == ["FILLED", "FILLED"]
    assert desk.signal(rowid).status == "filled"


def test_so_many_orders_of_an_account_are_on_their_way_and_the_same_threads_send_the_next(
    context: Flask, desk: Desk
) -> None:
    go_on = threading.Event()
    far = FarBroker(desk, lambda _: go_on.wait(PATIENCE) and None)
    with open_pool(context) as pool:
        claims = plan(desk)
        send(pool, claims[:3], far)
        assert (pool.room(desk.account_id), pool.room(desk.account_id + 1)) == (MOST - 3, MOST)
        send(pool, claims[3:], far)
        assert pool.room(desk.account_id) == 0
        go_on.set()
        for _ in range(3):
            wait(lambda: pool.room(desk.account_id) == MOST and not are_sending())
            send(pool, plan(desk), far)
    assert not are_sending()
    assert len(far.threads) <= MOST


def test_the_worker_is_woken_when_the_answers_are_on_record_and_there_is_room_again(context: Flask, desk: Desk) -> None:
    seen: list[tuple[set[str], int]] = []
    claims = plan(desk, 1)

    def look() -> None:
        with context.app_context():
            seen.append((set(statuses(claims).values()), pool.room(desk.account_id)))
            db.session.remove()

    with open_pool(context, look) as pool:
        send(pool, claims, FarBroker(desk))
    assert seen[-1] == ({"FILLED"}, MOST)


def test_an_order_whose_turn_comes_too_late_is_left_for_a_look_up(
    context: Flask, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = plan(desk, 2)
    far = FarBroker(desk)
    with open_pool(context) as pool:
        send(pool, [first, replace(second, began=time.monotonic() - 60)], far)
    assert statuses([first, second]) == {"S0": "FILLED", "S1": "SENDING"}
    assert "paused too long before sending" in caplog.text
