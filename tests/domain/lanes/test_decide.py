"""What a signal waits for, state by state: each wait that keeps an exit from opening and an entry from meeting another order."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain.enums import Purpose, Side
from domain.lanes.aim import aim
from domain.lanes.decide import decide
from domain.lanes.values import Ask, Decision, Kind, Lane, LaneLeg, Nothing, Trade, Wait, Working
from domain.order_status import OrderStatus

S = OrderStatus
D = Decimal


def order(side: str, rest: int = 10, number: int = 1, **fields: Any) -> Working:
    values = {"signal_id": number, "lane": "X", "symbol": "X", "status": S.ACCEPTED, "age": D(60)}
    return Working(order_id=number, side=Side(side), rest=D(rest), **{**values, **fields})


def ask(side: str, quantity: int = 10, bound: int | None = None, **fields: Any) -> Ask:
    after = None if bound is None else D(bound)
    return Ask(signal_id=9, side=Side(side), quantity=D(quantity), bound=after, **fields)


def judge(held: int, *working: Working, asked: Ask, **leg: Any) -> Decision:
    legs = (LaneLeg(symbol="X", held=D(held), working=working, **leg),)
    return decide(Lane(name="X", legs=legs), asked, lambda symbol, is_short: D(1))


def judge_pair(first: LaneLeg, second: LaneLeg, asked: Ask) -> Decision:
    lane = Lane(name="X-Y", legs=(first, second), hedge_ratio=D(1))
    return decide(lane, asked, lambda symbol, is_short: D(1))


def traded(decision: Decision) -> list[tuple[str, Decimal, Decimal]]:
    assert isinstance(decision, Trade), decision
    return [(leg.side.value, leg.closes, leg.opens) for leg in decision.legs]


@pytest.mark.parametrize("before", [10, 3, -10, -3])
def test_a_flat_position_closes_exactly_what_is_held_whatever_the_alert_s_own_size(before: int) -> None:
    side = "sell" if before > 0 else "buy"
    assert aim(ask(side, 7, bound=0), D(before)).end == 0
    assert traded(judge(before, asked=ask(side, 7, bound=0))) == [(side, abs(D(before)), D(0))]


def test_an_exit_waits_for_a_leg_that_is_still_to_be_ordered() -> None:
    first = LaneLeg(symbol="X", held=D(10))
    hedge = LaneLeg(symbol="Y", promised=D(-10))  # leg 1 is filled, its hedge follows
    decision = judge_pair(first, hedge, ask("sell", bound=0))
    assert isinstance(decision, Wait)
    assert (decision.kind, decision.reason, decision.cancel) == (
        Kind.EXIT,
        "waits for a leg that is about to be ordered",
        (),
    )
    ordered = replace(hedge, promised=D(0), held=D(-10))
    assert traded(judge_pair(first, ordered, ask("sell", bound=0))) == [("sell", 10, 0), ("buy", 10, 0)]


def test_an_exit_waits_for_a_leg_that_is_traded_back_and_does_not_cancel_it() -> None:
    back = order("sell", lane="X-Y", purpose=Purpose.UNWIND)
    first, second = LaneLeg(symbol="X", held=D(10), working=(back,)), LaneLeg(symbol="Y")
    decision = judge_pair(first, second, ask("sell", bound=0))
    assert isinstance(decision, Wait)
    assert (decision.cancel, "trades a leg back" in decision.reason) == ((), True)


def test_a_reversal_waits_for_an_exit_that_works() -> None:
    decision = judge(10, order("sell", 4, is_exit=True), asked=ask("sell", 20, bound=-10))
    assert isinstance(decision, Wait)
    assert (decision.kind, decision.cancel) == (Kind.REVERSAL, ())
    assert traded(judge(6, asked=ask("sell", 20, bound=-10))) == [("sell", 6, 10)]


@pytest.mark.parametrize("status", [S.UNKNOWN, S.MANUAL])
def test_an_entry_waits_for_an_order_of_its_lane_whose_outcome_is_not_known(status: OrderStatus) -> None:
    decision = judge(0, order("buy", status=status), asked=ask("buy", bound=20))
    assert isinstance(decision, Wait)
    assert "outcome" in decision.reason
    assert traded(judge(0, order("buy"), asked=ask("buy", bound=20))) == [("buy", 0, 10)]
    elsewhere = order("buy", status=status, lane="X-Z")
    assert traded(judge(0, elsewhere, asked=ask("buy", bound=10))) == [("buy", 0, 10)]


@pytest.mark.parametrize("status", [S.UNKNOWN, S.MANUAL])
def test_an_exit_is_not_over_while_the_outcome_of_the_one_before_is_not_known(status: OrderStatus) -> None:
    decision = judge(10, order("sell", status=status, is_exit=True), asked=ask("sell", bound=0))
    assert isinstance(decision, Wait)
    assert "outcome" in decision.reason
    closing = judge(10, order("sell", is_exit=True), asked=ask("sell", bound=0))
    assert isinstance(closing, Nothing)
    assert closing.text == "Nothing is left to close of X: signal 1 is closing it."
