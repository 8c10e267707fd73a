"""What an answer to a sending means, after what came before it, and that each answer is booked."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from extensions import transaction
from models import Order
from services import submit_orders
from tests.desk import Desk, open_desk
from tests.factories import make_pair, make_stock


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
