"""Averages, spreads and slip, to the last decimal."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.enums import Side
from domain.pricing import average_price, slip, spread_price

D = Decimal
PRICES = st.decimals(min_value=D("-1e9"), max_value=D("1e9"), places=8)
QUANTITIES = st.decimals(min_value=D("1e-8"), max_value=D("1e6"), places=8)


@pytest.mark.parametrize(
    ("price1", "price2", "hedge_ratio", "spread"),
    [
        ("300.1", "100.756", "3", "-2.168"),
        ("10", "10", "1", "0"),
        ("0", "0", "5", "0"),
        ("0.00005", "0", "1", "0.00005"),
        ("0.000012", "0.0000125", "1", "-0.0000005"),
        ("1", "0.333", "0.12345678", "0.95888889"),  # of 0.95888889226
        ("999999999999.12345678", "0.00000001", "0.00000001", "999999999999.12345678"),
        ("999999999999", "999999999999.99999999", "1", "-0.99999999"),
    ],
)
def test_a_spread(price1, price2, hedge_ratio, spread):
    assert spread_price(D(price1), D(price2), D(hedge_ratio)) == D(spread)


@pytest.mark.parametrize(
    ("side", "alert_price", "price", "better"),
    [
        (Side.BUY, "-2.0", "-2.168", "0.168"),
        (Side.SELL, "-2.0", "-2.168", "-0.168"),
        (Side.BUY, "50", "50.25", "-0.25"),
        (Side.SELL, "50", "50.25", "0.25"),
        (Side.BUY, "0", "0", "0"),
        (Side.SELL, "1", "1.00004", "0.00004"),
        (Side.BUY, "0.000012", "0.0000125", "-0.0000005"),
        (Side.SELL, "0.85438", "0.85435", "-0.00003"),
    ],
)
def test_slip_is_what_was_better_than_the_alert_s_price(side, alert_price, price, better):
    result = slip(side, D(alert_price), D(price))
    assert result == D(better)
    assert str(result + 0).startswith("-") is (D(better) < 0)


def test_an_average_weighs_by_quantity():
    assert average_price([(D(2), D(10)), (D(1), D("10.3"))]) == D("10.1")
    assert average_price([(D(1), D(1)), (D(1), D(1)), (D(1), D(2))]) == D("1.33333333")


def test_an_average_of_nothing_is_none():
    assert average_price([]) is None


def test_rounding_is_half_to_even():
    spreads = [spread_price(D(text), D(0), D(1)) for text in ("5e-9", "15e-9", "-5e-9", "-15e-9")]
    assert spreads == [0, D("2e-8"), 0, D("-2e-8")]
    assert not any(spread == 0 and spread.is_signed() for spread in spreads)


def test_nothing_is_lost_on_the_way_to_an_average():
    large = D("999999999999.12345678")
    assert average_price([(large, large)] * 3 + [(D("1e-8"), large)]) == large


@given(st.lists(st.tuples(QUANTITIES, PRICES), min_size=1, max_size=6))
def test_an_average_lies_between_the_prices_whatever_their_order(fills):
    average = average_price(fills)
    assert average == average_price(fills[::-1])
    tolerance = D("1e-8")
    assert min(price for _, price in fills) - tolerance <= average <= max(price for _, price in fills) + tolerance


@given(PRICES, PRICES)
def test_what_is_better_for_a_buy_is_as_much_worse_for_a_sell(alert_price, price):
    assert slip(Side.BUY, alert_price, price) == -slip(Side.SELL, alert_price, price)
