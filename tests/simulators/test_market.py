"""Clock, sessions, quotes, assets, holdings and money."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from simulators.alpaca.server import Running
from simulators.alpaca.trading import WORLD
from tests.simulators.support import FILL_AFTER, Alpaca, Control

NEW_YORK = ZoneInfo("America/New_York")
MONDAY_NOON = datetime(2027, 3, 1, 12, 0, tzinfo=NEW_YORK)
LIMIT_BELOW = {"type": "limit", "limit_price": "50"}


def go_to(simulator: Running, control: Control, at: datetime) -> None:
    """Let it be a moment of New York's calendar."""
    simulator.app[WORLD].clock.offset = (at - datetime.now(UTC)).total_seconds()
    control.do("PUT", "/clock", {"mode": "real"})


def test_the_exchange_is_always_open_at_first(alpaca: Alpaca):
    clock = alpaca.read("/v2/clock")
    assert clock["is_open"] is True
    assert clock["timestamp"] < clock["next_close"]


@pytest.mark.parametrize(
    ("at", "is_open", "next_open", "next_close"),
    [
        ("2027-03-01T09:29:00", False, "2027-03-01T09:30:00-05:00", "2027-03-01T16:00:00-05:00"),
        ("2027-03-01T09:30:00", True, "2027-03-02T09:30:00-05:00", "2027-03-01T16:00:00-05:00"),
        ("2027-03-01T15:59:00", True, "2027-03-02T09:30:00-05:00", "2027-03-01T16:00:00-05:00"),
        ("2027-03-01T16:00:00", False, "2027-03-02T09:30:00-05:00", "2027-03-02T16:00:00-05:00"),
        ("2027-03-12T18:00:00", False, "2027-03-15T09:30:00-04:00", "2027-03-15T16:00:00-04:00"),
        ("2027-12-24T12:00:00", False, "2027-12-27T09:30:00-05:00", "2027-12-27T16:00:00-05:00"),
    ],
    ids=["before the opening", "at the opening", "before the close", "at the close", "over a change of the clocks", "on a holiday"],
)  # fmt: skip
def test_new_yorks_hours(
    simulator: Running, alpaca: Alpaca, control: Control, at: str, is_open: bool, next_open: str, next_close: str
):
    go_to(simulator, control, datetime.fromisoformat(at).replace(tzinfo=NEW_YORK))
    clock = alpaca.read("/v2/clock")
    assert (clock["is_open"], clock["next_open"], clock["next_close"]) == (is_open, next_open, next_close)


def test_a_session_by_hand_turns_by_itself_at_the_time_that_was_said(alpaca: Alpaca, control: Control):
    closes = datetime.now(UTC) + timedelta(hours=1)
    control.do("PUT", "/clock", {"is_open": True, "next_close": closes.isoformat()})
    assert datetime.fromisoformat(alpaca.read("/v2/clock")["next_close"]) == closes
    order = alpaca.order(**LIMIT_BELOW)
    control.advance(3590)
    assert (alpaca.read("/v2/clock")["is_open"], alpaca.status(order)) == (True, "new")
    control.advance(20)
    assert (alpaca.read("/v2/clock")["is_open"], alpaca.status(order)) == (False, "expired")


def test_the_calendar_leaves_weekends_and_holidays_out(alpaca: Alpaca):
    days = alpaca.read("/v2/calendar", start="2027-12-22", end="2027-12-28")
    assert [day["date"] for day in days] == ["2027-12-22", "2027-12-23", "2027-12-27", "2027-12-28"]
    assert {(day["open"], day["close"]) for day in days} == {("09:30", "16:00")}


def test_the_calendar_begins_with_the_simulators_day(simulator: Running, alpaca: Alpaca, control: Control):
    go_to(simulator, control, MONDAY_NOON)
    assert alpaca.read("/v2/calendar")[0]["date"] == "2027-03-01"


def test_an_order_of_the_night_waits_for_the_opening(alpaca: Alpaca, control: Control):
    control.shut()
    order = alpaca.filled()
    assert alpaca.status(order) == "accepted"
    control.open()
    assert alpaca.status(order) == "filled"


def test_an_order_for_extended_hours_does_not_wait(alpaca: Alpaca, control: Control):
    control.shut()
    assert alpaca.filled(type="limit", limit_price="101", extended_hours=True)["status"] == "filled"


def test_coins_trade_day_and_night(alpaca: Alpaca, control: Control):
    control.shut()
    assert alpaca.filled(symbol="ETHUSD", qty="1", time_in_force="gtc")["status"] == "filled"


