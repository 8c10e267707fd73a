"""What the orders of a signal add up to."""

import itertools
from decimal import Decimal

import pytest

from domain.enums import Side
from domain.lanes.roll_up import LegState, fill_price, roll_up
from domain.order_status import CLOSED, OrderStatus, SignalStatus

D = Decimal


def leg(status, filled="0", quantity="10", price=None, reason=None):
    filled, quantity = D(filled), D(quantity)
    price = D(price) if price is not None else (D(50) if filled else None)
    return LegState(OrderStatus(status), quantity, filled, price, reason)


def single(one, **more):
    return roll_up(Side.BUY, D(50), None, [one], **more)


def pair(one, two):
    return roll_up(Side.BUY, D(-2), D(3), [one, two])


def told(result):
    return result.status.value, result.reason


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (leg("QUEUED"), ("created", None)),
        (leg("CLAIMED"), ("created", None)),
        (leg("SENDING"), ("created", None)),
        (leg("UNKNOWN"), ("created", None)),
        (leg("ACCEPTED"), ("created", None)),
        (leg("CANCEL_PENDING"), ("created", None)),
        (leg("PARTIALLY_FILLED", "4"), ("part.filled", None)),
        (leg("CANCEL_PENDING", "4"), ("part.filled", None)),
        (leg("FILLED", "10"), ("filled", None)),
        (leg("REJECTED", reason="no shares to borrow"), ("error", "no shares to borrow")),
        (leg("DENIED", reason="not sent after 5 attempts"), ("error", "not sent after 5 attempts")),
        (leg("REJECTED"), ("error", "rejected")),
        (leg("CANCELED"), ("canceled", "canceled")),
        (leg("EXPIRED", reason="day is over"), ("canceled", "day is over")),
        (leg("STALE", reason="expired before it could be sent"), ("canceled", "expired")),
        (leg("REPLACED"), ("canceled", "replaced")),
        (leg("CANCELED", "4"), ("part.filled", "the rest ended unfilled: canceled")),
        (leg("EXPIRED", "4", reason="day is over"), ("part.filled", "the rest ended unfilled: day is over")),
        (leg("MANUAL"), ("critical err", "an order's outcome is not known; a person must look")),
    ],
)
def test_a_single(one, expected):
    assert told(single(one)) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (leg("QUEUED"), leg("QUEUED", quantity="30"), ("created", None)),
        (leg("SENDING"), leg("QUEUED", quantity="30"), ("created", None)),
        (leg("ACCEPTED"), leg("ACCEPTED", quantity="30"), ("created", None)),
        (leg("FILLED", "10"), leg("ACCEPTED", quantity="30"), ("filled(...)", None)),
        (leg("FILLED", "10"), leg("QUEUED", quantity="30"), ("filled(...)", None)),
        (leg("ACCEPTED"), leg("FILLED", "30", "30"), ("filled(...)", None)),
        (leg("FILLED", "10"), leg("PARTIALLY_FILLED", "6", "30"), ("filled(...)", None)),
        (leg("PARTIALLY_FILLED", "4"), leg("ACCEPTED", quantity="30"), ("part.filled", None)),
        (leg("FILLED", "10"), leg("FILLED", "30", "30"), ("filled", None)),
        (leg("DENIED", reason="x"), leg("DENIED", quantity="30", reason="y"), ("error", "leg 1: x; leg 2: y")),
        (leg("REJECTED", reason="x"), leg("QUEUED", quantity="30"), ("created", None)),
        (leg("STALE"), leg("STALE", quantity="30"), ("canceled", "expired")),
        (leg("CANCELED"), leg("CANCELED", quantity="30"), ("canceled", "leg 1: canceled; leg 2: canceled")),
        (leg("CANCELED"), leg("REJECTED", quantity="30"), ("error", "leg 1: canceled; leg 2: rejected")),
        (
            leg("CANCELED", "5"),
            leg("CANCELED", "15", "30"),
            ("part.filled", "the rest ended unfilled: leg 1: canceled; leg 2: canceled"),
        ),
        (
            leg("FILLED", "10"),
            leg("REJECTED", quantity="30", reason="no shares"),
            ("critical err", "one leg without the other: leg 2: no shares"),
        ),
        (leg("FILLED", "10"), leg("STALE", quantity="30"), ("critical err", "one leg without the other: leg 2: stale")),
        (
            leg("ACCEPTED"),
            leg("REJECTED", quantity="30"),
            ("critical err", "one leg without the other: leg 2: rejected"),
        ),
        (leg("UNKNOWN"), leg("DENIED", quantity="30"), ("critical err", "one leg without the other: leg 2: denied")),
        (
            leg("REJECTED"),
            leg("ACCEPTED", quantity="30"),
            ("critical err", "one leg without the other: leg 1: rejected"),
        ),
        (
            leg("CANCELED", "5"),
            leg("FILLED", "30", "30"),
            ("critical err", "one leg without the other: leg 1: canceled"),
        ),
        (
            leg("CANCELED", "5"),
            leg("ACCEPTED", "15", "30"),
            ("critical err", "one leg without the other: leg 1: canceled"),
        ),
        (
            leg("CANCELED", "5"),
            leg("CANCELED", "14", "30"),
            ("critical err", "one leg without the other: leg 1: canceled; leg 2: canceled"),
        ),
        (
            leg("CANCELED", "3"),
            leg("REPLACED", quantity="30"),
            ("critical err", "one leg without the other: leg 1: canceled; leg 2: replaced"),
        ),
        (
            leg("MANUAL"),
            leg("QUEUED", quantity="30"),
            ("critical err", "an order's outcome is not known; a person must look"),
        ),
        (
            leg("FILLED", "10"),
            leg("MANUAL", quantity="30"),
            ("critical err", "an order's outcome is not known; a person must look"),
        ),
    ],
)
def test_a_pair(one, two, expected):
    assert told(pair(one, two)) == expected


