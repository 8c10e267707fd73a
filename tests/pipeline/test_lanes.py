"""Exits, reversals and held alerts through the whole pipeline: a lane ends where its alerts lead, and never beyond."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import MarketPosition, OrderType, Scope, Side, StopLevel, WhenClosed
from extensions import transaction
from models import Instrument, Order, Signal
from services.catalog import check_limits, snapshots
from services.catalog.check_limits import RuleForm
from services.execution import stops
from services.execution.stops import StopForm, set_stop
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

D = Decimal
LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT


@pytest.fixture
def desk(context: Flask, tmp_path: Path):
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def held(desk: Desk) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in desk.broker.list_positions() if position.quantity}


def go(desk: Desk, side: Side, quantity: int, before: int, after: int, ticker: str = "LNT", **more: Any) -> int:
    """Receive the alert of a strategy that goes from one signed position to another."""

    def named(position: int) -> MarketPosition:
        return LONG if position > 0 else SHORT if position < 0 else FLAT

    words = {"previous_position": named(before), "previous_position_size": D(abs(before))}
    words |= {"position": named(after), "position_size": D(abs(after)), **more}
    return desk.alert(ticker, side, str(quantity), "50" if ticker == "LNT" else "1", **words)


def told(desk: Desk, rowid: int) -> str:
    return " ".join(step["text"] for step in desk.signal(rowid).trace)


def rest(context: Flask, desk: Desk) -> None:
    """Let the orders of the stock be limit orders that rest at the venue."""
    with transaction() as session:
        snapshots.bump_version(session)
        session.execute(sa.update(Instrument).values(order_type=OrderType.LIMIT))
    desk.tell(Kind.WORK)


@pytest.mark.parametrize("way", [1, -1])
def test_an_exit_of_a_resting_entry_cancels_it_and_opens_nothing(desk: Desk, context: Flask, way: int) -> None:
    enter, leave = (Side.BUY, Side.SELL) if way > 0 else (Side.SELL, Side.BUY)
    rest(context, desk)
    entry = go(desk, enter, 10, 0, 10 * way)
    desk.work()
    exit_ = go(desk, leave, 10, 10 * way, 0)
    desk.work_off()
    assert desk.orders(entry)[0].status == "CANCELED"
    assert (held(desk), desk.orders(exit_)) == ({}, [])
    assert (desk.signal(exit_).status, desk.signal(exit_).status_reason) == ("canceled", "nothing to close")


def test_an_entry_canceled_by_the_venue_after_its_exit_came_leaves_nothing_open(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    go(desk, Side.BUY, 10, 0, 10)
    desk.work()
    go(desk, Side.SELL, 10, 10, 0)
    desk.work()
    desk.venue.cancel("paper", desk.orders(1)[0].client_order_id)
    desk.poll()
    desk.work_off()
    assert held(desk) == {}


def test_a_held_entry_keeps_no_exit_waiting_and_ends_with_it(desk: Desk) -> None:
    go(desk, Side.BUY, 5, 0, 5)
    desk.work()
    waiting = go(desk, Side.BUY, 1, 5, 6, when_closed=WhenClosed.HOLD)
    with transaction() as session:
        later = session.execute(sa.select(Signal.received_at).where(Signal.id == waiting)).scalar_one()
        at = later + timedelta(hours=1)
        session.execute(sa.update(Signal).where(Signal.id == waiting).values(held_until=at, kind="entry"))
    behind = go(desk, Side.BUY, 1, 6, 7)
    desk.work()
    assert desk.signal(behind).status == "waiting"
    assert f"signal {waiting} comes first" in str(desk.signal(behind).status_reason)
    exit_ = go(desk, Side.SELL, 7, 7, 0)
    desk.work()
    assert (desk.signal(exit_).status, held(desk)) == ("filled", {})
    assert {desk.signal(rowid).status for rowid in (waiting, behind)} == {"canceled"}
    assert f"passed by the exit of signal {exit_}" in str(desk.signal(waiting).status_reason)


def test_a_flatten_passes_a_held_entry(desk: Desk) -> None:
    go(desk, Side.BUY, 5, 0, 5)
    desk.work()
    waiting = go(desk, Side.BUY, 1, 5, 6)
    with transaction() as session:
        at = session.execute(sa.select(Signal.received_at).where(Signal.id == waiting)).scalar_one()
        session.execute(sa.update(Signal).where(Signal.id == waiting).values(held_until=at + timedelta(hours=1)))
    set_stop(StopForm(level=StopLevel.FLATTEN, scope=Scope.STOCK, name="LNT", reason="news"), "the test")
    stops.carry_out(desk.brokers, "worker")
    desk.work()
    assert held(desk) == {}
    assert desk.signal(waiting).status == "canceled"


@pytest.mark.parametrize("ticker", ["LNT", "MA-3*V"])
def test_a_lost_reversal_never_makes_the_next_one_add(desk: Desk, ticker: str) -> None:
    go(desk, Side.BUY, 10, 0, 10, ticker)
    desk.work()
    before = held(desk)
    for _ in range(2):
        late = go(desk, Side.BUY, 20, -10, 10, ticker)
        desk.work()
        assert (desk.signal(late).status, desk.signal(late).status_reason) == ("canceled", "at target")
        assert "starts from short 10, but the desk comes to long 10" in told(desk, late)
    assert held(desk) == before


def test_a_stop_of_entries_lets_a_reversal_close(desk: Desk) -> None:
    go(desk, Side.BUY, 10, 0, 10)
    desk.work()
    set_stop(StopForm(level=StopLevel.ENTRIES, scope=Scope.DESK, reason="news"), "the test")
    turning = go(desk, Side.SELL, 20, 10, -10)
    desk.work()
    assert (desk.signal(turning).status, held(desk)) == ("part.filled", {})
    assert "short 10 was not opened" in str(desk.signal(turning).status_reason)


@pytest.mark.parametrize(
    ("choice", "status", "left"), [("close", "part.filled", {}), ("refuse", "error", {"LNT": D(10)})]
)
def test_where_nothing_may_be_sold_short_a_reversal_closes_or_is_refused_as_chosen(
    desk: Desk, choice: str, status: str, left: dict[str, Decimal]
) -> None:
    check_limits.set_rule(RuleForm(check="reversal", choice=choice), "the test")
    desk.venue.set_asset("LNT", tradable=True, shortable=False, quantity_step=D(1))
    go(desk, Side.BUY, 10, 0, 10)
    desk.work()
    turning = go(desk, Side.SELL, 20, 10, -10)
    desk.work()
    assert (desk.signal(turning).status, held(desk)) == (status, left)


@pytest.mark.parametrize("activity", ["passive", "watch"])
def test_a_paused_name_closes_what_it_holds_and_opens_nothing(desk: Desk, activity: str) -> None:
    go(desk, Side.BUY, 10, 0, 10)
    desk.work()
    with transaction() as session:
        snapshots.bump_version(session)
        session.execute(sa.update(Instrument).where(Instrument.symbol == "LNT").values(activity=activity))
    more = go(desk, Side.BUY, 5, 10, 15)
    desk.work()
    assert (desk.signal(more).status, desk.signal(more).status_reason) == ("canceled", "passive ticker")
    turning = go(desk, Side.SELL, 20, 10, -10)
    desk.work()
    assert (desk.signal(turning).status, held(desk)) == ("part.filled", {})
    assert "LNT is paused" in str(desk.signal(turning).status_reason)


def test_an_exit_that_the_venue_ends_is_loud_and_tried_again(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    go(desk, Side.BUY, 10, 0, 10)
    desk.work()
    desk.tell(Kind.WORK)
    exit_ = go(desk, Side.SELL, 10, 10, 0)
    desk.work()
    desk.tell(Kind.WORK)
    desk.venue.cancel("paper", desk.orders(exit_)[0].client_order_id)
    desk.poll()
    signal = desk.signal(exit_)
    assert signal.status == "critical err"
    assert "exit unfinished" in str(signal.status_reason)
    assert "10 are not closed, they are sent again" in str(signal.status_reason)
    assert any(record.levelname == "CRITICAL" for record in caplog.records)
    desk.work_off()
    again = next(order for order in desk.orders(exit_) if order.generation == 2)
    desk.venue.fill_rest("paper", again.client_order_id)
    desk.poll()
    assert (desk.signal(exit_).status, held(desk)) == ("filled", {})


def test_an_exit_whose_alert_is_too_old_is_not_tried_again(desk: Desk) -> None:
    go(desk, Side.BUY, 10, 0, 10)
    desk.work()
    desk.tell(Kind.WORK)
    exit_ = go(desk, Side.SELL, 10, 10, 0)
    desk.work()
    with transaction() as session:
        session.execute(sa.update(Order).values(not_after=Order.created_at))
    desk.venue.cancel("paper", desk.orders(exit_)[0].client_order_id)
    desk.poll()
    desk.work()
    assert len(desk.orders(exit_)) == 1
    assert "a person must decide" in str(desk.signal(exit_).status_reason)


def test_quick_alerts_come_to_where_the_last_one_leads(desk: Desk) -> None:
    for _ in range(3):
        go(desk, Side.BUY, 10, 0, 10)
        go(desk, Side.SELL, 10, 10, 0)
    go(desk, Side.BUY, 10, 0, 10)
    desk.work_off()
    assert held(desk) == {"LNT": 10}
    assert all(desk.signal(rowid).status in ("filled", "canceled") for rowid in range(1, 8))


def test_what_if_says_that_an_entry_would_wait_behind_a_held_one(desk: Desk) -> None:
    from domain.alert import Alert
    from services.planning.what_if import what_if

    waiting = go(desk, Side.BUY, 5, 0, 5)
    with transaction() as session:
        at = session.execute(sa.select(Signal.received_at).where(Signal.id == waiting)).scalar_one()
        session.execute(sa.update(Signal).where(Signal.id == waiting).values(held_until=at + timedelta(hours=1)))
    found = what_if(Alert(ticker="LNT", side=Side.BUY, quantity=D(5), price=D(50)))
    assert found.status == "waiting"
    assert f"signal {waiting} comes first" in str(found.reason)
