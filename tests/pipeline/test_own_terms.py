"""Alerts that say how they are to be traded, from the webhook's values to the fill: at paper, and at Alpaca."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from domain.alert import OwnTerms
from domain.enums import MarketPosition, OrderType, Side, TimeInForce
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import open_alpaca_desk
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

D = Decimal
LONG, FLAT = MarketPosition.LONG, MarketPosition.FLAT
QUOTED = Decimal(50)


class Paper:
    """A desk at the paper venue, and how it is quoted there."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def quote(self, price: str) -> None:
        self.desk.venue.set_quote("KO", D(price), D(price))

    def see(self, rowid: int, status: str) -> bool:
        self.desk.poll()
        return self.desk.signal(rowid).status == status


class Alpaca(Paper):
    """A desk at the simulator of Alpaca, which does all a moment later."""

    def __init__(self, desk: Desk, simulator: Simulator) -> None:
        super().__init__(desk)
        self.simulator = simulator

    def quote(self, price: str) -> None:
        self.simulator.control("PUT", "quotes/KO", {"bid": price, "ask": price})
        self.simulator.advance(1)

    def see(self, rowid: int, status: str) -> bool:
        self.simulator.advance(1)
        return super().see(rowid, status)


@pytest.fixture
def paper(context: Flask, tmp_path: Path) -> Iterator[Paper]:
    make_stock(context, "KO", time_in_force=TimeInForce.GTC)
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield Paper(desk)


@pytest.fixture
def alpaca(simulated: Flask, simulator: Simulator) -> Iterator[Alpaca]:
    make_stock(simulated, "KO", time_in_force=TimeInForce.GTC)
    with open_alpaca_desk(simulated, simulator) as desk:
        yield Alpaca(desk, simulator)


def own(**terms: Any) -> OwnTerms:
    return OwnTerms(**{name: D(value) for name, value in terms.items()})


KINDS: dict[str, tuple[dict[str, Any], Side, list[str], str]] = {
    "limit": ({"limit_price": "49"}, Side.BUY, ["49.01"], "49"),
    "stop": ({"stop_price": "51"}, Side.BUY, ["50.99"], "51"),
    "stop limit": ({"stop_price": "51", "limit_price": "51.5"}, Side.BUY, ["50.99", "52"], "51.25"),
    "trailing by percent": ({"trail_percent": "10"}, Side.BUY, ["40", "43.99"], "44"),
    "trailing by money": ({"trail_price": "2"}, Side.SELL, ["60", "58.01"], "58"),
}


def assert_traded(place: Paper, terms: dict[str, Any], side: Side, prices: list[str], fill: str) -> None:
    place.quote("50")
    rowid = place.desk.alert("KO", side, own_terms=own(**terms))
    place.desk.work()
    for price in prices:
        place.quote(price)
        assert place.see(rowid, "created"), price
    place.quote(fill)
    assert place.see(rowid, "filled")
    (order,) = place.desk.orders(rowid)
    assert (order.time_in_force, order.average_price) == (TimeInForce.GTC, D(fill))
    kept = (order.limit_price, order.stop_price, order.trail_percent, order.trail_price)
    assert kept == tuple(
        own(**terms).told().get(name) for name in ("limit_price", "stop_price", "trail_percent", "trail_price")
    )


@pytest.mark.parametrize(("terms", "side", "prices", "fill"), KINDS.values(), ids=KINDS)
def test_an_entry_is_of_the_kind_that_the_alert_names(
    paper: Paper, terms: dict[str, Any], side: Side, prices: list[str], fill: str
):
    assert_traded(paper, terms, side, prices, fill)


@pytest.mark.parametrize(("terms", "side", "prices", "fill"), KINDS.values(), ids=KINDS)
def test_it_is_at_alpaca_too(alpaca: Alpaca, terms: dict[str, Any], side: Side, prices: list[str], fill: str):
    assert_traded(alpaca, terms, side, prices, fill)


def test_an_exit_cancels_a_trailing_entry_that_still_works_and_closes_what_is_held(paper: Paper):
    desk = paper.desk
    paper.quote("50")
    entry = desk.alert("KO", position=LONG, position_size=D(10))
    desk.work()
    more = desk.alert("KO", quantity="5", own_terms=own(trail_percent=1), position=LONG, position_size=D(15))
    desk.work()
    out = desk.alert("KO", Side.SELL, "15", position=FLAT, own_terms=own(trail_percent=1, take_profit=60))
    desk.work_off()
    desk.poll()
    desk.work_off()
    assert [desk.signal(rowid).status for rowid in (entry, more, out)] == ["filled", "canceled", "filled"]
    (order,) = desk.orders(out)
    assert (order.quantity, order.order_type) == (10, OrderType.MARKET)
    assert any(step["text"].startswith("trail_percent, take_profit: for what opens") for step in desk.signal(out).trace)
    assert desk.venue.positions("paper") == []


@pytest.mark.parametrize(
    ("ticker", "terms", "reason"),
    [
        ("KO", {"take_profit": "60"}, "take_profit"),
        ("KO", {"stop_loss": "40", "limit_price": "49"}, "stop_loss"),
        ("MA-3*V", {"limit_price": "1"}, "limit_price"),
        ("MA-3*V", {"notional": "5000"}, "notional"),
        ("KO", {"notional": "0.0000001"}, "notional"),
    ],
)
def test_what_cannot_be_kept_ends_the_entry_by_name(paper: Paper, ticker: str, terms: dict[str, Any], reason: str):
    rowid = paper.desk.alert(ticker, own_terms=own(**terms))
    paper.desk.work()
    signal = paper.desk.signal(rowid)
    assert (signal.status, signal.status_reason, paper.desk.orders(rowid)) == ("error", reason, [])
    assert reason in str(signal.error_text)


def test_a_trailing_stop_of_a_coin_is_refused_by_name_before_it_is_sent(alpaca: Alpaca):
    make_stock(alpaca.desk.app, "BTCUSD", asset_class="CRYPTO")  # type: ignore[attr-defined]
    rowid = alpaca.desk.alert("BTCUSD", quantity="1", price="100", own_terms=own(trail_percent=2))
    alpaca.desk.work()
    signal = alpaca.desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("error", "order type")
    assert "TRAILING_STOP orders, as the alert asks for" in str(signal.error_text)
    assert alpaca.simulator.count("POST /v2/orders") == 0


def test_money_is_brought_into_shares_and_the_position_is_exact(paper: Paper):
    paper.quote("50")
    rowid = paper.desk.alert("KO", quantity="3", own_terms=own(notional=999), position=LONG, position_size=D(3))
    paper.desk.work()
    (order,) = paper.desk.orders(rowid)
    assert order.filled_quantity == order.quantity == D("19.98")
    text = next(step["text"] for step in paper.desk.signal(rowid).trace if step["check"] == "notional")
    assert text == "999 are 19.98 KO at 50, the alert's price, in steps of 0.00000001, rounded down."


def test_money_without_a_price_of_the_alert_goes_by_the_quote(alpaca: Alpaca):
    alpaca.simulator.control("PUT", "assets/KO", {"fractionable": False})
    alpaca.quote("48")
    rowid = alpaca.desk.alert("KO", price=None, own_terms=own(notional=1000))
    alpaca.desk.work()
    assert alpaca.see(rowid, "filled")
    (order,) = alpaca.desk.orders(rowid)
    assert order.filled_quantity == 20