def test_a_pair_s_price_is_the_spread_and_its_quantity_that_of_leg_1():
    result = pair(leg("FILLED", "20", "20", "300.1"), leg("FILLED", "60", "60", "100.756"))
    assert (result.fill_price, result.slip, result.filled) == (D("-2.168"), D("0.168"), 20)


def test_a_price_needs_every_leg():
    result = pair(leg("FILLED", "10"), leg("ACCEPTED", quantity="30"))
    assert (result.fill_price, result.slip, result.filled) == (None, None, 10)


def test_a_sell_s_slip_has_the_other_sign():
    result = roll_up(Side.SELL, D(50), None, [leg("FILLED", "10", price="50.25")])
    assert (result.fill_price, result.slip) == (D("50.25"), D("0.25"))


def test_without_a_price_in_the_alert_there_is_no_slip():
    result = roll_up(Side.BUY, None, None, [leg("FILLED", "10", price="0")])
    assert (result.fill_price, result.slip) == (0, None)


def test_nothing_filled_is_none_and_not_zero():
    assert single(leg("ACCEPTED")).filled is None


def test_a_single_s_fill_price_is_its_price_and_a_pair_s_is_the_spread():
    assert fill_price([D("1.23456")], None) == D("1.23456")
    assert fill_price([D("1.23456"), D(1)], D(1)) == D("0.23456")
    assert fill_price([None], None) is None
    assert fill_price([D(1), None], D(2)) is None
    assert fill_price([D(0), D(0)], D(2)) == 0


def test_the_price_of_one_leg_is_none_of_the_pair_s():
    alone = roll_up(Side.SELL, D(63), None, [leg("FILLED", "1", "1", "100")], only_leg=1)
    assert (alone.status, alone.fill_price, alone.slip, alone.filled) == ("filled", None, None, 1)


def test_shares_of_leg_2_are_not_counted_as_those_of_leg_1():
    alone = roll_up(Side.SELL, D(63), None, [leg("FILLED", "30", "30", "100")], only_leg=2)
    assert (alone.status, alone.fill_price, alone.slip, alone.filled) == ("filled", None, None, None)


def test_cheap_coins_slip_too():
    result = roll_up(Side.BUY, D("0.000012"), None, [leg("FILLED", "10000000", "10000000", "0.0000125")])
    assert (result.slip, result.slip * result.filled) == (D("-0.0000005"), -5)


UNFILLED = {"QUEUED", "CLAIMED", "SENDING", "ACCEPTED", "REJECTED", "DENIED", "STALE"}
LEGS = [
    leg(status, filled)
    for status in OrderStatus
    for filled in (["10"] if status == "FILLED" else ["0"] if status in UNFILLED else ["0", "3", "7"])
]


def test_no_state_of_two_legs_is_told_better_than_it_is():
    for one, two in itertools.product(LEGS, LEGS):
        status = pair(one, two).status
        if status is SignalStatus.FILLED:
            assert one.status == two.status == "FILLED", (one, two)
        if status in (SignalStatus.CANCELED, SignalStatus.ERROR):
            assert one.filled == two.filled == 0, (one, two)
            assert one.status in CLOSED, (one, two)
            assert two.status in CLOSED, (one, two)
        if one.status in CLOSED and two.status in CLOSED and one.filled != two.filled:  # of ten shares each
            assert status is SignalStatus.CRITICAL, (one, two)
