"""Orders, quotes, positions and money of the paper venue."""

from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.errors import OrderRejected
from brokers.paper import holding_rows
from brokers.paper.positions import Holding, cash_flow
from brokers.paper.pricing import EXACT
from brokers.paper.venue import PaperVenue
from domain.enums import OrderType, Side
from domain.messages import AlertPrice
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, NOON, Clock, found, make_request, make_settings

D = Decimal
S = OrderStatus
FORTUNE = D(10) ** 28
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def endow(venue: PaperVenue) -> None:
    """Give the account more than the setting allows, so that the largest orders are within its buying power."""
    venue.unblock(ACCOUNT)  # opens it
    with venue._store.writing() as connection:
        holding_rows.save_cash(connection, ACCOUNT, FORTUNE)


def test_broker_order_ids_are_whole_numbers_that_rise_from_one(venue: PaperVenue):
    assert [venue.submit(make_request()).broker_order_id for _ in range(3)] == ["1", "2", "3"]


def test_execution_ids_follow_from_order_and_sequence(venue: PaperVenue):
    first = venue.submit(make_request(limit="99"))
    venue.fill_rest(ACCOUNT, first.client_order_id, D(3))
    venue.fill_rest(ACCOUNT, first.client_order_id)
    assert [fill.execution_id for fill in found(venue, first).fills] == ["1-1", "1-2"]


def test_a_fill_is_stamped_with_the_moment_it_happened(venue: PaperVenue, clock: Clock):
    clock.advance(microseconds=123456)
    report = venue.submit(make_request())
    assert report.at == report.fills[0].at == NOON + timedelta(microseconds=123456)
    assert found(venue, report).fills[0].at.tzinfo is UTC


@pytest.mark.parametrize("quantity", ["0.00000001", "123456789012.12345678", "999999999999.99999999"])
def test_decimals_are_kept_exactly(venue: PaperVenue, quantity: str):
    price = D("123456789012.12345678")
    endow(venue)
    report = venue.submit(make_request(quantity=D(quantity), alert=price, side=Side.SELL))
    again = found(venue, report)
    assert again == report
    assert (again.quantity, again.fills[0].quantity, again.fills[0].price) == (
        D(quantity),
        D(quantity),
        price,
    )
    (position,) = venue.positions(ACCOUNT)
    assert (position.quantity, position.average_price) == (D(quantity).copy_negate(), price)
    flow = cash_flow(Side.SELL, D(quantity), price, D(0))
    assert venue.account(ACCOUNT).cash == EXACT.add(FORTUNE, flow)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"alert": None}, "no price"),
        ({"alert": "0"}, "no usable price"),
        ({"alert": "-1"}, "no usable price"),
        ({"quantity": D(0)}, "quantity"),
        ({"quantity": D(-1)}, "quantity"),
        ({"quantity": D("NaN")}, "quantity"),
        ({"quantity": D("0.000000001")}, "quantity"),
        ({"quantity": D("1E12")}, "quantity"),
        ({"quantity": D("9E999999")}, "quantity"),
        ({"order_type": OrderType.LIMIT}, "limit price"),
        ({"limit": "0"}, "limit price"),
        ({"limit": "Infinity"}, "limit price"),
        ({"order_type": OrderType.RELATIVE}, "RELATIVE"),
        ({"symbol": ""}, "printable"),
        ({"symbol": "A\x00"}, "printable"),
        ({"client_order_id": "\ud800"}, "printable"),
        ({"client_order_id": "x" * 129}, "printable"),
    ],
)
def test_an_impossible_order_is_refused_and_leaves_nothing(venue: PaperVenue, overrides: dict[str, Any], reason: str):
    with pytest.raises(OrderRejected, match=reason):
        venue.submit(make_request(**overrides))
    assert venue.list(ACCOUNT, LONG_AGO) == []
    assert venue.account(ACCOUNT).cash == 1_000_000


