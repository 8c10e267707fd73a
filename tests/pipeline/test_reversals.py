"""Turning a position round where the broker does not do it by one order: closed first, then opened."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.broker import PaperBroker
from brokers.paper.instructions import Instruction, Kind
from domain.enums import LegPolicy, OrderType, Side, TimeInForce
from extensions import transaction
from models import Order
from services.execution import send_orders, submit_orders
from tests.support.desk import Desk
from tests.support.factories import make_pair, make_stock


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Desk:
    """A desk whose broker takes no order that crosses from long to short, or back."""
    made = Desk(context, tmp_path)
    made.broker.capabilities = replace(PaperBroker.capabilities, reverses_in_one_order=False)
    return made


def held(desk: Desk) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in desk.broker.list_positions()}


def sizes(desk: Desk, rowid: int) -> list[tuple[int, int, str, Decimal, str]]:
    return [(o.leg, o.generation, o.side, o.quantity, o.status) for o in desk.orders(rowid)]


def test_a_single_is_closed_and_then_opened_the_other_way(desk: Desk, context: Flask):
    make_stock(context, "LNT")
    desk.alert("LNT", Side.BUY, "10")
    desk.work()
    rowid = desk.alert("LNT", Side.SELL, "25")
    desk.work()
    assert sizes(desk, rowid) == [(1, 1, "sell", 10, "FILLED"), (1, 2, "sell", 15, "FILLED")]
    assert held(desk) == {"LNT": -15}
    signal = desk.signal(rowid)
    assert (signal.status, signal.filled_quantity) == ("filled", 25)
    assert any("turns a position round" in step["text"] for step in signal.trace)
    back = desk.alert("LNT", Side.BUY, "15")
    desk.work()
    assert sizes(desk, back) == [(1, 1, "buy", 15, "FILLED")]  # to flat is no reversal
    assert held(desk) == {}


def test_the_second_order_of_a_single_keeps_the_terms_of_the_first(desk: Desk, context: Flask):
    make_stock(context, "LNT", order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    desk.alert("LNT", Side.BUY, "10", price="50")
    desk.venue.set_quote("LNT", Decimal(50), Decimal(50))
    desk.work()
    rowid = desk.alert("LNT", Side.SELL, "25", price="49")
    desk.work()
    assert [(o.order_type, o.time_in_force, o.limit_price) for o in desk.orders(rowid)] == [("LIMIT", "GTC", 49)] * 2
    assert held(desk) == {"LNT": -15}


def test_an_opening_that_is_refused_leaves_the_old_position_closed_and_says_so(desk: Desk, context: Flask):
    make_stock(context, "LNT")
    desk.alert("LNT", Side.BUY, "10")
    desk.work()
    rowid = desk.alert("LNT", Side.SELL, "25")
    send_orders.send_now(desk.plan(ready=True) or [], desk.brokers, "worker")
    desk.venue.instruct(Instruction(kind=Kind.REJECT, reason="no borrow"))
    desk.work()
    assert held(desk) == {}
    signal = desk.signal(rowid)
    assert (signal.status, signal.filled_quantity) == ("part.filled", 10)
    assert "no borrow" in signal.status_reason


@pytest.mark.parametrize("policy", [LegPolicy.TOGETHER, LegPolicy.LEG1_FIRST])
def test_a_pair_is_closed_on_both_legs_and_then_opened_on_both(desk: Desk, context: Flask, policy: LegPolicy):
    make_pair(context, "MA-V", "3", leg_policy=policy)
    desk.alert("MA-3*V", Side.BUY, "10", price="1")
    desk.work()
    assert held(desk) == {"MA": 10, "V": -30}
    rowid = desk.alert("MA-3*V", Side.SELL, "30", price="1")
    desk.work()
    assert held(desk) == {"MA": -20, "V": 60}
    assert desk.signal(rowid).status == "filled"
    orders = sizes(desk, rowid)
    assert (1, 1, "sell", 10, "FILLED") in orders
    assert (2, 1, "buy", 30, "FILLED") in orders
    assert sum(quantity for leg, _, _, quantity, _ in orders if leg == 1) == 30
    assert sum(quantity for leg, _, _, quantity, _ in orders if leg == 2) == 90


def test_a_pair_whose_opening_fails_on_one_leg_is_flat_again_on_both(desk: Desk, context: Flask):
    make_pair(context, "MA-V", "3")
    desk.alert("MA-3*V", Side.BUY, "10", price="1")
    desk.work()
    rowid = desk.alert("MA-3*V", Side.SELL, "30", price="1")
    send_orders.send_now(desk.plan(ready=True) or [], desk.brokers, "worker")
    desk.venue.instruct(Instruction(kind=Kind.REJECT, symbol="V", reason="no"))
    desk.work()
    assert held(desk) == {}
    assert desk.signal(rowid).status == "part.filled"


def test_what_may_be_closed_is_closed_where_the_new_side_cannot_be_traded(desk: Desk, context: Flask):
    make_stock(context, "LNT")
    desk.venue.set_asset("LNT", tradable=True, shortable=False, quantity_step=Decimal("0.5"))
    desk.alert("LNT", Side.BUY, "2.5")
    desk.work()
    rowid = desk.alert("LNT", Side.SELL, "5")
    desk.work()
    assert [(order.quantity, order.is_exit) for order in desk.orders(rowid)] == [(Decimal("2.5"), True)]
    assert held(desk) == {}
    assert "short 2.5 was not opened" in str(desk.signal(rowid).left_out)


def let_expire() -> None:
    """Let the time pass until when the queued orders may be sent; those without an end stay."""
    with transaction() as session:
        for order in session.execute(sa.select(Order).where(Order.status == "QUEUED", Order.not_after.is_not(None))):
            if order[0].not_after - order[0].created_at < timedelta(minutes=10):  # hedges live longer
                order[0].not_after = order[0].created_at - timedelta(seconds=1)
    submit_orders.expire_orders("worker")


def test_what_would_open_after_a_close_is_not_sent_once_the_alert_is_too_old(desk: Desk, context: Flask):
    make_stock(context, "LNT")
    desk.alert("LNT", Side.BUY, "10")
    desk.work()
    rowid = desk.alert("LNT", Side.SELL, "25")
    send_orders.send_now(desk.plan(ready=True) or [], desk.brokers, "worker")
    first, second = desk.orders(rowid)
    assert first.not_after is not None
    assert (second.status, second.not_after) == ("QUEUED", first.not_after)
    let_expire()
    desk.work()
    assert sizes(desk, rowid) == [(1, 1, "sell", 10, "FILLED"), (1, 2, "sell", 15, "STALE")]
    signal = desk.signal(rowid)
    assert (signal.status, signal.filled_quantity, held(desk)) == ("part.filled", 10, {})


def test_a_lead_that_would_open_too_late_is_not_sent_and_what_follows_it_lives_longer(desk: Desk, context: Flask):
    make_pair(context, "MA-V", "3", leg_policy=LegPolicy.LEG1_FIRST)
    desk.alert("MA-3*V", Side.BUY, "10", price="1")
    desk.work()
    rowid = desk.alert("MA-3*V", Side.SELL, "30", price="1")
    send_orders.send_now(desk.plan(ready=True) or [], desk.brokers, "worker")
    ends = {(o.leg, o.generation): o.not_after for o in desk.orders(rowid)}
    assert ends[2, 1] - ends[1, 1] > timedelta(minutes=10)  # it hedges what is filled already
    let_expire()
    desk.work()
    assert held(desk) == {}
    assert all(order.status in ("FILLED", "STALE") for order in desk.orders(rowid))
    assert desk.signal(rowid).status == "part.filled"
