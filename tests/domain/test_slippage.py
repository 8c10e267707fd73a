"""Slips over many signals: weighted by what was filled, and exact."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.slippage import Slippage, Tally, weigh

D = Decimal


def test_each_signal_weighs_as_much_as_was_filled():
    assert weigh([(D("0.10"), D(100)), (D("-0.20"), D(300)), (D("0.30"), D("0.5"))]) == Slippage(
        signals=3,
        quantity=D("400.5"),
        average=D("-0.12446941"),
        mean=D("0.06666667"),
        best=D("0.30"),
        worst=D("-0.20"),
        money=D("-49.85"),
        money_per_share=D("-0.12446941"),
    )


def test_without_a_fill_there_is_no_slippage():
    assert weigh([]) is None
    assert weigh([(D(1), D(0))]) is None
    assert weigh([(D(0), D(5))]).average == 0


slips = st.decimals("-99999999", "99999999", places=4)
shares = st.decimals("0.00000001", "999999999999", places=8)


@given(st.lists(st.tuples(slips, shares), min_size=1))
def test_it_is_exact_to_the_eighth_decimal(signals):
    result = weigh(signals)
    money = sum(Fraction(slip) * Fraction(filled) for slip, filled in signals)
    quantity = sum(Fraction(filled) for _, filled in signals)
    half = Fraction(1, 2 * 10**8)
    assert Fraction(result.quantity) == quantity
    assert abs(Fraction(result.money) - money) <= half
    assert abs(Fraction(result.average) - money / quantity) <= half
    assert abs(Fraction(result.mean) - sum(Fraction(slip) for slip, _ in signals) / len(signals)) <= half
    assert result.worst <= result.best
    assert result.worst - D("1e-8") <= result.average <= result.best + D("1e-8")


@given(st.lists(st.tuples(slips, shares)), st.lists(st.tuples(slips, shares)))
def test_two_parts_are_as_much_as_the_whole(some, others):
    tallies = [Tally(), Tally()]
    for tally, signals in zip(tallies, (some, others), strict=True):
        for slip, filled in signals:
            tally.add(slip, filled)
    tallies[0].merge(tallies[1])
    assert tallies[0].result() == weigh(some + others)