def test_the_largest_orders_do_not_overflow_the_books(paper_url: str):
    largest = D("999999999999.99999999")
    charges = make_settings(paper_url, slippage_bps=D("9999"), commission=D(1000))
    with closing(PaperVenue(charges)) as venue:
        endow(venue)
        for _ in range(3):
            report = venue.submit(make_request(quantity=largest, alert=largest))
            assert found(venue, report) == report
        assert venue.account(ACCOUNT).cash < FORTUNE - D(10) ** 24


def test_ids_that_cannot_exist_are_absent(venue: PaperVenue):
    assert venue.find(ACCOUNT, "a\x00b") is None
    with pytest.raises(OrderRejected):
        venue.cancel(ACCOUNT, "a\x00b")


def test_a_time_without_a_zone_is_refused(venue: PaperVenue):
    with pytest.raises(ValueError, match="zone"):
        venue.list(ACCOUNT, datetime(2026, 1, 1))  # noqa: DTZ001 - the point
    with pytest.raises(ValueError, match="zone"):
        venue.set_quote("AAPL", D(1), D(2), at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_market_orders_trade_at_the_quote_without_being_synthetic(venue: PaperVenue):
    venue.set_quote("AAPL", D("99.5"), D("100.5"))
    (bought,) = venue.submit(make_request(alert="7")).fills
    (sold,) = venue.submit(make_request(alert=None, side=Side.SELL)).fills
    assert [(fill.price, fill.synthetic) for fill in (bought, sold)] == [
        (D("100.5"), False),
        (D("99.5"), False),
    ]
    venue.drop_quote("AAPL")
    assert venue.submit(make_request(alert="7")).fills[0].price == 7


@pytest.mark.parametrize("alert", ["0", "-1"])
def test_an_unusable_alert_price_harms_only_those_who_need_it(venue: PaperVenue, alert: str):
    assert venue.submit(make_request(alert=alert, limit="99")).status is S.ACCEPTED
    venue.set_quote("AAPL", D("99.5"), D("100.5"))
    assert venue.submit(make_request(alert=alert)).fills[0].price == D("100.5")


def test_a_new_quote_replaces_the_one_before(venue: PaperVenue):
    venue.set_quote("AAPL", D(1), D(2))
    venue.set_quote("AAPL", D(3), D(4), source="feed", at=NOON)
    venue.set_quote("MSFT", D(5), D(6))
    assert venue.submit(make_request()).fills[0].price == 4


@pytest.mark.parametrize(("bid", "ask"), [("2", "1"), ("0", "1"), ("-1", "1"), ("NaN", "1"), ("1", "1E12")])
def test_an_impossible_quote_is_refused(venue: PaperVenue, bid: str, ask: str):
    with pytest.raises(ValueError, match="bid and ask"):
        venue.set_quote("AAPL", D(bid), D(ask))


def test_a_pair_fills_at_its_spread(venue: PaperVenue):
    spread, hedge = D("-0.01"), D("0.33333333")
    prices = {}
    for leg, side in ((1, Side.BUY), (2, Side.SELL)):
        alert = AlertPrice(price=spread, leg=leg, hedge_ratio=hedge)
        request = make_request(symbol=f"LEG{leg}", side=side, alert_price=alert, alert=None)
        (fill,) = venue.submit(request).fills
        assert fill.synthetic
        prices[leg] = fill.price
    assert prices[1] - hedge * prices[2] == spread


def test_a_quoted_leg_leaves_the_other_leg_alone(venue: PaperVenue):
    alert = AlertPrice(price=D(5), leg=2, hedge_ratio=D(2))
    before = venue.submit(make_request(symbol="LEG2", alert_price=alert))
    venue.set_quote("LEG1", D(500), D(501))
    assert venue.submit(make_request(symbol="LEG2", alert_price=alert)).fills[0].price == before.fills[0].price


def test_slippage_and_commission_are_charged(paper_url: str):
    charges = make_settings(paper_url, slippage_bps=D(10), commission=D("0.005"), cash=D(1000))
    with closing(PaperVenue(charges)) as venue:
        (fill,) = venue.submit(make_request(quantity=D(3))).fills
        assert (fill.price, fill.commission) == (D("100.1"), D("0.015"))
        assert venue.account(ACCOUNT).cash == D(1000) - D("300.3") - D("0.015")
        limit = venue.submit(make_request(limit="100"))
        assert limit.fills[0].price == 100  # slippage is for market orders


@pytest.mark.parametrize(
    "overrides",
    [
        {"slippage_bps": D(10000)},
        {"slippage_bps": D(-1)},
        {"commission": D(-1)},
        {"reference_price": D(0)},
        {"cash": D("NaN")},
        {"leverage": D(0)},
        {"leverage": D("NaN")},
        {"leverage": D(1001)},
    ],
)
def test_settings_out_of_range_are_refused(overrides: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(overrides))):
        make_settings("sqlite:///x.db", **overrides)


