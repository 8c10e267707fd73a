"""At which price the paper venue fills."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.errors import OrderRejected
from brokers.paper.pricing import (
    LARGEST,
    STEP,
    Price,
    Quote,
    alert_leg_price,
    is_exact,
    legs_of_spread,
    limit_price,
    market_price,
)
from domain.enums import Side
from domain.messages import AlertPrice

D = Decimal
QUOTE = Quote(D("99.5"), D("100.5"))
hedges = st.one_of(
    st.sampled_from([D(1), D("0.33333333"), D("0.72"), D("1.25"), D("2.2"), D(3), STEP, D("0.00010001")]),
    st.decimals("0.00000001", "1000", places=8),
)
spreads = st.decimals("-100000", "100000", places=8)
references = st.one_of(st.sampled_from([D(100), D("0.01"), D(1_000_000)]), st.decimals("0.01", "1000000", places=6))


def _spread(legs: tuple[Decimal, Decimal], hedge: Decimal) -> Decimal:
    """Return price1 - hedge * price2 in whole numbers of 1e-16, which round nothing."""
    price1, price2 = (int(price.scaleb(8)) for price in legs)
    return D(price1 * 10**8 - int(hedge.scaleb(8)) * price2)


@settings(deadline=None)
@given(spreads, hedges, references)
def test_made_up_legs_have_the_spread_to_the_last_decimal(spread: Decimal, hedge: Decimal, reference: Decimal):
    legs = legs_of_spread(spread, hedge, reference)
    assert _spread(legs, hedge) == int(spread.scaleb(8)) * 10**8
    assert all(price > 0 and price == price.quantize(STEP) for price in legs)
    assert legs == legs_of_spread(spread, hedge, reference)


@pytest.mark.parametrize(
    ("spread", "hedge", "reference", "legs"),
    [
        ("5", "2", "100", ("205", "100")),
        ("0", "1", "100", ("100", "100")),
        ("-0.01", "0.72", "100", ("72.71", "101")),
        ("-2", "3", "100", ("301", "101")),
        ("1", "0.33333333", "100", ("34.333333", "100")),
        ("1", "0.33333333", "100.5", ("34.66666633", "101")),  # eight decimals leave none for leg 2
        ("1", "0.5", "100.5", ("51.25", "100.5")),
        ("1", "0.5", "100.12345678", ("51.0617284", "100.1234568")),  # up to what is left
        ("1", "1", "100.12345678", ("101.12345678", "100.12345678")),
        ("-7", "0.00000001", "0.01", ("0.00000001", "700000001")),
    ],
)
def test_leg_2_is_the_reference_price_and_more_if_leg_1_needs_it(
    spread: str, hedge: str, reference: str, legs: tuple[str, str]
):
    assert legs_of_spread(D(spread), D(hedge), D(reference)) == tuple(D(leg) for leg in legs)


@pytest.mark.parametrize(
    "hedge", ["0", "-1", "0.000000001", "NaN", "Infinity", "1000000000000", "9E999999", "1E-999999"]
)
def test_a_hedge_ratio_that_is_no_ratio_is_refused(hedge: str):
    with pytest.raises(OrderRejected, match="no usable price"):
        legs_of_spread(D(1), D(hedge), D(100))


def test_both_legs_of_an_alert_come_from_the_same_pair_of_prices():
    price1 = alert_leg_price(AlertPrice(price=D("-0.01"), leg=1, hedge_ratio=D("0.72")), D(100))
    price2 = alert_leg_price(AlertPrice(price=D("-0.01"), leg=2, hedge_ratio=D("0.72")), D(100))
    assert (price1, price2) == (Price(D("72.71"), True), Price(D(101), True))


def test_the_price_of_a_single_is_taken_as_it_is():
    assert alert_leg_price(AlertPrice(price=D("0.00000001")), D(100)) == Price(STEP, False)
    assert alert_leg_price(None, D(100)) is None


@pytest.mark.parametrize(
    "price", ["0", "-1", "0.000000001", "NaN", "Infinity", "-Infinity", "1E12", "9E999999", "1E-999999"]
)
def test_a_single_needs_a_positive_finite_price(price: str):
    with pytest.raises(OrderRejected, match="no usable price"):
        alert_leg_price(AlertPrice(price=D(price)), D(100))


@pytest.mark.parametrize("leg", [1, 2])
def test_both_legs_are_refused_when_one_is_beyond_all_prices(leg: int):
    with pytest.raises(OrderRejected, match="no usable price"):
        alert_leg_price(AlertPrice(price=D(-100_000), leg=leg, hedge_ratio=STEP), D(100))


@pytest.mark.parametrize("leg", [0, 3])
def test_a_third_leg_is_refused(leg: int):
    with pytest.raises(OrderRejected):
        alert_leg_price(AlertPrice(price=D(1), leg=leg, hedge_ratio=D(1)), D(100))


def test_a_quote_wins_over_the_alert():
    alert = Price(D(7), True)
    assert market_price(Side.BUY, QUOTE, alert, D(0)) == Price(D("100.5"), False)
    assert market_price(Side.SELL, QUOTE, alert, D(0)) == Price(D("99.5"), False)
    assert market_price(Side.SELL, None, alert, D(0)) == alert
    assert market_price(Side.SELL, None, None, D(0)) is None


def test_slippage_goes_against_the_order():
    assert market_price(Side.BUY, None, Price(D(100)), D("2.5")) == Price(D("100.025"))
    assert market_price(Side.SELL, None, Price(D(100)), D("2.5")) == Price(D("99.975"))
    assert market_price(Side.BUY, QUOTE, None, D(10)) == Price(D("100.6005"))
    assert market_price(Side.SELL, None, Price(STEP), D(9999)) == Price(STEP)


@settings(deadline=None)
@given(
    st.decimals("0.00000001", LARGEST - 1, places=8),
    st.decimals("0", "9999", places=2),
    st.sampled_from(Side),
)
def test_a_slipped_price_is_positive_and_never_better(price: Decimal, bps: Decimal, side: Side):
    slipped = market_price(side, None, Price(price), bps)
    assert slipped is not None
    assert slipped.amount >= STEP
    assert is_exact(slipped.amount)
    assert (slipped.amount - price) * side.sign >= 0


@pytest.mark.parametrize(
    ("side", "limit", "expected"),
    [
        (Side.BUY, "100.49", None),
        (Side.BUY, "100.5", "100.5"),
        (Side.BUY, "101", "100.5"),
        (Side.SELL, "99.51", None),
        (Side.SELL, "99.5", "99.5"),
        (Side.SELL, "99", "99.5"),
    ],
)
def test_a_limit_order_trades_at_the_quote_once_it_crosses(side: Side, limit: str, expected: str | None):
    found = limit_price(side, D(limit), QUOTE, Price(D(1) if side is Side.BUY else D(1000)))
    assert found == (None if expected is None else Price(D(expected)))


@pytest.mark.parametrize(
    ("side", "limit", "fills"),
    [
        (Side.BUY, "101", True),
        (Side.BUY, "100", True),
        (Side.BUY, "99", False),
        (Side.SELL, "99", True),
        (Side.SELL, "100", True),
        (Side.SELL, "101", False),
    ],
)
def test_a_limit_order_without_quote_trades_at_its_limit(side: Side, limit: str, fills: bool):
    found = limit_price(side, D(limit), None, Price(D(100)))
    assert found == (Price(D(limit), synthetic=True) if fills else None)
    assert limit_price(side, D(limit), None, None) is None


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ("0.00000001", True),
        ("123456789012.12345678", True),
        ("0.000000001", False),
        ("NaN", False),
        ("Infinity", False),
        ("9E999999", False),
        ("1E-999999", False),
        ("1E40", True),
    ],
)
def test_exact_means_eight_decimals(value: str, exact: bool):
    assert is_exact(D(value)) is exact
