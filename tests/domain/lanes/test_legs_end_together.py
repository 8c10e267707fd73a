"""An exit asks for the end of all orders of an entry at once, or of none: one leg that ended alone would be mended."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.enums import Side
from domain.lanes.decide import decide
from domain.lanes.values import Ask, Lane, LaneLeg, Wait, Working
from domain.order_status import OrderStatus

D = Decimal
S = OrderStatus
YOUNG, OLD = D("0.3"), D("1.2")
ONE = Working(
    order_id=1, signal_id=7, lane="MA-V", symbol="MA", side=Side.BUY, rest=D(10), status=S.ACCEPTED, age=OLD
)  # fmt: skip
TWO = replace(ONE, order_id=2, symbol="V", side=Side.SELL, rest=D(30))


def close(*orders: Working) -> Wait:
    legs = tuple(
        LaneLeg(symbol=symbol, working=tuple(o for o in orders if o.symbol == symbol)) for symbol in ("MA", "V")
    )
    lane = Lane(name="MA-V", legs=legs, hedge_ratio=D(3))
    decision = decide(lane, Ask(signal_id=9, side=Side.SELL, quantity=D(10), bound=D(0)), lambda *_: D(1))
    assert isinstance(decision, Wait)
    return decision


@pytest.mark.parametrize(
    ("one", "two", "cancel", "seconds"),
    [
        (OLD, OLD, (1, 2), "5"),
        (YOUNG, YOUNG, (), "0.7"),
        (OLD, YOUNG, (), "0.7"),
        (YOUNG, OLD, (), "0.7"),
    ],
)
def test_both_legs_of_an_entry_have_the_same_moment_to_be_filled(one, two, cancel, seconds):
    wait = close(replace(ONE, age=one), replace(TWO, age=two))
    assert (wait.cancel, wait.seconds) == (cancel, D(seconds))


def test_a_leg_that_was_not_sent_waits_for_the_moment_of_the_other_one():
    unsent = replace(ONE, status=S.QUEUED, age=None)
    assert close(unsent, replace(TWO, age=YOUNG)).cancel == ()
    assert close(unsent, TWO).cancel == (1, 2)


def test_a_leg_that_only_hedges_what_is_filled_keeps_nothing_from_being_canceled():
    assert close(ONE, replace(TWO, age=None, status=S.QUEUED, follows=True)).cancel == (1,)
    assert close(ONE, replace(TWO, age=YOUNG, follows=True)).cancel == (1,)


def test_an_order_of_another_signal_keeps_nothing_from_being_canceled():
    assert close(ONE, replace(TWO, age=YOUNG, signal_id=8)).cancel == (1,)
    assert close(replace(ONE, signal_id=None), replace(TWO, age=YOUNG, signal_id=None)).cancel == (1,)
