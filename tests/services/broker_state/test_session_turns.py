"""At the opening and the close the broker's last word on its market counts for nothing: it is asked anew."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Flask

from domain.alert import Alert
from domain.enums import Side, WhenClosed
from domain.messages import SessionReport
from services.broker_state.account_state import keep_account
from services.planning.what_if import what_if
from tests.support.desk import Desk
from tests.support.factories import make_stock

SECOND = timedelta(seconds=1)


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Desk:
    make_stock(context, "LNT")
    return Desk(context, tmp_path)


def last_heard(desk: Desk, *, is_open: bool, turned: timedelta, ago: timedelta = 5 * SECOND) -> None:
    """Let the worker have heard of a session some seconds ago that was to change since."""
    now = datetime.now(UTC)
    turn = {"closes_at" if is_open else "opens_at": now - turned}
    desk.market.refresh(desk.account_id)
    known = desk.market._known[desk.account_id]
    known.session = SessionReport(is_open=is_open, at=now - ago, **turn)
    known.session_at = time.monotonic() - ago.total_seconds()


def test_right_after_the_opening_an_alert_is_traded(desk: Desk):
    last_heard(desk, is_open=False, turned=3 * SECOND)
    rowid = desk.alert("LNT", Side.BUY, "10")
    desk.work()
    assert (desk.signal(rowid).status, desk.signal(rowid).status_reason) == ("filled", None)


def test_right_after_the_close_an_alert_is_not_traded(desk: Desk):
    desk.venue.set_session(False, opens_at=datetime.now(UTC) + timedelta(hours=9))
    last_heard(desk, is_open=True, turned=3 * SECOND)
    rowid = desk.alert("LNT", Side.BUY, "10")
    desk.work()
    assert (desk.signal(rowid).status, desk.signal(rowid).status_reason) == ("canceled", "market closed")


def slow_clock(desk: Desk) -> None:
    """Let the broker say that its market opens at a moment which by our clock has passed."""
    past = datetime.now(UTC) - SECOND / 2
    report = SessionReport(is_open=False, at=past - SECOND, opens_at=past)
    desk.broker.session = lambda: report  # type: ignore[method-assign]


def test_a_time_that_has_passed_is_never_given_as_the_opening(desk: Desk):
    slow_clock(desk)
    rowid = desk.alert("LNT", Side.BUY, "10")
    desk.work()
    signal = desk.signal(rowid)
    assert signal.status == "canceled"
    assert "it opens at" not in str(signal.error_text)
    assert "though it was to be open by now" in str(signal.error_text)


def test_a_held_alert_is_held_on_for_a_moment_where_the_broker_s_clock_is_behind(desk: Desk):
    slow_clock(desk)
    rowid = desk.alert("LNT", Side.BUY, "10", when_closed=WhenClosed.HOLD)
    before = datetime.now(UTC)
    desk.work()
    signal = desk.signal(rowid)
    assert signal.status == "waiting"
    assert signal.held_until is not None
    assert signal.held_until > before


def test_a_what_if_does_not_judge_by_a_session_that_was_to_change(desk: Desk):
    now = datetime.now(UTC)
    closed = SessionReport(is_open=False, at=now - 5 * SECOND, opens_at=now - SECOND)
    keep_account(desk.account_id, desk.broker.account(), closed, None)
    alert = Alert(ticker="LNT", side=Side.BUY, quantity=Decimal(10), body_sha256="0" * 64)
    answer = what_if(alert)
    assert answer.status == "created"
    assert any("was to change since" in step["text"] for step in answer.trace)
