"""All checks together: their order, their modes, and what is an exit."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checks.catalog import CHECKS
from domain.checks.facts import BookLine, LastTarget, MeanSlip, PlannedLeg, is_exit, only_reduces
from domain.checks.hours import Session
from domain.checks.run import CHECKS_OF_SIGNALS, run_checks
from domain.enums import MarketPosition, Scope, Side, StopLevel, WhenClosed
from domain.lanes.values import Kind
from domain.stops import StopInForce
from tests.domain.checks_support import NOW, OFF, REFUSE, WARN, held, pair, rule, rules, single

D = Decimal
STOP = (StopInForce(1, StopLevel.ENTRIES, Scope.DESK, "", "the news", NOW),)
BUY, SELL = Side.BUY, Side.SELL


def names(outcome):
    return [step["check"] for step in outcome.steps]


def test_the_checks_of_a_usual_signal_all_pass():
    outcome = run_checks(single(), rules())
    assert names(outcome) == ["stop", "exclusivity", "age", "position size", "missed alert"]
    assert all(step["ok"] for step in outcome.steps)
    assert outcome.goes_on


def test_every_check_but_those_of_the_registry_is_done_somewhere():
    elsewhere = {"registered", "active", "hedge", "sizing", "reduce_only", "reversal", "quote_age"}
    assert set(CHECKS_OF_SIGNALS) == set(CHECKS) - elsewhere


def test_the_first_refusal_ends_the_checks_and_says_why():
    outcome = run_checks(single(stops=STOP, received_at=NOW - timedelta(days=1)), rules())
    assert names(outcome) == ["stop"]
    assert outcome.refusal[:2] == ("canceled", "stopped")
    assert outcome.refusal.text == outcome.steps[-1]["text"]
    assert not outcome.goes_on


def test_a_warning_is_on_the_trace_and_the_signal_is_traded():
    outcome = run_checks(single(received_at=NOW - timedelta(days=1)), rules(rule("age", mode=WARN)))
    assert (outcome.steps[2]["ok"], outcome.steps[2]["values"]["outcome"]) == (False, "warning")
    assert outcome.goes_on
    assert len(outcome.steps) == 5


def test_a_check_that_is_off_leaves_no_step():
    outcome = run_checks(single(received_at=NOW - timedelta(days=1)), rules(rule("age", mode=OFF)))
    assert "age" not in names(outcome)
    assert outcome.goes_on


def test_what_cannot_be_judged_passes_and_says_so():
    outcome = run_checks(single(), rules(rule("price_deviation", limit=1)))
    step = outcome.steps[-1]
    assert (step["check"], step["ok"], step["values"]["outcome"]) == ("price deviation", True, "not judged")
    assert step["text"] == "There is no fresh quote of AAA."
    assert outcome.goes_on


def test_strict_refuses_what_cannot_be_judged():
    outcome = run_checks(single(), rules(rule("price_deviation", limit=1, choice="strict")))
    assert outcome.refusal.reason == "price deviation"


CLOSED = {"sessions": {"AAA": Session(is_open=False, opens_at=NOW + timedelta(hours=2))}}


def test_a_held_signal_is_neither_refused_nor_traded():
    outcome = run_checks(single(**CLOSED), rules(rule("trading_hours", mode=REFUSE, choice="hold")))
    assert (outcome.refusal, outcome.hold_until) == (None, NOW + timedelta(hours=2))
    assert outcome.steps[-1]["values"]["outcome"] == "held"
    assert not outcome.goes_on


def test_an_alert_s_own_word_for_a_closed_market_is_kept_unless_the_check_is_off():
    asks = single(when_closed=WhenClosed.EXPIRE, **CLOSED)
    assert run_checks(single(**CLOSED), rules()).goes_on
    assert run_checks(asks, rules()).refusal.reason == "market closed"
    assert run_checks(asks, rules(rule("trading_hours", mode=OFF))).goes_on


def test_a_duplicate_counts_where_alerts_are_traded_to_their_target():
    assert run_checks(single(newer_waiting=9), rules()).goes_on
    assert run_checks(single(newer_waiting=9, to_target=True), rules()).refusal.reason == "duplicate order"
    assert run_checks(single(newer_waiting=9, to_target=True), rules(rule("duplicate", mode=OFF))).goes_on


REASONS = [
    ("exclusivity", {"books": (held("AAA", "5", "AAA-BBB"),)}, "exclusivity"),
    ("age", {"received_at": NOW - timedelta(hours=1)}, "expired"),
    ("position_size", {"position": MarketPosition.FLAT, "previous_position": MarketPosition.FLAT}, "position size mismatch"),
    ("position_missing", {}, "missing position size"),
    ("missed_alert", {"last": LastTarget(1, D(5), NOW), "previous_position": MarketPosition.FLAT}, "missed alert"),
    ("pyramiding", {"books": (held("AAA", "5"),)}, "pyramiding"),
    ("max_quantity", {}, "too large"),
    ("max_notional", {}, "too large"),
    ("open_positions", {}, "too many positions"),
    ("daily_loss", {"results": {Scope.DESK: {"USD": D(-5)}}}, "daily loss"),
    ("orders_per_minute", {}, "too many orders"),
    ("slippage_guard", {"mean_slip": MeanSlip(D(-9), 3)}, "slippage"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "more", "reason"), REASONS, ids=[row[0] for row in REASONS])
def test_each_refusal_has_its_word(check, more, reason):
    limit = 1 if CHECKS[check].limit and CHECKS[check].limit.cumulative and check == "daily_loss" else 0
    known = rules(rule(check, mode=REFUSE, limit=limit if CHECKS[check].limit else None))
    outcome = run_checks(single(**more), known)
    assert outcome.refusal[:2] == ("canceled", reason)


def test_a_signal_that_is_not_sized_is_judged_by_leg_1():
    facts = single(side=SELL, legs=(), books=(held("AAA", "10"),), stops=STOP)
    assert run_checks(facts, rules()).goes_on
    more = replace(facts, quantity=D(11))
    assert run_checks(more, rules()).refusal.reason == "stopped"


@pytest.mark.parametrize(("kind", "passes"), [(Kind.EXIT, True), (Kind.ENTRY, False), (Kind.REVERSAL, False)])
def test_what_the_lane_has_decided_goes_before_the_books(kind, passes):
    facts = single(side=SELL, books=(held("AAA", "10"),), stops=STOP, kind=kind)
    assert run_checks(facts, rules()).goes_on is passes


def test_to_a_target_the_contracts_do_not_count():
    flat = {"position": MarketPosition.FLAT, "position_size": D(0)}
    facts = single(side=SELL, quantity=D(99), legs=(), books=(held("AAA", "10"),), stops=STOP, to_target=True, **flat)
    assert facts.is_exit
    assert not replace(facts, to_target=False).is_exit


def test_legs_that_turn_out_to_be_more_than_an_exit_meet_the_stop_after_all():
    legs = (PlannedLeg("AAA", SELL, D(10)), PlannedLeg("BBB", BUY, D(50)))
    books = (held("AAA", "10", "AAA-BBB"), held("BBB", "-20", "AAA-BBB"))
    facts = pair(side=SELL, legs=(), books=books, stops=STOP)
    assert run_checks(facts, rules()).goes_on
    sized = replace(facts, legs=legs)
    assert run_checks(sized, rules()).refusal.reason == "stopped"


@pytest.mark.parametrize(
    ("have", "legs", "expected"),
    [
        ({"A": "10"}, [("A", SELL, "10")], True),
        ({"A": "10"}, [("A", SELL, "4")], True),
        ({"A": "10"}, [("A", SELL, "11")], False),
        ({"A": "10"}, [("A", BUY, "1")], False),
        ({"A": "-10"}, [("A", BUY, "10")], True),
        ({}, [("A", SELL, "1")], False),
        ({}, [], False),
        ({"A": "10", "B": "-12"}, [("A", SELL, "10"), ("B", BUY, "13")], True),  # it had drifted by one share
        ({"A": "10", "B": "-12"}, [("A", SELL, "10"), ("B", BUY, "25")], False),
        ({"A": "10"}, [("A", SELL, "10"), ("B", BUY, "13")], False),
    ],
)
def test_an_exit_only_makes_the_position_smaller(have, legs, expected):
    planned = tuple(PlannedLeg(symbol, side, D(quantity)) for symbol, side, quantity in legs)
    assert is_exit(planned, {symbol: D(quantity) for symbol, quantity in have.items()}) is expected


QUANTITIES = st.decimals(-1000, 1000, places=3)


@given(QUANTITIES, QUANTITIES)
def test_after_an_exit_less_is_held_on_the_same_side(have, change):
    after = have + change
    smaller = abs(after) < abs(have) and (after == 0 or (after > 0) == (have > 0))
    assert only_reduces(have, change) is smaller


def test_what_still_works_counts_as_done():
    closing = BookLine("AAA", "AAA", D(10), D(-10), is_worked=True)
    assert not single(side=SELL, books=(closing,)).is_exit
    opening = BookLine("AAA", "AAA", D(0), D(10), is_worked=True)
    assert single(side=SELL, books=(opening,)).is_exit


def test_an_alert_that_does_not_say_where_it_starts_is_never_called_the_first():
    steps = run_checks(single(last=None, previous_position=None), rules()).steps
    (missed,) = [step for step in steps if step["check"] == "missed alert"]
    assert missed["values"]["outcome"] == "not judged"
    assert "first signal" not in missed["text"]
