"""Hedge drift: what is off balance, what is tolerated, and what would heal it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.drift import (
    LESS_THAN_A_STEP,
    UNKNOWN_OUTCOME,
    WORKING_AGAINST,
    LegHolding,
    Proposal,
    measure,
)
from domain.enums import Side

D = Decimal


def look(held1, held2, *, hedge="3", working1="0", working2="0", step1="1", step2="1", limit="2", unknown=False):
    leg1 = LegHolding("MA", D(held1), D(working1), D(step1))
    leg2 = LegHolding("V", D(held2), D(working2), D(step2))
    return measure(D(hedge), leg1, leg2, D(limit), unknown=unknown)


@pytest.mark.parametrize(
    ("held1", "held2", "target", "imbalance", "percent", "within"),
    [
        ("10", "-30", "-30", "0", "0", True),
        ("-10", "30", "30", "0", "0", True),
        ("100", "-297", "-300", "3", "1", True),
        ("100", "-294", "-300", "6", "2", True),
        ("100", "-293", "-300", "7", "2.33333333", False),
        ("100", "-306", "-300", "-6", "2", True),
        ("100", "-307", "-300", "-7", "2.33333333", False),
        ("10", "30", "-30", "60", "200", False),
        ("0", "0", "0", "0", "0", True),
    ],
)
def test_leg_2_is_compared_with_what_would_hedge_leg_1(held1, held2, target, imbalance, percent, within):
    drift = look(held1, held2)
    assert (drift.target2, drift.imbalance2, drift.percent) == (D(target), D(imbalance), D(percent))
    assert drift.within is within
    assert not drift.orphan
    assert (drift.proposal is None) is within


def test_the_target_is_what_leg_2_can_trade():
    assert look("10", "-13", hedge="1.25").target2 == -12  # half to even, as orders are sized
    assert look("10", "-12.5", hedge="1.25", step2="0.01").target2 == D("-12.5")
    assert look("10", "-12", hedge="1.25").imbalance2 == 0


def test_less_than_one_step_of_leg_2_is_no_drift_however_many_percent_it_is():
    assert look("1", "-0.4", hedge="1", limit="0").within is True
    assert look("1", "-0.4", hedge="1", limit="0").percent == 60
    assert look("1", "-0.4", hedge="1", step2="0.1", limit="0").within is False


def test_drift_is_healed_by_trading_leg_2():
    assert look("10", "-27").proposal == Proposal("V", Side.SELL, D(3))
    assert look("10", "-33").proposal == Proposal("V", Side.BUY, D(3))
    assert look("-10", "27").proposal == Proposal("V", Side.BUY, D(3))
    assert look("10", "30").proposal == Proposal("V", Side.SELL, D(60))


def test_a_leg_whose_other_leg_is_flat_is_closed():
    for held1, held2, healed in (
        ("10", "0", Proposal("MA", Side.SELL, D(10))),
        ("-10", "0", Proposal("MA", Side.BUY, D(10))),
        ("0", "30", Proposal("V", Side.SELL, D(30))),
        ("0", "-30", Proposal("V", Side.BUY, D(30))),
    ):
        drift = look(held1, held2, limit="100")
        assert (drift.orphan, drift.within, drift.proposal) == (True, False, healed)
    assert look("0", "30").percent is None
    assert look("10", "0").percent == 100


def test_a_leg_so_small_that_it_needs_no_hedge_is_no_orphan():
    drift = look("1", "0", hedge="0.3")
    assert (drift.orphan, drift.within, drift.imbalance2) == (False, True, 0)


def test_working_orders_count_as_filled():
    assert look("0", "0", working1="10", working2="-30").within is True
    assert look("10", "0", working2="-30").within is True
    assert look("10", "0", working2="-30").orphan is False
    assert look("10", "-30", working1="-10", working2="30").within is True
    drift = look("10", "-27", working2="-1")
    assert (drift.target2, drift.imbalance2) == (-30, 2)
    assert drift.proposal == Proposal("V", Side.SELL, D(2))
    assert look("10", "-20", working1="10").coming_target2 == -60


def test_nothing_is_proposed_against_a_working_order():
    for drift in (
        look("10", "-30", working2="-30"),  # too much of leg 2 is coming
        look("0", "0", working1="10"),  # the orphan itself is only coming
        look("5", "0", working1="5"),
        look("-5", "0", working1="15"),
    ):
        assert (drift.within, drift.proposal, drift.note) == (False, None, WORKING_AGAINST)


def test_nothing_is_proposed_while_an_outcome_is_not_known():
    drift = look("10", "-27", unknown=True)
    assert (drift.within, drift.proposal, drift.note) == (False, None, UNKNOWN_OUTCOME)
    assert look("10", "-30", unknown=True).note is None


def test_an_orphan_of_less_than_a_step_cannot_be_closed():
    drift = look("0.5", "0")
    assert (drift.orphan, drift.proposal, drift.note) == (True, None, LESS_THAN_A_STEP)
    assert look("10.5", "0").proposal == Proposal("MA", Side.SELL, D(10))


def test_the_largest_numbers_are_exact():
    drift = look("999999999999.99999999", "0", hedge="999999999999.99999999", step1="0.00000001", step2="0.00000001")
    assert drift.target2 == D("-999999999999999999980000")
    assert drift.proposal.quantity == D("999999999999.99999999")


quantities = st.decimals(-(10**6), 10**6, places=2, allow_nan=False)
hedges = st.decimals("0.01", 100, places=2)
steps = st.sampled_from([D(1), D("0.1"), D("0.01"), D(100)])


@given(held1=quantities, held2=quantities, hedge=hedges, step1=steps, step2=steps, limit=st.integers(0, 100))
def test_a_healed_pair_has_not_drifted(held1, held2, hedge, step1, step2, limit):
    leg1, leg2 = LegHolding("MA", held1, step=step1), LegHolding("V", held2, step=step2)
    drift = measure(hedge, leg1, leg2, D(limit))
    assert not (drift.within and drift.proposal)
    if drift.proposal is None:
        assert drift.within or drift.note == LESS_THAN_A_STEP
        return
    step = step1 if drift.proposal.symbol == "MA" else step2
    assert drift.proposal.quantity % step == 0
    change = drift.proposal.side.sign * drift.proposal.quantity
    if drift.orphan:
        held = held1 if drift.proposal.symbol == "MA" else held2
        assert abs(held + change) < step
        assert held * (held + change) >= 0  # never through zero
    else:
        healed = measure(hedge, leg1, LegHolding("V", held2 + change, step=step2), D(limit))
        assert abs(healed.imbalance2) <= step2 / 2


@given(held1=quantities, held2=quantities, hedge=hedges, step2=steps)
def test_both_directions_are_alike(held1, held2, hedge, step2):
    one = measure(hedge, LegHolding("MA", held1), LegHolding("V", held2, step=step2))
    other = measure(hedge, LegHolding("MA", -held1), LegHolding("V", -held2, step=step2))
    assert (one.imbalance2, one.percent, one.within, one.orphan) == (
        -other.imbalance2,
        other.percent,
        other.within,
        other.orphan,
    )
    if one.proposal:
        assert (other.proposal.symbol, other.proposal.quantity) == (one.proposal.symbol, one.proposal.quantity)
        assert other.proposal.side is one.proposal.side.opposite