def test_the_url_of_the_store_is_not_shown():
    assert "secret" not in repr(make_settings("postgresql+psycopg2://u:secret@h/d"))


def test_an_account_keeps_its_cash_when_the_setting_changes(paper_url: str):
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        venue.submit(make_request(quantity=D(1)))
    with closing(PaperVenue(make_settings(paper_url, cash=D(5)))) as venue:
        assert venue.account(ACCOUNT).cash == 999_900
        assert venue.account("new").cash == 5


def test_the_list_has_open_orders_and_recent_changes_oldest_first(venue: PaperVenue, clock: Clock):
    working = venue.submit(make_request(limit="99"))
    clock.advance(seconds=1)
    old = venue.submit(make_request())
    clock.advance(seconds=1)
    new = venue.submit(make_request())
    assert venue.list(ACCOUNT, LONG_AGO) == [working, old, new]
    assert venue.list(ACCOUNT, new.at) == [working, new]
    assert venue.list(ACCOUNT, new.at.astimezone(timezone(timedelta(hours=5)))) == [working, new]
    assert venue.list(ACCOUNT, new.at + timedelta(microseconds=1)) == [working]
    clock.advance(seconds=1)
    canceled = venue.cancel(ACCOUNT, working.client_order_id)
    assert venue.list(ACCOUNT, new.at) == [new, canceled]


fills = st.lists(
    st.tuples(
        st.sampled_from(["AAPL", "MSFT"]),
        st.sampled_from(Side),
        st.one_of(st.integers(1, 4).map(D), st.decimals("0.00000001", "1000", places=8)),
        st.decimals("0.00000001", "1000", places=8),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fills)
def test_positions_and_cash_are_the_sum_of_the_fills(paper_url: str, done: list[tuple[str, Side, Decimal, Decimal]]):
    charges = make_settings(paper_url, slippage_bps=D("12.5"), commission=D("0.003"), cash=D(10) ** 10)
    account = make_request().client_order_id  # a new one for each example
    with closing(PaperVenue(charges)) as venue:
        for symbol, side, quantity, price in done:
            venue.submit(make_request(account=account, symbol=symbol, side=side, quantity=quantity, alert=price))
        held: dict[str, Holding] = {}
        cash = charges.cash
        for report in venue.list(account, LONG_AGO):
            for fill in report.fills:
                held[report.symbol] = held.get(report.symbol, Holding()).after(report.side, fill.quantity, fill.price)
                cash += cash_flow(report.side, fill.quantity, fill.price, fill.commission)
        assert sum(len(report.fills) for report in venue.list(account, LONG_AGO)) == len(done)
        assert venue.account(account).cash == cash
        positions = {p.symbol: Holding(p.quantity, p.average_price) for p in venue.positions(account)}
        assert positions == {symbol: holding for symbol, holding in held.items() if holding.quantity}
