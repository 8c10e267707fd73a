"""How many shares each leg trades."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sizing import is_tradable, leg2_quantity, round_to_step

D = Decimal
STEPS = st.sampled_from([D(1), D("0.1"), D("0.001"), D("0.00000001"), D(100), D("0.25")])
QUANTITIES = st.decimals(min_value=D("1e-8"), max_value=D("999999999"), places=8)


@pytest.mark.parametrize(
    ("quantity1", "hedge_ratio", "step", "quantity2"),
    [
        ("100", "0.72", "1", "72"),
        ("20", "3", "1", "60"),
        ("10", "0.25", "1", "2"),
        ("30", "0.25", "1", "8"),
        ("1", "0.4", "1", "0"),
        ("10.7", "1.25", "0.01", "13.38"),
        ("1", "0.33333333", "0.00000001", "0.33333333"),
        ("150", "1", "100", "200"),
    ],
)
def test_leg_2_hedges_leg_1_in_steps_it_can_trade(quantity1, hedge_ratio, step, quantity2):
    assert leg2_quantity(D(quantity1), D(hedge_ratio), D(step)) == D(quantity2)


@pytest.mark.parametrize(
    ("quantity", "step", "tradable"),
    [
        ("10", "1", True),
        ("10.5", "1", False),
        ("10.5", "0.5", True),
        ("0", "1", False),
        ("-1", "1", False),
        ("0.00000001", "0.00000001", True),
    ],
)
def test_only_whole_steps_above_zero_are_tradable(quantity, step, tradable):
    assert is_tradable(D(quantity), D(step)) is tradable


@given(QUANTITIES, STEPS)
def test_rounding_gives_whole_steps_no_further_than_half_a_step(quantity, step):
    rounded = round_to_step(quantity, step)
    assert rounded % step == 0
    assert abs(rounded - quantity) <= step / 2
