"""An exit that has ended without closing what it should is loud once, and counted until its position is gone."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from brokers.paper.instructions import Kind
from domain.enums import MarketPosition, Side
from domain.lanes.leg import MOST_FIXES
from extensions import transaction
from models import Order, Worker
from services.execution import submit_orders
from services.health import check_health
from tests.support import book_rows
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

NONE = (True, "none is unfinished")


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def exits() -> tuple[bool, str]:
    (check,) = [check for check in check_health() if check.name == "exits"]
    assert check.ok or check.warns
    return check.ok, check.text


def unfinished(desk: Desk, count: int = 1) -> tuple[bool, str]:
    return False, f"unfinished: {count} at account {desk.account_id}; see the signals that need a person"


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]


def make_old() -> None:
    """Let all alerts be too old to be sent again."""
    with transaction() as session:
        session.execute(sa.update(Order).values(not_after=Order.created_at))


def leave(desk: Desk) -> int:
    """Enter, and send an exit that rests at the venue."""
    desk.alert("LNT")
    desk.work()
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT", Side.SELL, position=MarketPosition.FLAT)
    desk.work()
    return rowid


def end_at_venue(desk: Desk, rowid: int) -> None:
    for order in desk.orders(rowid):
        if order.status == "ACCEPTED":
            desk.venue.cancel("paper", order.client_order_id)
    desk.poll()


def test_it_is_counted_and_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    rowid = leave(desk)
    assert exits() == NONE
    make_old()
    end_at_venue(desk, rowid)
    desk.poll()
    desk.work()
    assert exits() == unfinished(desk)
    (alarm,) = alarms(caplog)
    assert "exit unfinished" in alarm
    assert "10 are not closed, a person must decide" in alarm


def test_one_that_was_never_sent_is_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.alert("LNT")
    desk.work()
    desk.alert("LNT", Side.SELL, position=MarketPosition.FLAT)
    desk.plan()
    make_old()
    submit_orders.expire_orders("worker")
    assert exits() == unfinished(desk)
    (alarm,) = alarms(caplog)
    assert "exit unfinished: expired before it could be sent; 10 are not closed" in alarm


def test_as_long_as_it_is_sent_again_it_is_not_over_and_then_it_is_told(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    rowid = leave(desk)
    for tried in range(MOST_FIXES):
        desk.tell(Kind.WORK)
        end_at_venue(desk, rowid)
        assert len(desk.orders(rowid)) == tried + 2
        assert exits() == NONE
        desk.work_off()
    assert not [alarm for alarm in alarms(caplog) if "a person must decide" in alarm]
    end_at_venue(desk, rowid)
    desk.poll()
    assert exits() == unfinished(desk)
    (alarm,) = [alarm for alarm in alarms(caplog) if "a person must decide" in alarm]
    assert f"signal {rowid}: exit unfinished" in alarm


def test_once_the_position_is_gone_it_counts_no_more(desk: Desk) -> None:
    rowid = leave(desk)
    make_old()
    end_at_venue(desk, rowid)
    assert exits() == unfinished(desk)
    desk.alert("LNT", Side.SELL, position=MarketPosition.FLAT)
    desk.work()
    assert exits() == NONE
    desk.alert("LNT")
    desk.work()
    assert exits() == NONE  # a new position, which no exit was for yet


def test_an_exit_of_a_pair_of_which_one_leg_is_left_is_counted(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.alert("MA-3*V", quantity="20")
    desk.work()
    desk.tell(Kind.REJECT, count=20, symbol="V", reason="halted")
    desk.alert("MA-3*V", Side.SELL, quantity="20", position=MarketPosition.FLAT)
    for _ in range(6):
        desk.work_off()
    assert exits() == unfinished(desk)
    assert [alarm for alarm in alarms(caplog) if "a person must decide" in alarm]


def test_alerts_are_taken_all_the_same(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    with app.app_context():
        make_stock(app, "LNT")
        with open_desk(app, tmp_path) as desk:
            rowid = leave(desk)
            make_old()
            end_at_venue(desk, rowid)
            text = unfinished(desk)[1]
        with transaction() as session:
            now = session.execute(sa.select(sa.func.max(Order.created_at))).scalar_one()
        book_rows.add(app, Worker(name="w", started_at=now, seen_at=now))
    response = client.get("/readyz")
    assert (response.status_code, response.json["status"]) == (200, "ready")
    assert {"name": "exits", "ok": False, "text": text} in response.json["checks"]
