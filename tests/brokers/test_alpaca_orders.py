"""Orders at Alpaca, as its simulator takes them: terms, replacements, cancels, and the switch of live trading."""

from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.alpaca.broker import AlpacaBroker
from brokers.alpaca.client import AlpacaClient
from brokers.errors import OrderRejected, OutcomeUnknown
from domain.enums import Environment, Side, TimeInForce
from domain.messages import Replacement
from domain.order_status import OrderStatus
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import ACCOUNT, Desk, filled, make_request, make_settings
from tests.support.brokers import find, ref

S = OrderStatus
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class TestAnswers:
    def test_an_answer_that_speaks_of_another_order_proves_nothing(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        """It is for a look-up to say what became of the one that was sent."""
        other = {**desk.at_alpaca(desk.send()), "client_order_id": "somebody-elses"}
        monkeypatch.setattr(AlpacaClient, "post", lambda *_, **__: other)
        with pytest.raises(OutcomeUnknown, match="another order"):
            desk.broker.submit_order(make_request())


class TestTypes:
    @pytest.mark.parametrize(
        ("terms", "before", "quote", "price"),
        [
            ({}, S.FILLED, None, "10.02"),
            ({"side": Side.SELL}, S.FILLED, None, "10"),
            ({"limit": "10.05"}, S.FILLED, None, "10.02"),
            ({"limit": "9.95"}, S.ACCEPTED, ("9.90", "9.94"), "9.94"),
            ({"side": Side.SELL, "limit": "10.50"}, S.ACCEPTED, ("10.55", "10.60"), "10.55"),
            ({"stop": "10.50"}, S.ACCEPTED, ("10.48", "10.50"), "10.5"),
            ({"side": Side.SELL, "stop": "9.50"}, S.ACCEPTED, ("9.50", "9.52"), "9.5"),
            ({"stop": "10.50", "limit": "10.55"}, S.ACCEPTED, ("10.50", "10.52"), "10.52"),
            ({"side": Side.SELL, "stop": "9.50", "limit": "9.40"}, S.ACCEPTED, ("9.45", "9.52"), "9.45"),
        ],
    )
    def test_an_order_waits_for_its_price(
        self, desk: Desk, terms: dict[str, Any], before: OrderStatus, quote: tuple[str, str] | None, price: str
    ):
        report = desk.trade(**terms)
        assert report.status is before
        if quote is not None:
            desk.quote(*quote)
            report = desk.find(report.client_order_id)
        assert (report.status, filled(report)) == (S.FILLED, 10)
        assert [fill.price for fill in report.fills] == [Decimal(price)]

    def test_a_buy_stop_becomes_a_stop_limit_and_stays_ours(self, desk: Desk):
        client_order_id = desk.send(stop="10.50")
        order = desk.at_alpaca(client_order_id)
        assert (order["type"], order["stop_price"], order["limit_price"]) == ("stop_limit", "10.5", "10.92")
        report = desk.find(client_order_id)
        assert (report.symbol, report.side, report.quantity) == ("AAPL", Side.BUY, Decimal(10))
        assert report in desk.broker.list_orders(LONG_AGO)
        assert desk.broker.cancel_order(ref(client_order_id)).status is S.CANCEL_PENDING

    def test_the_answer_to_an_order_carries_no_executions(self, desk: Desk):
        report = desk.broker.submit_order(make_request())
        assert (report.status, report.fills) == (S.ACCEPTED, ())
        assert report.broker_order_id == desk.at_alpaca(report.client_order_id)["id"]


class TestTimesInForce:
    def test_a_day_order_ends_at_the_close_and_one_good_till_canceled_goes_on(self, desk: Desk):
        desk.open_market()
        day = desk.send(limit="9.00")
        gtc = desk.send(limit="9.00", time_in_force=TimeInForce.GTC)
        desk.open_market(False)
        assert desk.find(day).status is S.EXPIRED
        assert desk.find(gtc).status is S.ACCEPTED

    def test_an_order_for_the_opening_waits_for_it(self, desk: Desk):
        desk.open_market(False)
        report = desk.trade(time_in_force=TimeInForce.OPG)
        assert report.status is S.ACCEPTED
        desk.open_market()
        assert desk.find(report.client_order_id).status is S.FILLED

    def test_an_order_for_the_close_waits_for_it(self, desk: Desk):
        desk.open_market()
        report = desk.trade(time_in_force=TimeInForce.CLS)
        assert report.status is S.ACCEPTED
        desk.open_market(False)
        assert desk.find(report.client_order_id).status is S.FILLED

    @pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
    @pytest.mark.parametrize(("limit", "status"), [("9.00", S.CANCELED), ("10.05", S.FILLED)])
    def test_at_once_or_not_at_all(self, desk: Desk, time_in_force: TimeInForce, limit: str, status: OrderStatus):
        assert desk.trade(limit=limit, time_in_force=time_in_force).status is status

    def test_what_is_not_filled_at_once_ends_and_what_is_stays(self, desk: Desk):
        desk.simulator.tell("partial", quantity="4")
        report = desk.trade(time_in_force=TimeInForce.IOC)
        assert (report.status, filled(report)) == (S.CANCELED, 4)

    @pytest.mark.parametrize(("extended", "status"), [(True, S.FILLED), (False, S.ACCEPTED)])
    def test_only_orders_for_extended_hours_trade_while_the_market_is_closed(
        self, desk: Desk, extended: bool, status: OrderStatus
    ):
        desk.open_market(False)
        assert desk.trade(limit="10.05", extended_hours=extended).status is status

    def test_a_coin_has_no_night(self, desk: Desk):
        desk.open_market(False)
        report = desk.trade(symbol="BTCUSD", quantity=Decimal("0.12345678"))
        assert (report.symbol, report.status, filled(report)) == ("BTCUSD", S.FILLED, Decimal("0.12345678"))
        assert desk.at_alpaca(report.client_order_id)["time_in_force"] == "gtc"


class TestFractions:
    def test_a_part_of_a_share_can_be_bought_and_sold_again(self, desk: Desk):
        assert filled(desk.trade(quantity=Decimal("0.12345678"))) == Decimal("0.12345678")
        desk.trade(quantity=Decimal("0.12345678"), side=Side.SELL)
        assert desk.broker.list_positions() == []

    def test_but_not_sold_short(self, desk: Desk):
        with pytest.raises(OrderRejected, match="short"):
            desk.send(quantity=Decimal("0.5"), side=Side.SELL)

    def test_nor_of_an_asset_that_has_none(self, desk: Desk):
        desk.simulator.control("PUT", "assets/AAPL", {"fractionable": False})
        with pytest.raises(OrderRejected, match="not fractionable"):
            desk.send(quantity=Decimal("0.5"))


class TestReplace:
    def test_the_new_order_takes_the_place_of_the_old(self, desk: Desk):
        old = desk.send(limit="9.00")
        terms = Replacement(client_order_id=f"{old}-b", quantity=Decimal(7), limit_price=Decimal("10.059"))
        report = desk.broker.replace_order(ref(old), terms)
        assert (report.client_order_id, report.quantity, report.status) == (f"{old}-b", 7, S.ACCEPTED)
        desk.simulator.advance(0.001)  # it is answered before it is done
        assert desk.at_alpaca(f"{old}-b")["limit_price"] == "10.05"
        ended = next(order for order in desk.broker.list_orders(LONG_AGO) if order.client_order_id == old)
        assert (ended.status, ended.reason) == (S.REPLACED, f"replaced by {report.broker_order_id}")
        assert ended.replaced_by == report.broker_order_id
        assert desk.find(old) == desk.find(f"{old}-b")
        desk.pass_time()
        assert filled(desk.find(f"{old}-b")) == 7

    @pytest.mark.parametrize("terms", [{"quantity": Decimal(4)}, {"limit_price": Decimal("0.00001")}])
    def test_terms_that_alpaca_does_not_take_are_refused_and_the_order_works_on(
        self, desk: Desk, terms: dict[str, Any]
    ):
        desk.simulator.tell("partial", quantity="4")
        old = desk.trade(limit="10.05").client_order_id
        with pytest.raises(OrderRejected):
            desk.broker.replace_order(ref(old), Replacement(client_order_id=f"{old}-b", **terms))
        assert desk.find(old).status is S.PARTIALLY_FILLED
        assert find(desk.broker, f"{old}-b") is None

    def test_an_ended_order_has_no_other_terms(self, desk: Desk):
        old = desk.trade().client_order_id
        with pytest.raises(OrderRejected, match="filled"):
            desk.broker.replace_order(ref(old), Replacement(client_order_id=f"{old}-b", quantity=Decimal(7)))

    def test_nor_has_one_that_alpaca_does_not_know(self, desk: Desk):
        with pytest.raises(OrderRejected, match="no such order"):
            desk.broker.replace_order(ref("never-sent"), Replacement(client_order_id="b", quantity=Decimal(7)))
        assert desk.simulator.count("PATCH /v2/orders/{id}") == 0

    def test_terms_a_coin_cannot_have_are_refused_here(self, desk: Desk):
        old = desk.send(symbol="BTCUSD", limit="9.00")
        with pytest.raises(OrderRejected, match="CLS"):
            desk.broker.replace_order(ref(old), Replacement(client_order_id="b", time_in_force=TimeInForce.CLS))
        assert desk.simulator.count("PATCH /v2/orders/{id}") == 0

    def test_a_lost_answer_is_looked_up(self, desk: Desk):
        old = desk.send(limit="9.00")
        desk.simulator.tell("drop_after", where="/v2/orders/")
        with pytest.raises(OutcomeUnknown):
            desk.broker.replace_order(ref(old), Replacement(client_order_id=f"{old}-b", quantity=Decimal(7)))
        assert desk.find(f"{old}-b").quantity == 7


class TestCancel:
    def test_a_second_wish_while_the_first_is_at_work_is_not_refused(self, desk: Desk):
        client_order_id = desk.send(limit="9.00")
        for _ in range(2):
            assert desk.broker.cancel_order(ref(client_order_id)).status is S.CANCEL_PENDING
        desk.pass_time()
        assert desk.broker.cancel_order(ref(client_order_id)).status is S.CANCELED

    def test_a_filled_order_is_reported_as_it_is(self, desk: Desk):
        report = desk.trade()
        assert desk.broker.cancel_order(ref(report.client_order_id)) == report

    def test_an_order_that_fills_meanwhile_is_reported_filled(self, desk: Desk):
        client_order_id = desk.send(limit="9.00")
        desk.simulator.tell("cancel_fills")
        report = desk.broker.cancel_order(ref(client_order_id))
        assert (report.status, filled(report)) == (S.FILLED, 10)

    def test_an_order_of_an_earlier_connection_is_found_by_our_id(self, desk: Desk):
        client_order_id = desk.send(limit="9.00")
        with closing(AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)) as anew:
            assert anew.cancel_order(ref(client_order_id)).status is S.CANCEL_PENDING

    def test_an_unknown_order_is_refused(self, desk: Desk):
        with pytest.raises(OrderRejected, match="no such order"):
            desk.broker.cancel_order(ref("never-sent"))
        assert desk.simulator.count("DELETE /v2/orders/{id}") == 0

    def test_a_refusal_of_an_order_at_work_is_told(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        client_order_id = desk.send(limit="9.00")

        def refuse(*_: Any) -> None:
            raise OrderRejected("not now")

        monkeypatch.setattr(AlpacaClient, "delete", refuse)
        with pytest.raises(OrderRejected, match="not now"):
            desk.broker.cancel_order(ref(client_order_id))


class TestLiveTrading:
    def test_nothing_is_sent_until_it_is_switched_on(self, answers: Answers):
        settings = make_settings(answers.url, may_trade=False)
        with closing(AlpacaBroker(settings, ACCOUNT)) as broker:
            with pytest.raises(OrderRejected, match="not switched on"):
                broker.submit_order(make_request())
            with pytest.raises(OrderRejected, match="not switched on"):
                broker.replace_order(ref("any"), Replacement(client_order_id="b", quantity=Decimal(1)))
        assert answers.asked == []

    def test_an_order_for_another_account_is_not_sent(self, answers: Answers, bare: AlpacaBroker):
        with pytest.raises(OrderRejected, match="another-account"):
            bare.submit_order(make_request(account="another-account"))
        assert answers.asked == []

    @pytest.mark.parametrize(
        ("environment", "host"),
        [
            (Environment.LIVE, "api.alpaca.markets"),
            (Environment.PAPER, "paper-api.alpaca.markets"),
        ],
    )
    def test_paper_and_live_are_kept_apart_by_host(self, environment: Environment, host: str):
        settings = make_settings("http://127.0.0.1:1", environment=environment)
        assert settings.trading_url == f"https://{host}"
        assert settings.stream_url == f"wss://{host}/stream"
        assert settings.data_url == "https://data.alpaca.markets"
