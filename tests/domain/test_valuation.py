"""What a position is worth, and numbers that stay exact."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.exact import divide, round8
from domain.valuation import Valuation, middle, value_position

D = Decimal


def test_a_long_closes_at_the_bid_and_a_short_at_the_ask():
    assert value_position(D(10), D(50), D(52), D(53)) == Valuation(D(520), D(20))
    assert value_position(D(-10), D(50), D(52), D(53)) == Valuation(D(-530), D(-30))


@pytest.mark.parametrize(
    ("quantity", "bid", "ask"), [("1", None, None), ("-1", None, None), ("1", "0", "5"), ("-1", "5", "0")]
)
def test_without_a_price_on_that_side_the_worth_is_not_known(quantity, bid, ask):
    assert value_position(D(quantity), D(50), bid and D(bid), ask and D(ask)) is None


def test_a_flat_position_is_worth_nothing_whatever_the_price():
    assert value_position(D(0), D(0), None, None) == Valuation(D(0), D(0))


def test_the_middle_needs_both_sides():
    assert middle(D("50.01"), D("50.02")) == D("50.015")
    assert middle(D(0), D(5)) is None
    assert middle(D(5), D(0)) is None


def test_the_largest_worth_is_exact():
    largest = D("999999999999.99999999")
    assert value_position(largest, D(0), largest, largest).market_value == D("999999999999999999980000")


def test_rounding_is_half_to_even_and_leaves_no_zeros_behind():
    assert [str(round8(D(text))) for text in ("100", "1E+2", "0.10", "-0.0", "1.000000005", "1.000000015", "1E-8", "0E-20")] == [
        "100", "100", "0.1", "0", "1", "1.00000002", "1E-8", "0",
    ]  # fmt: skip
    assert divide(D(1), D(3)) == D("0.33333333")
    assert divide(D(1), D(0)) is None


@given(st.decimals(-(10**24), 10**24, allow_nan=False))
def test_rounding_moves_a_number_by_half_a_unit_at_most(number):
    assert abs(round8(number) - number) <= D("5e-9")