def test_a_day_order_expires_at_the_close_and_others_do_not(alpaca: Alpaca, control: Control):
    control.open()
    day, good, coin = (
        alpaca.order(**LIMIT_BELOW),
        alpaca.order(**LIMIT_BELOW, time_in_force="gtc"),
        alpaca.order(**LIMIT_BELOW, time_in_force="gtc", symbol="BTCUSD", qty="1"),
    )
    control.shut()
    assert [alpaca.status(order) for order in (day, good, coin)] == ["expired", "new", "new"]
    assert alpaca.again(day)["expired_at"] is not None


def test_a_day_order_of_the_night_has_the_next_day_before_it(alpaca: Alpaca, control: Control):
    control.shut()
    order = alpaca.order(**LIMIT_BELOW)
    control.open()
    assert alpaca.status(order) == "new"
    control.shut()
    assert alpaca.status(order) == "expired"


def test_a_night_that_passes_in_one_step_closes_and_opens_the_exchange(
    simulator: Running, alpaca: Alpaca, control: Control
):
    go_to(simulator, control, MONDAY_NOON)
    order = alpaca.order(**LIMIT_BELOW)
    control.advance(24 * 3600)
    expired = alpaca.again(order)
    assert expired["status"] == "expired"
    closed = MONDAY_NOON.replace(hour=16).astimezone(UTC)
    assert expired["expired_at"].startswith(f"{closed:%Y-%m-%dT%H:%M:%S}")


def test_an_order_until_canceled_ends_after_ninety_days_all_the_same(
    simulator: Running, alpaca: Alpaca, control: Control
):
    go_to(simulator, control, MONDAY_NOON)
    order = alpaca.order(**LIMIT_BELOW, time_in_force="gtc")
    for days, status in ((40, "new"), (40, "new"), (9, "new"), (4, "expired")):
        control.advance(days * 86_400)
        assert alpaca.status(order) == status
    assert alpaca.again(order)["expired_at"] >= order["expires_at"]


@pytest.mark.parametrize(("time_in_force", "before", "after"), [("opg", "shut", "open"), ("cls", "open", "shut")])
def test_an_order_for_an_auction_fills_in_it_or_never(
    alpaca: Alpaca, control: Control, time_in_force: str, before: str, after: str
):
    getattr(control, before)()
    market, below = alpaca.order(time_in_force=time_in_force), alpaca.order(**LIMIT_BELOW, time_in_force=time_in_force)
    control.advance(FILL_AFTER)
    assert [alpaca.status(order) for order in (market, below)] == ["accepted", "accepted"]
    getattr(control, after)()
    assert [alpaca.status(order) for order in (market, below)] == ["filled", "expired"]
    assert alpaca.again(market)["filled_avg_price"] == "100"


def test_an_order_for_the_opening_waits_for_the_next_one(alpaca: Alpaca, control: Control):
    control.open()
    order = alpaca.order(time_in_force="opg")
    control.advance(FILL_AFTER)
    control.shut()
    assert alpaca.status(order) == "accepted"
    control.open()
    assert alpaca.status(order) == "filled"


def test_an_auction_minds_what_the_control_has_said(alpaca: Alpaca, control: Control):
    control.open()
    control.fault("partial", quantity="4")
    order = alpaca.order(time_in_force="cls")
    control.shut()
    assert (alpaca.status(order), alpaca.again(order)["filled_qty"]) == ("expired", "4")


def test_quotes_are_what_the_control_said_and_numbers(alpaca: Alpaca, control: Control):
    control.quote("AAPL", "99.5", "100.5")
    quotes = alpaca.read("/v2/stocks/quotes/latest", symbols="AAPL,MSFT")["quotes"]
    assert (quotes["AAPL"]["bp"], quotes["AAPL"]["ap"]) == (99.5, 100.5)
    assert quotes["MSFT"]["bp"] < quotes["MSFT"]["ap"]
    assert alpaca.read("/v2/stocks/AAPL/quotes/latest")["quote"]["bp"] == 99.5
    assert alpaca.read("/v2/stocks/AAPL/trades/latest")["trade"]["p"] == 100
    snapshot = alpaca.read("/v2/stocks/snapshots", symbols="AAPL")["AAPL"]
    assert (snapshot["latestQuote"]["ap"], snapshot["latestTrade"]["p"]) == (100.5, 100)
    control.do("DELETE", "/quotes/AAPL")
    assert alpaca.read("/v2/stocks/AAPL/quotes/latest")["quote"]["ap"] != 100.5


def test_coins_have_quotes_of_their_own_under_their_name_with_a_slash(alpaca: Alpaca, control: Control):
    control.quote("ETHUSD", 2999, 3001)
    quotes = alpaca.read("/v1beta3/crypto/us/latest/quotes", symbols="ETH/USD")["quotes"]
    assert (quotes["ETH/USD"]["bp"], quotes["ETH/USD"]["ap"]) == (2999, 3001)


