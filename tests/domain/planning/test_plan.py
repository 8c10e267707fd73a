"""What is to be done with a signal now: the table of cases."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.enums import CheckMode, FailurePolicy, LegPolicy, OrderType, Side, Source
from domain.intake import Decision
from domain.lanes.values import Ahead, Kind
from domain.order_status import OrderStatus, SignalStatus
from domain.planning.plan import SHORTEST_WAIT, plan
from domain.planning.values import Held, Planned, Refused, Waits
from tests.domain.checks_support import NOW
from tests.domain.planning.plan_support import (
    HOLDS,
    OPENS_AT,
    PAIR,
    choice,
    mode,
    planned,
    request,
    situation,
    whole_shares,
    working,
)

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
TO_TARGET, REFUSES_REVERSALS = choice("sizing", "target"), choice("reversal", "refuse")
ONE_BY_ONE = {"reverses_in_one_order": False}


def orders(outcome):
    assert isinstance(outcome, Planned), outcome
    return [(leg.side, leg.order_quantity, leg.symbol) for leg in outcome.legs]


def refused(outcome):
    assert isinstance(outcome, Refused), outcome
    return outcome.status.value, outcome.reason


@pytest.mark.parametrize(
    ("asked", "held", "kind", "expected"),
    [
        (request(BUY, 10, 10), (0,), Kind.ENTRY, [(BUY, 10, "AAA")]),
        (request(SELL, 10, -10), (0,), Kind.ENTRY, [(SELL, 10, "AAA")]),
        (request(BUY, 5, 15), (10,), Kind.ENTRY, [(BUY, 5, "AAA")]),
        (request(BUY, 10, 15), (10,), Kind.ENTRY, [(BUY, 5, "AAA")]),  # never beyond what the alert names
        (request(SELL, 10, 0), (10,), Kind.EXIT, [(SELL, 10, "AAA")]),
        (request(SELL, 10, 0), (4,), Kind.EXIT, [(SELL, 4, "AAA")]),
        (request(SELL, 4, 0), (10,), Kind.EXIT, [(SELL, 10, "AAA")]),  # flat is flat
        (request(BUY, 10, 0), (-10,), Kind.EXIT, [(BUY, 10, "AAA")]),
        (request(SELL, 5, 5), (10,), Kind.EXIT, [(SELL, 5, "AAA")]),
        (request(SELL, 20, -10), (10,), Kind.REVERSAL, [(SELL, 20, "AAA")]),
        (request(SELL, 20, -10), (4,), Kind.REVERSAL, [(SELL, 14, "AAA")]),
        (request(SELL, 10), (10,), Kind.EXIT, [(SELL, 10, "AAA")]),  # it names no position: a plain order
        (request(SELL, 10), (0,), Kind.ENTRY, [(SELL, 10, "AAA")]),
        (request(BUY, 10, 10, symbols=PAIR), (0, 0), Kind.ENTRY, [(BUY, 10, "AAA"), (SELL, 20, "BBB")]),
        (request(SELL, 10, 0, symbols=PAIR), (10, -19), Kind.EXIT, [(SELL, 10, "AAA"), (BUY, 19, "BBB")]),
        (request(SELL, 10, 0, symbols=PAIR), (0, -19), Kind.EXIT, [(BUY, 19, "BBB")]),
        (
            request(SELL, 20, -10, symbols=PAIR), (10, -20), Kind.REVERSAL, [(SELL, 20, "AAA"), (BUY, 40, "BBB")],
        ),
    ],
)  # fmt: skip
def test_what_is_ordered(asked, held, kind, expected):
    outcome = planned(asked, held)
    assert (orders(outcome), outcome.kind, outcome.left_out) == (expected, kind, None)
    assert outcome.not_after == NOW + timedelta(seconds=119)  # as old as the alert may become
    assert "Orders for account paper" in outcome.steps[-1]["text"]


@pytest.mark.parametrize(
    ("asked", "held", "expected"),
    [
        (request(SELL, 10, 0), (0,), ("canceled", "nothing to close")),
        (request(BUY, 10, 10), (10,), ("canceled", "at target")),
        (request(BUY, 20, 10), (10,), ("canceled", "at target")),
    ],
)
def test_what_ends_without_an_order(asked, held, expected):
    assert refused(planned(asked, held)) == expected


def test_to_its_target_the_position_counts_and_not_the_size():
    assert orders(planned(request(BUY, 3, 10), (2,), rules=[TO_TARGET])) == [(BUY, 8, "AAA")]
    assert refused(planned(request(BUY, 3), rules=[TO_TARGET])) == ("canceled", "missing position size")


@pytest.mark.parametrize(("leg2", "more"), [(-20, [(BUY, 10, "BBB")]), (-5, []), (0, []), (5, [(SELL, 5, "BBB")])])
def test_to_its_target_an_exit_of_a_pair_opens_nothing_on_leg_2(leg2, more):
    outcome = planned(request(SELL, 5, 5, symbols=PAIR), (10, leg2), rules=[TO_TARGET])
    assert (orders(outcome), outcome.kind) == ([(SELL, 5, "AAA"), *more], Kind.EXIT)


def test_what_an_exit_at_work_closes_is_not_closed_again():
    at_work = [working(7, SELL, 6, is_exit=True)]
    assert orders(planned(request(SELL, 10, 0), (10,), at_work)) == [(SELL, 4, "AAA")]
    all_of_it = [working(7, SELL, 10, is_exit=True)]
    assert refused(planned(request(SELL, 10, 0), (10,), all_of_it)) == ("canceled", "nothing left to close")


def test_an_exit_waits_for_the_end_of_the_entry_that_it_asks_for():
    outcome = planned(request(SELL, 10, 0), (4,), [working(7, BUY, 6)])
    assert isinstance(outcome, Waits)
    assert (outcome.kind, outcome.cancel, outcome.aimed_at) == (Kind.EXIT, (7,), 0)
    assert outcome.look_at >= NOW + SHORTEST_WAIT


@pytest.mark.parametrize(
    ("asked", "held", "at_work", "expected"),
    [
        (request(SELL, 10, 0), (4,), [working(7, BUY, 6, status=OrderStatus.UNKNOWN)], ("critical err", "exit not sent")),
        (request(SELL, 10, 0), (0,), [working(7, BUY, 6, status=OrderStatus.UNKNOWN)], ("canceled", "expired")),
        (request(BUY, 10, 10), (4,), [working(7, SELL, 4, is_exit=True)], ("canceled", "expired")),
    ],
)  # fmt: skip
def test_what_waits_for_longer_than_it_lives_ends_and_an_exit_that_leaves_something_is_loud(
    asked, held, at_work, expected
):
    late = {"received_at": NOW - timedelta(minutes=5)}
    assert refused(planned(asked, held, at_work, facts=late)) == expected
    if asked.bound == 0:  # what a stop closes has no end of life
        assert isinstance(planned(replace(asked, source=Source.FLATTEN), held, at_work, facts=late), Waits)


def test_where_the_venue_turns_no_position_round_the_closing_goes_first():
    outcome = planned(request(SELL, 20, -10), (10,), **ONE_BY_ONE)
    (leg,) = outcome.legs
    assert (leg.quantity, leg.first, leg.closes, outcome.kind) == (20, 10, 10, Kind.REVERSAL)


@pytest.mark.parametrize("venue", [ONE_BY_ONE, {}])
@pytest.mark.parametrize(
    "obstacle",
    [
        {"stopped": True},
        {"paused": True},
        {"short_selling": False},
        {"assets": {"AAA": whole_shares("AAA", shortable=False)}},
    ],
)
def test_a_reversal_whose_opening_is_refused_closes_only(obstacle, venue):
    turn = request(SELL, 20, -10)
    outcome = planned(turn, (10,), **{**venue, **obstacle})
    assert (orders(outcome), outcome.kind) == ([(SELL, 10, "AAA")], Kind.REVERSAL)
    assert outcome.left_out.startswith("short 10 was not opened: ")
    (leg,) = outcome.legs
    assert (leg.is_exit, leg.order_closes) == (True, 10)


@pytest.mark.parametrize("obstacle", [{"stopped": True}, {"short_selling": False}])
def test_where_the_user_says_so_a_reversal_that_may_not_open_trades_nothing(obstacle):
    outcome = planned(request(SELL, 20, -10), (10,), rules=[REFUSES_REVERSALS], **obstacle)
    assert refused(outcome)[1] in ("stopped", "shortable")


def test_a_pair_whose_opening_is_refused_closes_both_legs():
    outcome = planned(request(SELL, 20, -10, symbols=PAIR), (10, -20), stopped=True)
    assert (orders(outcome), outcome.kind) == ([(SELL, 10, "AAA"), (BUY, 20, "BBB")], Kind.REVERSAL)


def test_a_name_that_is_paused_opens_nothing_and_closes_what_is_held():
    assert refused(planned(request(BUY, 10, 10), paused=True)) == ("canceled", "passive ticker")
    assert refused(planned(request(BUY, 10, 10), (3,), [working(7, SELL, 3, is_exit=True)], paused=True)) == (
        "canceled",
        "passive ticker",
    )
    outcome = planned(request(SELL, 10, 0), (10,), paused=True)
    assert (orders(outcome), outcome.left_out) == ([(SELL, 10, "AAA")], None)


def test_a_name_that_the_catalog_does_not_know_any_more_is_not_traded():
    asked = request(SELL, 10, 0)
    gone = Decision(status=SignalStatus.ERROR, reason="unknown ticker", error_text="unknown ticker: gone")
    assert refused(plan(asked, replace(situation(asked, (10,)), registered=gone))) == ("error", "unknown ticker")


@pytest.mark.parametrize(
    ("asked", "held", "kind"),
    [
        (request(BUY, 10, 10), (0,), Kind.ENTRY),
        (request(SELL, 10, 0), (10,), Kind.EXIT),
        (request(SELL, 20, -10), (10,), Kind.REVERSAL),
    ],
)
@pytest.mark.parametrize("obstacle", [{}, {"stopped": True}, {"paused": True}, {"short_selling": False}])
def test_a_held_signal_keeps_its_kind(asked, held, kind, obstacle):
    outcome = planned(asked, held, is_open=False, rules=[HOLDS], **obstacle)
    if kind is Kind.ENTRY and ("stopped" in obstacle or "paused" in obstacle):
        assert isinstance(outcome, Refused)
    else:
        assert isinstance(outcome, Held)
        assert (outcome.kind, outcome.until, outcome.reason) == (kind, OPENS_AT, "market closed")


def test_a_closed_market_ends_what_is_not_to_be_held():
    assert refused(planned(request(BUY, 10, 10), is_open=False)) == ("canceled", "market closed")


def test_an_account_that_is_not_switched_on_trades_nothing():
    asked = request(SELL, 10, 0)
    context = replace(situation(asked, (10,)), live_is_off=True)
    assert refused(plan(asked, context)) == ("error", "live trading is off")


def test_what_a_stop_closes_asks_no_check_and_sends_the_short_leg_first():
    asked = request(SELL, 10, 0, symbols=PAIR, source=Source.FLATTEN)
    late = {"received_at": NOW - timedelta(days=1)}
    outcome = planned(asked, (10, -20), stopped=True, facts=late, rules=[mode("age", CheckMode.REFUSE)])
    assert orders(outcome) == [(SELL, 10, "AAA"), (BUY, 20, "BBB")]
    assert (outcome.policy, outcome.on_failure, outcome.lead) == (LegPolicy.LEG1_FIRST, FailurePolicy.COMPLETE, 2)
    assert "stop" not in [step["check"] for step in outcome.steps]
    assert (outcome.not_after, {leg.terms.order_type for leg in outcome.legs}) == (None, {OrderType.MARKET})


def test_of_a_coin_all_that_fees_have_left_is_sold():
    coin = {"assets": {"AAA": whole_shares("AAA", quantity_step=D("0.01"), always_open=True)}}
    outcome = planned(request(SELL, 10), (D("9.975"),), fee_in_kind=D("0.0025"), quantity_step=D("0.01"), **coin)
    assert orders(outcome) == [(SELL, D("9.97"), "AAA")]
    assert outcome.steps[0]["check"] == "fee"
    more_is_gone = planned(request(SELL, 10), (D("9.9"),), fee_in_kind=D("0.0025"), quantity_step=D("0.01"), **coin)
    assert orders(more_is_gone) == [(SELL, 10, "AAA")]


def test_what_the_account_does_not_hold_is_not_closed_and_a_person_is_told():
    outcome = planned(request(SELL, 10, 0), (10,), account=(4,), **ONE_BY_ONE)
    assert (orders(outcome), outcome.left_out[:22]) == ([(SELL, 4, "AAA")], "6 AAA were not closed:")
    assert refused(planned(request(SELL, 10, 0), (10,), account=(0,), **ONE_BY_ONE)) == (
        "critical err",
        "position differs",
    )


def test_an_exit_to_flat_ends_the_entries_that_wait_before_it_and_one_that_is_refused_ends_none():
    ahead = [Ahead(signal_id=90, is_exit=False, why="its market is closed")]
    assert planned(request(SELL, 10, 0), (10,), ahead=ahead).passes == (90,)
    assert planned(request(SELL, 10, 0), (0,), ahead=ahead).passes == (90,)  # flat is what it asked for
    not_sent = planned(request(SELL, 10, 0), (10,), ahead=ahead, is_open=False)
    assert (refused(not_sent), not_sent.passes) == (("canceled", "market closed"), ())
    too_late = planned(request(SELL, 10, 0), (10,), ahead=ahead, facts={"received_at": NOW - timedelta(minutes=5)})
    assert (refused(too_late), too_late.passes) == (("canceled", "expired"), ())


def test_the_trace_tells_what_was_missed_unless_nobody_wants_to_hear_it():
    asked = request(SELL, 10, 0, previous=D(10))
    assert "position before" in [step["check"] for step in planned(asked, (4,)).steps]
    quiet = planned(asked, (4,), rules=[mode("missed_alert", CheckMode.OFF)])
    assert "position before" not in [step["check"] for step in quiet.steps]
