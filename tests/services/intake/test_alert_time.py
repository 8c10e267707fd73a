"""An alert is as old as it says itself, by the database's clock; one that says it is yet to come is not traded."""

import time
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from domain.enums import CheckMode
from extensions import database_time, transaction, utc_now
from models import Signal
from services.catalog.check_limits import RuleForm, set_rule
from tests.support.desk import open_desk
from tests.support.factories import get_signal, make_alert_body, make_stock, post_alert

FUTURE = "alert time in the future"


@pytest.fixture
def desk(context, tmp_path):
    """A desk whose worker takes its steps; alerts are handed to the service itself."""
    make_stock(context, "LNT")
    with open_desk(context, tmp_path) as desk:
        yield desk


@pytest.fixture
def clock(app):
    """The database's clock, in the words of an alert: `clock(-70)` is 70 seconds from now."""
    make_stock(app, "LNT")

    def ago(seconds: float = 0) -> str:
        with app.app_context():
            return f"{database_time() - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%f}Z"

    return ago


def ago(seconds: float) -> datetime:
    return database_time() - timedelta(seconds=seconds)


def test_an_old_message_that_is_sent_once_more_is_not_traded(desk):
    rowid = desk.alert("LNT", signal_id=None, alert_at=ago(125))
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("canceled", "expired")
    assert "by its own time" in signal.error_text
    assert desk.orders(rowid) == []


@pytest.mark.parametrize("seconds", [None, 60, -50])
def test_a_young_one_is_traded(desk, seconds):
    rowid = desk.alert("LNT", alert_at=None if seconds is None else ago(seconds))
    desk.work()
    assert desk.signal(rowid).status == "filled"


def test_the_time_of_the_bar_makes_no_alert_old(desk):
    rowid = desk.alert("LNT", bar_time="2020-01-02T15:30:00Z")
    desk.work()
    assert desk.signal(rowid).status == "filled"


def test_its_orders_may_be_sent_as_long_as_it_may_be_traded(desk):
    fired = ago(60)
    rowid = desk.alert("LNT", alert_at=fired)
    desk.plan()
    (order,) = desk.orders(rowid)
    assert order.not_after == fired + timedelta(seconds=120)


def test_a_time_that_is_ahead_gives_its_orders_no_more_time(desk):
    rowid = desk.alert("LNT", alert_at=ago(-50))
    desk.plan()
    (order,) = desk.orders(rowid)
    assert order.not_after == desk.signal(rowid).received_at + timedelta(seconds=120)


@pytest.mark.parametrize("signal_id", ["once", ""])
def test_an_alert_that_is_yet_to_fire_is_kept_and_not_traded(app, clock, client, signal_id):
    body = make_alert_body(timestamp=clock(-70), signal_id=signal_id)
    response = client.post("/v3/webhook", json=body)
    told = response.json
    assert (response.status_code, told["order_status"], told["status_msg"], told["message"]) == (
        201,
        "canceled",
        FUTURE,
        "recorded with an alert time in the future!",
    )
    signal = get_signal(client, told["rowid"])
    assert (signal["order_status"], signal["trace"][-1]["check"], signal["trace"][-1]["ok"]) == (
        "canceled",
        "age",
        False,
    )
    with app.app_context(), transaction() as session:  # what is stored while a delivery is under way is the same event
        session.execute(sa.update(Signal).values(received_at=utc_now(-1)))
    again = client.post("/v3/webhook", json=body).json
    assert again["duplicate"] is bool(signal_id)  # without an id what was refused may be sent again


@pytest.mark.parametrize("signal_id", ["once", ""])
def test_a_minute_ahead_is_a_matter_of_clocks(clock, client, signal_id):
    body = make_alert_body(timestamp=clock(-50), signal_id=signal_id)
    answers = [client.post("/v3/webhook", json=body).json for _ in range(2)]
    assert [(told["order_status"], told["duplicate"]) for told in answers] == [("waiting", False), ("waiting", True)]


@pytest.mark.parametrize("minutes", [-5, 5])
def test_it_is_the_database_s_clock_that_counts(clock, client, monkeypatch, minutes):
    true_time, ahead, in_time = time.time, clock(-180), clock()
    monkeypatch.setattr(time, "time", lambda: true_time() + 60 * minutes)
    answers = [post_alert(client, timestamp=at).json["status_msg"] for at in (ahead, in_time)]
    assert answers == [FUTURE, None]


def test_where_age_is_off_an_alert_that_is_yet_to_fire_is_stored_like_any_other(app, clock, client):
    with app.app_context():
        set_rule(RuleForm(check="age", mode=CheckMode.OFF), "a person")
    assert post_alert(client, timestamp=clock(-3600)).json["order_status"] == "waiting"


def test_what_if_goes_by_the_alert_s_own_time_too(clock, client, admin_headers):
    def ask(seconds):
        body = make_alert_body(timestamp=clock(seconds))
        answer = client.post("/v3/whatif", json=body, headers=admin_headers)
        assert answer.status_code == 200, answer.text
        return answer.json["status_msg"]

    assert [ask(-70), ask(125), ask(0)] == [FUTURE, "expired", None]
