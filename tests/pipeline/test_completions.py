"""Sending a failed leg again: to hedge what the other leg holds, and not for ever."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, Scope, StopLevel
from extensions import transaction
from models import Order, Position
from services.execution import send_orders, stops, submit_orders
from services.execution.stops import StopForm
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_pair(context, "MA-V", "3", on_leg_failure=FailurePolicy.COMPLETE)
    with open_desk(context, tmp_path) as desk:
        yield desk


def let_expire() -> None:
    """Let the time pass until when the queued orders may be sent; those without an end stay."""
    with transaction() as session:
        for order in session.execute(sa.select(Order).where(Order.status == "QUEUED", Order.not_after.is_not(None))):
            order[0].not_after = order[0].created_at - timedelta(seconds=1)
    submit_orders.expire_orders("worker")


def lose_leg_2(desk: Desk) -> int:
    """Fill leg 1, and let leg 2 become too old while the broker does not take it."""
    desk.tell(Kind.UNAVAILABLE, symbol="V")
    rowid = desk.alert("MA-3*V", quantity="20")
    send_orders.send_now(desk.plan(ready=True) or [], desk.brokers, "worker")
    let_expire()
    return rowid


def completions(desk: Desk, rowid: int) -> list[Order]:
    return [order for order in desk.orders(rowid) if order.purpose == "complete"]


def test_a_leg_that_became_too_old_is_completed_no_later_than_a_leg_may_take(desk: Desk):
    rowid = lose_leg_2(desk)
    (again,) = completions(desk, rowid)
    (stale,) = [order for order in desk.orders(rowid) if order.status == "STALE"]
    assert (stale.symbol, again.symbol, again.quantity) == ("V", "V", 60)
    assert again.not_after == again.next_at + timedelta(seconds=60)
    desk.work()
    assert desk.signal(rowid).status == "filled"


def test_completions_that_cannot_be_sent_in_time_end_and_a_person_is_asked(desk: Desk):
    rowid = lose_leg_2(desk)
    for _ in range(3):
        let_expire()
    assert [order.status for order in completions(desk, rowid)] == ["STALE"] * 3
    signal = desk.signal(rowid)
    assert signal.status == "critical err"
    assert str(signal.status_reason).endswith("a person must decide")


def test_what_closes_a_position_because_of_a_stop_has_no_end(desk: Desk):
    desk.alert("MA-3*V", quantity="20")
    desk.work()
    desk.tell(Kind.REJECT, symbol="MA", reason="busy")
    stops.set_stop(StopForm(level=StopLevel.FLATTEN, scope=Scope.DESK, name="", reason="a test"), "admin")
    stops.carry_out(desk.brokers, "worker")
    desk.work()
    with transaction() as session:
        ends = session.execute(sa.select(Order.purpose, Order.not_after).where(Order.is_exit)).all()
        held = session.execute(sa.select(Position.quantity)).scalars().all()
    assert ("complete", None) in [tuple(row) for row in ends]
    assert not any(held)