def test_a_quote_moves_nothing_on_another_symbol(alpaca: Alpaca, control: Control):
    order = alpaca.filled(type="limit", limit_price="99")
    control.quote("MSFT", 90, 91)
    assert alpaca.status(order) == "new"


def test_assets_say_what_may_be_done(alpaca: Alpaca, control: Control):
    share, coin = alpaca.read("/v2/assets/AAPL"), alpaca.read("/v2/assets/BTCUSD")
    assert (share["class"], share["tradable"], share["shortable"], share["fractionable"]) == ("us_equity", True, True, True)  # fmt: skip
    assert (coin["symbol"], coin["class"], coin["shortable"]) == ("BTC/USD", "crypto", False)
    control.do("PUT", "/assets/AAPL", {"shortable": False, "status": "inactive"})
    limited = alpaca.read("/v2/assets/AAPL")
    assert (limited["shortable"], limited["tradable"], limited["id"]) == (False, True, share["id"])
    assert "AAPL" in {asset["symbol"] for asset in alpaca.read("/v2/assets", status="inactive")}
    assert {asset["class"] for asset in alpaca.read("/v2/assets", asset_class="crypto")} == {"crypto"}


def trade(alpaca: Alpaca, control: Control, side: str, quantity: str, price: str) -> None:
    control.quote("AAPL", price, price)
    assert alpaca.filled(side=side, qty=quantity)["status"] == "filled"


@pytest.mark.parametrize(
    ("trades", "held", "average", "cash"),
    [
        (["buy 3 10.01", "buy 1 10.02"], "4", "10.0125", "999959.95"),
        (["buy 3 10.01", "sell 1 11"], "2", "10.01", "999980.97"),
        (["sell 5 20"], "-5", "20", "1000100"),
        (["sell 5 20", "sell 5 30", "buy 4 10"], "-6", "25", "1000210"),
        (["buy 0.333333333 33.33"], "0.333333333", "33.33", "999988.89000001111"),
    ],
    ids=["more", "less", "short", "short more, then less", "a fraction"],
)
def test_holdings_and_money_are_exact(
    alpaca: Alpaca, control: Control, trades: list[str], held: str, average: str, cash: str
):
    for words in trades:
        side, quantity, price = words.split()
        trade(alpaca, control, side, quantity, price)
    position, account = alpaca.read("/v2/positions/AAPL"), alpaca.read("/v2/account")
    assert (position["qty"], position["avg_entry_price"], position["side"]) == (held, average, "short" if held[0] == "-" else "long")  # fmt: skip
    assert account["cash"] == cash
    worth = Decimal(held) * Decimal(position["current_price"])
    assert Decimal(position["market_value"]) == worth
    assert Decimal(account["equity"]) == Decimal(account["cash"]) + worth


def test_what_is_sold_again_leaves_nothing_but_the_gain(alpaca: Alpaca, control: Control):
    trade(alpaca, control, "buy", "7", "10.01")
    trade(alpaca, control, "sell", "7", "10.04")
    assert alpaca.read("/v2/positions") == []
    account = alpaca.read("/v2/account")
    assert (account["cash"], account["equity"], account["long_market_value"]) == ("1000000.21", "1000000.21", "0")


def test_a_quote_moves_the_gain_and_the_equity_but_not_the_cash(alpaca: Alpaca, control: Control):
    trade(alpaca, control, "buy", "10", "100")
    control.quote("AAPL", 104, 106)
    position, account = alpaca.read("/v2/positions/AAPL"), alpaca.read("/v2/account")
    assert (position["unrealized_pl"], position["unrealized_plpc"], position["cost_basis"]) == ("50", "0.05", "1000")
    assert (account["cash"], account["equity"]) == ("999000", "1000050")


def test_open_orders_take_buying_power_and_what_they_would_sell(alpaca: Alpaca, control: Control):
    def figures() -> tuple[str, Any]:
        return alpaca.read("/v2/account")["buying_power"], alpaca.read("/v2/positions/AAPL")["qty_available"]

    trade(alpaca, control, "buy", "10", "100")
    assert figures() == ("1999000", "10")
    alpaca.order(side="sell", qty="4", type="limit", limit_price="120")
    assert figures() == ("1999000", "6")
    bought = alpaca.order(qty="5", type="limit", limit_price="80")
    assert figures() == ("1998600", "6")
    alpaca.cancel(bought)
    control.advance(FILL_AFTER)
    assert figures() == ("1999000", "6")


def test_the_control_gives_and_takes_money(alpaca: Alpaca, control: Control):
    for cash in ("12.34", "0"):
        control.do("PUT", "/account", {"cash": cash})
        assert alpaca.read("/v2/account")["cash"] == cash
    control.do("PUT", "/account", {"blocked": "why"})
    assert alpaca.read("/v2/account")["trading_blocked"] is True
