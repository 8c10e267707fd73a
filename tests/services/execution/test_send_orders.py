"""What an answer to a sending means, after what came before it, and that each answer is booked."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError

from brokers.paper.instructions import Kind
from extensions import transaction
from models import Order
from services.execution import recorder, send_orders, submit_orders
from services.execution.order_records import LockedOrders, lock_orders
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def make_due() -> None:
    """Let what waits be tried again now."""
    with transaction() as session:
        session.execute(sa.update(Order).values(next_at=Order.created_at))


def set_back(column: str, seconds: int) -> None:
    """Put a time of all orders so many seconds before they were made."""
    with transaction() as session:
        for order in session.execute(sa.select(Order)).scalars():
            setattr(order, column, order.created_at - timedelta(seconds=seconds))


def test_a_refusal_is_final_where_no_earlier_attempt_has_left_this_machine(desk: Desk) -> None:
    desk.tell(Kind.UNAVAILABLE, count=2)
    rowid = desk.alert("LNT")
    desk.work()
    make_due()
    desk.work()
    make_due()
    desk.tell(Kind.REJECT, reason="insufficient buying power")
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.reason, order.send_attempts) == ("REJECTED", "insufficient buying power", 3)
    assert desk.signal(rowid).status == "error"


def test_a_refusal_after_a_worker_died_while_sending_is_doubted(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    assert desk.plan(ready=True)  # committed as being sent, and then its worker dies
    set_back("lease_until", 1)
    assert submit_orders.reap("worker") == 1
    set_back("sent_at", 60)
    for _ in range(3):
        desk.look_up()
    assert desk.orders(rowid)[0].status == "QUEUED"
    desk.tell(Kind.REJECT, reason="insufficient buying power")
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("UNKNOWN", 2)


def trouble_with(monkeypatch: pytest.MonkeyPatch, order_id: int, times: int, trouble: Exception) -> list[int]:
    """Let the recording of one order's answer fail so many times; returns the orders that were tried."""
    tried: list[int] = []

    def lock(session: sa.orm.Session, wanted: Sequence[int], *more: Any, **how: Any) -> LockedOrders:
        tried.extend(wanted)
        if order_id in wanted and tried.count(order_id) <= times:
            raise trouble
        return lock_orders(session, wanted, *more, **how)

    monkeypatch.setattr(recorder, "lock_orders", lock)
    monkeypatch.setattr(recorder, "FIRST_PAUSE", 0.001)
    return tried


LOCKED = OperationalError("update orders", {}, Exception("database is locked"))


@pytest.mark.parametrize("leg", [0, 1])
def test_an_answer_that_the_database_cannot_take_is_booked_once_it_can(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, leg: int
) -> None:
    rowid = desk.alert("MA-3*V", quantity="20")
    claims = desk.plan(ready=True) or []
    tried = trouble_with(monkeypatch, claims[leg].order_id, 3, LOCKED)
    send_orders.send_now(claims, desk.brokers, "worker")
    assert (len(claims), tried.count(claims[leg].order_id)) == (2, 4)
    assert [order.status for order in desk.orders(rowid)] == ["FILLED", "FILLED"]
    assert desk.signal(rowid).status == "filled"
    assert caplog.text.count("database is locked") == 2  # once for each answer


@pytest.mark.parametrize("trouble", [LOCKED, ValueError("what nobody foresaw")])
def test_an_answer_that_cannot_be_booked_at_all_leaves_the_other_leg_s_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    rowid = desk.alert("MA-3*V", quantity="20")
    claims = desk.plan(ready=True) or []
    monkeypatch.setattr(recorder, "SEND_LEASE", timedelta(seconds=2))
    trouble_with(monkeypatch, claims[0].order_id, 10**6, trouble)
    send_orders.send_now(claims, desk.brokers, "worker")
    assert [order.status for order in desk.orders(rowid)] == ["SENDING", "FILLED"]
    set_back("lease_until", 1)
    submit_orders.reap("worker")
    desk.look_up()
    assert desk.signal(rowid).status == "filled"
