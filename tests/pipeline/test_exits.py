"""Exits close what is held, and never open a position: whatever was refused before them, and wherever it is held."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import CheckMode, FailurePolicy, LegPolicy, MarketPosition, Scope, Side, StopLevel
from extensions import transaction
from models import BrokerAccount, Order, Position, PositionDifference, Signal
from services.catalog import check_limits
from services.catalog.check_limits import RuleForm
from services.execution.stops import StopForm, set_stop
from tests.support.desk import Desk
from tests.support.factories import make_pair, make_stock

D = Decimal
LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Desk:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    return Desk(context, tmp_path)


def held(desk: Desk) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in desk.broker.list_positions() if position.quantity}


def enter(desk: Desk, quantity: str = "10", ticker: str = "LNT", price: str = "50") -> int:
    return desk.alert(
        ticker, Side.BUY, quantity, price, position=LONG, position_size=D(quantity), previous_position=FLAT
    )


def leave(desk: Desk, quantity: str = "10", ticker: str = "LNT", price: str = "50", **more: Any) -> int:
    values = {"position": FLAT, "previous_position": LONG, "previous_position_size": D(quantity), **more}
    return desk.alert(ticker, Side.SELL, quantity, price, **values)


def told(desk: Desk, rowid: int, check: str = "sizing") -> str:
    return next(step["text"] for step in reversed(desk.signal(rowid).trace) if step["check"] == check)


def outcome(desk: Desk, rowid: int) -> tuple[str, str | None]:
    signal = desk.signal(rowid)
    return signal.status, signal.status_reason


def change(model: type[Any], rowid: int, **values: Any) -> None:
    with transaction() as session:
        session.execute(sa.update(model).where(model.id == rowid).values(**values))


def unbooked(desk: Desk, symbol: str, theirs: str) -> None:
    with transaction() as session:
        session.add(PositionDifference(account_id=desk.account_id, symbol=symbol, ours=D(0), theirs=D(theirs)))


def test_an_exit_of_an_entry_that_was_rejected_opens_nothing(desk: Desk):
    desk.tell(Kind.REJECT, reason="no")
    entry = enter(desk)
    desk.work()
    exit_ = leave(desk)
    desk.work()
    assert outcome(desk, entry)[0] == "error"
    assert outcome(desk, exit_) == ("canceled", "nothing to close")
    assert (desk.orders(exit_), held(desk)) == ([], {})
    assert told(desk, exit_) == "LNT is flat: there is nothing to close."
    assert told(desk, exit_, "position before") == "The alert starts from long 10, but the desk comes to flat."


def test_an_exit_that_waited_behind_a_rejected_entry_opens_nothing(desk: Desk):
    enter(desk)
    desk.plan()
    desk.tell(Kind.WORK)
    desk.submit()
    exit_ = leave(desk)
    desk.plan()
    assert desk.orders(exit_) == []
    assert "which opens what is to be closed" in str(outcome(desk, exit_)[1])
    (order,) = desk.orders(1)
    desk.venue.cancel("paper", order.client_order_id)
    desk.poll()
    desk.work_off()
    assert (outcome(desk, exit_), held(desk)) == (("canceled", "nothing to close"), {})


def test_an_exit_ends_its_entry_where_that_was_not_sent_yet(desk: Desk):
    entry = enter(desk)
    desk.plan()
    exit_ = leave(desk)
    desk.work()
    assert (outcome(desk, entry)[0], outcome(desk, exit_)) == ("canceled", ("canceled", "nothing to close"))
    assert held(desk) == {}


def test_an_exit_that_is_too_large_closes_what_is_held(desk: Desk):
    enter(desk, "4")
    desk.work()
    exit_ = leave(desk)
    desk.work()
    assert [(o.quantity, o.is_exit, o.status) for o in desk.orders(exit_)] == [(4, True, "FILLED")]
    assert held(desk) == {}
    assert told(desk, exit_) == "The alert says sell 10; 4 lead from long 4 to flat."


def test_an_exit_whose_entry_was_filled_in_part_closes_that_part(desk: Desk):
    desk.tell(Kind.PARTIAL, quantity=D(3))
    enter(desk)
    desk.work()
    exit_ = leave(desk)
    desk.plan()
    change(Order, desk.orders(1)[0].id, sent_at=desk.orders(1)[0].created_at - timedelta(seconds=5))
    desk.work_off()
    assert desk.orders(1)[0].status == "CANCELED"
    assert [(o.quantity, o.status) for o in desk.orders(exit_)] == [(3, "FILLED")]
    assert (outcome(desk, exit_)[0], held(desk)) == ("filled", {})


def test_a_partial_exit_of_nothing_is_none(desk: Desk):
    exit_ = leave(desk, "5", position=LONG, position_size=D(5))
    desk.work()
    assert (outcome(desk, exit_), held(desk)) == (("canceled", "nothing to close"), {})


def test_an_alert_that_names_no_position_is_traded_as_it_is(desk: Desk):
    rowid = desk.alert("LNT", Side.SELL, "10")
    desk.work()
    assert (outcome(desk, rowid)[0], held(desk)) == ("filled", {"LNT": -10})


@pytest.mark.parametrize("mode", [CheckMode.WARN, CheckMode.OFF])
def test_a_desk_that_is_also_traded_by_hand_may_trade_exits_as_they_say(desk: Desk, mode: CheckMode):
    check_limits.set_rule(RuleForm(check="reduce_only", mode=mode), "the test")
    exit_ = leave(desk)
    desk.work()
    assert held(desk) == {"LNT": -10}
    assert [o.is_exit for o in desk.orders(exit_)] == [False]


def test_what_the_desk_did_not_trade_is_not_closed(desk: Desk):
    unbooked(desk, "LNT", "6")
    exit_ = leave(desk)
    desk.work()
    assert (desk.orders(exit_), outcome(desk, exit_)) == ([], ("canceled", "nothing to close"))


def test_of_a_position_that_was_sold_by_hand_only_what_is_left_is_closed(desk: Desk, caplog: pytest.LogCaptureFixture):
    desk.broker.capabilities = replace(desk.broker.capabilities, reverses_in_one_order=False)
    enter(desk)
    desk.work()
    unbooked(desk, "LNT", "-6")
    exit_ = leave(desk)
    desk.work()
    assert [order.quantity for order in desk.orders(exit_)] == [4]
    status, reason = outcome(desk, exit_)
    assert status == "critical err"
    assert "6 LNT were not closed: the account holds 4 LNT" in str(reason)


def test_an_exit_whose_position_was_sold_by_hand_while_it_waited_is_loud(desk: Desk):
    desk.broker.capabilities = replace(desk.broker.capabilities, reverses_in_one_order=False)
    enter(desk)
    desk.work()
    exit_ = leave(desk)
    desk.plan()
    unbooked(desk, "LNT", "-10")
    desk.work()
    (order,) = desk.orders(exit_)
    assert (order.status, outcome(desk, exit_)[0]) == ("DENIED", "critical err")
    assert held(desk) == {"LNT": 10}


def test_what_another_book_of_the_account_holds_is_not_closed(desk: Desk):
    with transaction() as session:
        session.add(
            Position(account_id=desk.account_id, name="LNT-X", symbol="LNT", quantity=D(10), average_price=D(50))
        )
    exit_ = leave(desk)
    desk.work()
    assert outcome(desk, exit_) == ("canceled", "nothing to close")


def test_what_is_held_at_another_account_is_told(desk: Desk):
    enter(desk)
    desk.work()
    with transaction() as session:
        other = session.execute(sa.select(BrokerAccount).where(BrokerAccount.name == "external")).scalar_one()
        session.execute(sa.update(Position).values(account_id=other.id))
        session.execute(sa.update(Signal).values(account_id=other.id))
    exit_ = leave(desk)
    desk.work()
    assert outcome(desk, exit_) == ("canceled", "nothing to close")
    assert "Held elsewhere: 10 LNT at external." in str(desk.signal(exit_).error_text)


def test_to_a_target_too_it_is_told_where_the_position_is(desk: Desk):
    check_limits.set_rule(RuleForm(check="sizing", choice="target"), "the test")
    enter(desk)
    desk.work()
    with transaction() as session:
        other = session.execute(sa.select(BrokerAccount).where(BrokerAccount.name == "external")).scalar_one()
        session.execute(sa.update(Position).values(account_id=other.id))
    exit_ = leave(desk)
    desk.work()
    assert outcome(desk, exit_) == ("canceled", "nothing to close")
    assert "Held elsewhere: 10 LNT at external." in str(desk.signal(exit_).error_text)


@pytest.mark.parametrize(("has", "after"), [("0", "-10"), ("4", "-10"), ("10", "-10"), ("15", "-5")])
def test_of_a_reversal_only_what_opens_is_traded_beyond_what_is_held(desk: Desk, has: str, after: str):
    if has != "0":
        enter(desk, has)
        desk.work()
    rowid = desk.alert(
        "LNT",
        Side.SELL,
        "20",
        position=SHORT,
        position_size=D(10),
        previous_position=LONG,
        previous_position_size=D(10),
    )
    desk.work()
    assert (outcome(desk, rowid)[0], held(desk)) == ("filled", {"LNT": D(after)})
    (order,) = desk.orders(rowid)
    assert order.closes == D(has)


def test_a_stop_lets_an_exit_go_that_closes_and_none_that_would_open(desk: Desk):
    enter(desk, "4")
    desk.work()
    set_stop(StopForm(level=StopLevel.ENTRIES, scope=Scope.DESK, reason="news"), "the test")
    first, second = leave(desk), leave(desk)
    desk.work()
    assert (outcome(desk, first)[0], outcome(desk, second)) == ("filled", ("canceled", "nothing to close"))
    assert held(desk) == {}


@pytest.mark.parametrize("policy", [LegPolicy.TOGETHER, LegPolicy.LEG1_FIRST])
def test_a_pair_s_exit_of_nothing_is_none(desk: Desk, context: Flask, policy: LegPolicy):
    make_pair(context, "KO-PEP", "2", leg_policy=policy)
    desk.tell(Kind.REJECT, 2, reason="no")
    enter(desk, ticker="KO-2*PEP", price="1")
    desk.work()
    exit_ = leave(desk, ticker="KO-2*PEP", price="1")
    desk.work()
    assert (outcome(desk, exit_), held(desk)) == (("canceled", "nothing to close"), {})


@pytest.mark.parametrize("policy", LegPolicy)
def test_a_pair_s_exit_that_waited_behind_a_rejected_entry_is_none(desk: Desk, context: Flask, policy: LegPolicy):
    make_pair(context, "KO-PEP", "2", leg_policy=policy)
    enter(desk, ticker="KO-2*PEP", price="1")
    desk.plan()
    desk.tell(Kind.REJECT, 1, symbol="KO", reason="no")
    desk.submit()
    exit_ = leave(desk, ticker="KO-2*PEP", price="1")
    desk.work_off()
    assert held(desk) == {}
    assert outcome(desk, exit_)[0] == "canceled"


def test_a_pair_s_exit_closes_each_leg_by_what_is_held_of_it(desk: Desk):
    enter(desk, ticker="MA-3*V", price="1")
    desk.work()
    with transaction() as session:
        session.execute(sa.update(Position).where(Position.symbol == "V").values(quantity=D(-20)))
        session.execute(sa.update(Position).where(Position.symbol == "MA").values(quantity=D(7)))
    exit_ = leave(desk, ticker="MA-3*V", price="1")
    desk.work()
    assert [(o.symbol, o.side, o.quantity, o.is_exit) for o in desk.orders(exit_)] == [
        ("MA", "sell", 7, True),
        ("V", "buy", 20, True),
    ]
    assert outcome(desk, exit_)[0] == "filled"
    assert told(desk, exit_, "position before") == "The alert starts from long 10, but the desk comes to long 7."


def test_a_leg_that_is_held_alone_is_closed_alone(desk: Desk):
    enter(desk, ticker="MA-3*V", price="1")
    desk.work()
    with transaction() as session:
        session.execute(sa.delete(Position).where(Position.symbol == "MA"))
    exit_ = leave(desk, ticker="MA-3*V", price="1")
    desk.work()
    assert [(o.leg, o.symbol, o.quantity) for o in desk.orders(exit_)] == [(2, "V", 30)]
    assert outcome(desk, exit_)[0] == "filled"


def test_an_exit_waits_for_a_leg_that_is_still_to_follow(desk: Desk, context: Flask):
    make_pair(context, "KO-PEP", "2", leg_policy=LegPolicy.LEG1_FIRST)
    desk.tell(Kind.WORK, symbol="KO")
    enter(desk, ticker="KO-2*PEP", price="1")
    desk.work()  # leg 2 has no order yet
    exit_ = leave(desk, ticker="KO-2*PEP", price="1")
    desk.plan()
    assert desk.orders(exit_) == []
    (lead,) = desk.orders(1)
    desk.venue.fill_rest("paper", lead.client_order_id)
    desk.poll()
    desk.work_off()
    assert held(desk) == {}
    assert outcome(desk, exit_)[0] == "filled"


@pytest.mark.parametrize("left", [0, -5, 5])
def test_to_a_target_too_an_exit_of_a_pair_opens_nothing_on_a_leg_that_has_drifted(desk: Desk, left: int):
    check_limits.set_rule(RuleForm(check="sizing", choice="target"), "the test")
    enter(desk, ticker="MA-3*V", price="1")
    desk.work()
    with transaction() as session:
        session.execute(sa.update(Position).where(Position.symbol == "V").values(quantity=D(left)))
    set_stop(StopForm(level=StopLevel.ENTRIES, scope=Scope.DESK, reason="news"), "the test")
    exit_ = leave(desk, "5", "MA-3*V", "1", position=LONG, position_size=D(5), previous_position_size=D(10))
    desk.work_off()
    closes = [("V", "sell", 5)] if left > 0 else []
    assert [(o.symbol, o.side, o.quantity) for o in desk.orders(exit_)] == [("MA", "sell", 5), *closes]
    assert outcome(desk, exit_)[0] == "filled"


@pytest.mark.parametrize("on_failure", list(FailurePolicy))
def test_an_exit_that_a_pair_s_leg_stands_against_ends_both_legs_of_that_pair(
    desk: Desk, context: Flask, on_failure: FailurePolicy
):
    make_pair(context, "KO-V", "1", on_leg_failure=on_failure)
    check_limits.set_rule(RuleForm(check="exclusivity", mode=CheckMode.OFF), "the test")
    enter(desk, ticker="MA-3*V", price="2")
    desk.work()
    desk.tell(Kind.WORK, 2)
    pair = enter(desk, ticker="KO-V", price="2")
    desk.work()
    assert [order.status for order in desk.orders(pair)] == ["ACCEPTED", "ACCEPTED"]
    exit_ = leave(desk, ticker="MA-3*V", price="2")
    desk.work()
    desk.work()
    assert [(order.status, order.purpose) for order in desk.orders(pair)] == [("CANCELED", "signal")] * 2
    assert (desk.signal(pair).status, desk.signal(exit_).status, held(desk)) == ("canceled", "filled", {})
