"""Average-cost book-keeping."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.paper.positions import Holding, cash_flow, commission_of
from domain.enums import Side

D = Decimal
fills = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.one_of(
            st.integers(1, 5).map(D),
            st.decimals("0.00000001", "123456789012.12345678", places=8),
        ),
        st.decimals("0.00000001", "999999.99999999", places=8),
    ),
    max_size=12,
)


def held_after(done: list[tuple[Side, Decimal, Decimal]]) -> Holding:
    holding = Holding()
    for side, quantity, price in done:
        holding = holding.after(side, quantity, price)
    return holding


@pytest.mark.parametrize(
    ("done", "quantity", "average"),
    [
        ([], "0", "0"),
        ([("buy", 10, 100)], "10", "100"),
        ([("buy", 10, 100), ("buy", 30, 120)], "40", "115"),
        ([("buy", 10, 100), ("sell", 4, 150)], "6", "100"),
        ([("buy", 10, 100), ("sell", 10, 150)], "0", "0"),
        ([("buy", 10, 100), ("sell", 15, 150)], "-5", "150"),
        ([("sell", 10, 100), ("sell", 10, 110)], "-20", "105"),
        ([("sell", 10, 100), ("buy", 4, 90)], "-6", "100"),
        ([("sell", 10, 100), ("buy", 14, 90)], "4", "90"),
        ([("buy", 1, 1), ("buy", 2, 2)], "3", "1.66666667"),
    ],
)
def test_average_cost(done: list[tuple[str, int, int]], quantity: str, average: str):
    holding = held_after([(Side(side), D(size), D(price)) for side, size, price in done])
    assert holding == Holding(D(quantity), D(average))


@settings(deadline=None)
@given(fills)
def test_quantity_is_the_sum_and_the_average_that_of_the_shares_still_held(
    done: list[tuple[Side, Decimal, Decimal]],
):
    """The oracle keeps exact fractions: total cost and size of what is held, nothing rounded."""
    size, cost = Fraction(0), Fraction(0)
    for side, quantity, price in done:
        change = side.sign * Fraction(quantity)
        if size * change >= 0:
            size, cost = size + change, cost + change * Fraction(price)
        elif abs(change) <= abs(size):
            size, cost = size + change, cost * (size + change) / size
        else:
            size, cost = size + change, (size + change) * Fraction(price)
    holding = held_after(done)
    assert Fraction(holding.quantity) == size == sum(side.sign * Fraction(quantity) for side, quantity, _ in done)
    # Each fill rounds the average once, by half a step at most.
    exact = cost / size if size else Fraction(0)
    assert abs(Fraction(holding.average_price) - exact) <= len(done) * Fraction(1, 2 * 10**8)


def test_cash_is_exact_where_plain_decimals_would_round():
    quantity = price = D("123456789012.12345678")
    assert cash_flow(Side.BUY, quantity, price, D(1)) == D("-15241578753183967091426.13704430")
    assert cash_flow(Side.SELL, D("0.00000001"), D("0.5"), D(0)) == D("0")
    assert cash_flow(Side.SELL, D(3), D("1.5"), D("0.25")) == D("4.25")


def test_commission_is_a_share_of_each_share():
    assert commission_of(D("2.5"), D("0.01")) == D("0.025")
    assert commission_of(D("0.00000001"), D("0.01")) == 0
