"""What is sent to Alpaca of an order: symbol, prices, terms."""

from decimal import Decimal

import pytest

import brokers.alpaca.sdk  # noqa: F401 - first, else the warnings of the SDK's own modules are errors here
from brokers.alpaca.symbols import can_exist, from_alpaca, is_coin, to_alpaca
from brokers.alpaca.translate import (
    order_body,
    price_text,
    replacement_body,
)
from brokers.errors import OrderRejected
from domain.enums import OrderType, Side, TimeInForce
from domain.messages import Replacement
from tests.brokers.alpaca_support import make_order, make_request


class TestPrices:
    @pytest.mark.parametrize(
        ("price", "side", "stop", "sent"),
        [
            # A buyer never pays more than was said, a seller never gets less.
            ("12.349", Side.BUY, False, "12.34"),
            ("12.341", Side.SELL, False, "12.35"),
            # A stop is never hit sooner.
            ("12.341", Side.BUY, True, "12.35"),
            ("12.349", Side.SELL, True, "12.34"),
            ("12.34", Side.BUY, False, "12.34"),
            ("12.34000000", Side.SELL, True, "12.34"),
            ("1", Side.BUY, False, "1"),
            ("1.009", Side.BUY, False, "1"),
            ("0.99999", Side.BUY, False, "0.9999"),
            ("0.99999", Side.SELL, False, "1"),
            ("0.12345", Side.BUY, True, "0.1235"),
            ("0.12345", Side.SELL, True, "0.1234"),
            ("0.00004", Side.SELL, False, "0.0001"),
            ("1E+3", Side.BUY, False, "1000"),
            ("123456789012345678.129", Side.BUY, False, "123456789012345678.12"),
        ],
    )
    def test_prices_of_shares_are_rounded_to_their_step_and_never_to_the_worse_side(
        self, price: str, side: Side, stop: bool, sent: str
    ):
        assert price_text(Decimal(price), side, coin=False, stop=stop) == sent

    @pytest.mark.parametrize(
        ("price", "side", "stop", "sent"),
        [
            ("60000.1234567891", Side.BUY, False, "60000.123456789"),
            ("60000.1234567891", Side.SELL, False, "60000.12345679"),
            ("0.0000000019", Side.BUY, False, "0.000000001"),
            ("0.0000000011", Side.BUY, True, "0.000000002"),
            ("99999999999999999999.5", Side.SELL, False, "99999999999999999999.5"),
        ],
    )
    def test_prices_of_coins_keep_nine_decimals(self, price: str, side: Side, stop: bool, sent: str):
        assert price_text(Decimal(price), side, coin=True, stop=stop) == sent

    @pytest.mark.parametrize(("price", "coin"), [("0.00009", False), ("0.0000000009", True)])
    def test_a_price_below_the_smallest_step_is_refused_and_not_sent_as_0(self, price: str, coin: bool):
        with pytest.raises(OrderRejected, match="below the smallest step"):
            price_text(Decimal(price), Side.BUY, coin=coin, stop=False)

    @pytest.mark.parametrize("price", [None, Decimal(0), Decimal("-1")])
    def test_a_price_that_is_none_is_refused(self, price: Decimal | None):
        with pytest.raises(OrderRejected, match="above 0"):
            price_text(price, Side.BUY, coin=False, stop=False)


class TestSymbols:
    @pytest.mark.parametrize(
        ("ours", "alpacas"),
        [
            ("AAPL", "AAPL"),
            ("F", "F"),
            ("BRK.B", "BRK.B"),
            ("GOOGL", "GOOGL"),
            ("BTUSD", "BTUSD"),  # five letters are a share, whatever they end with
            ("USDT", "USDT"),
            ("BTCUSD", "BTC/USD"),
            ("BTCUSDT", "BTC/USDT"),
            ("BTCUSDC", "BTC/USDC"),
            ("LTCBTC", "LTC/BTC"),
            ("USDTUSD", "USDT/USD"),
            ("USDCUSD", "USDC/USD"),
            ("SHIBUSD", "SHIB/USD"),
            ("1INCHUSD", "1INCH/USD"),
            ("EURUSD", "EUR/USD"),  # it cannot be told from a coin; Alpaca says that it does not know it
        ],
    )
    def test_symbols_go_there_and_come_back(self, ours: str, alpacas: str):
        assert to_alpaca(ours) == alpacas
        assert from_alpaca(alpacas) == ours
        assert is_coin(ours) is ("/" in alpacas)
        assert can_exist(ours)

    @pytest.mark.parametrize(
        "symbol", ["", "aapl", "ES1!", "BRK-B", "BTC/USD", "AAPL,MSFT", "TOOLONG", "A.BCDEF", "7203"]
    )
    def test_what_alpaca_could_not_read_is_told_beforehand(self, symbol: str):
        assert not can_exist(symbol)
        assert to_alpaca(symbol) == symbol


class TestOrderBody:
    def test_a_market_order_is_written_with_exact_texts(self):
        body = order_body(make_request(client_order_id="x", quantity=Decimal("1E+1")))
        assert body == {
            "symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day", "client_order_id": "x",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("prices", "written"),
        [
            ({}, {"type": "market"}),
            ({"limit": "9.5"}, {"type": "limit", "limit_price": "9.5"}),
            ({"stop": "9.5"}, {"type": "stop", "stop_price": "9.5"}),
            ({"limit": "9.7", "stop": "9.5"}, {"type": "stop_limit", "limit_price": "9.7", "stop_price": "9.5"}),
        ],
    )
    def test_each_type_carries_its_prices_and_no_others(self, prices: dict[str, str], written: dict[str, str]):
        body = order_body(make_request(**prices))
        assert {name: body[name] for name in body if name == "type" or "price" in name} == written

    @pytest.mark.parametrize("time_in_force", list(TimeInForce))
    def test_each_time_in_force_of_a_share_is_sent_as_it_is(self, time_in_force: TimeInForce):
        assert order_body(make_request(time_in_force=time_in_force))["time_in_force"] == time_in_force.value.lower()

    @pytest.mark.parametrize(
        ("asked", "sent"), [(TimeInForce.DAY, "gtc"), (TimeInForce.GTC, "gtc"), (TimeInForce.IOC, "ioc")]
    )
    def test_a_coins_day_has_no_end(self, asked: TimeInForce, sent: str):
        body = order_body(make_request(symbol="BTCUSD", time_in_force=asked, quantity=Decimal("0.00000001")))
        assert (body["symbol"], body["time_in_force"], body["qty"]) == ("BTC/USD", sent, "0.00000001")

    @pytest.mark.parametrize("time_in_force", [TimeInForce.OPG, TimeInForce.CLS, TimeInForce.FOK])
    def test_a_coin_has_no_auctions(self, time_in_force: TimeInForce):
        with pytest.raises(OrderRejected, match="BTCUSD"):
            order_body(make_request(symbol="BTCUSD", time_in_force=time_in_force))

    def test_a_type_that_alpaca_does_not_have_is_refused_here(self):
        with pytest.raises(OrderRejected, match="RELATIVE"):
            order_body(make_request(order_type=OrderType.RELATIVE))

    def test_an_order_that_follows_another_is_refused_here(self):
        with pytest.raises(OrderRejected, match="follow"):
            order_body(make_request(attached_to="leg-1", hedge_ratio=Decimal(2)))

    def test_extended_hours_are_asked_for_only_when_they_are_wanted(self):
        assert order_body(make_request(limit="9.5", extended_hours=True))["extended_hours"] is True
        assert "extended_hours" not in order_body(make_request(limit="9.5"))

    def test_a_replacement_carries_what_changes(self):
        order = make_order(side="sell")
        assert replacement_body(Replacement(client_order_id="b"), order) == {"client_order_id": "b"}
        terms = Replacement(
            client_order_id="b", quantity=Decimal("7.0"), limit_price=Decimal("9.501"), stop_price=Decimal("9.509"),
            time_in_force=TimeInForce.GTC,
        )  # fmt: skip
        assert replacement_body(terms, order) == {
            "client_order_id": "b", "qty": "7", "limit_price": "9.51", "stop_price": "9.5", "time_in_force": "gtc",
        }  # fmt: skip

    def test_a_replacement_that_coins_cannot_have_is_refused(self):
        terms = Replacement(client_order_id="b", time_in_force=TimeInForce.CLS)
        with pytest.raises(OrderRejected, match="CLS"):
            replacement_body(terms, make_order(symbol="BTC/USD"))

    def test_an_order_with_several_legs_cannot_be_replaced(self):
        with pytest.raises(OrderRejected, match="side"):
            replacement_body(Replacement(client_order_id="b", quantity=Decimal(1)), make_order(symbol="", side=""))
