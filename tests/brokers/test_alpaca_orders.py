"""Orders, holdings and money at Alpaca, as its simulator keeps them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.alpaca import executions, order_book
from brokers.alpaca.broker import AlpacaBroker
from brokers.alpaca.client import AlpacaClient
from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from domain.enums import Environment, Side, TimeInForce
from domain.messages import OrderReport, Replacement
from domain.order_status import OrderStatus
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import ACCOUNT, Simulator, make_request, make_settings

S = OrderStatus
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FILL_AFTER = 60.0  # seconds by the simulator's clock, which stands still unless a test moves it on
ACTIVITIES = "GET /v2/account/activities/{type}"
LOOK_UP = "GET /v2/orders:by_client_order_id"


class Desk:
    """A broker, and the simulator behind it."""

    def __init__(self) -> None:
        self.simulator = Simulator(fill_after=FILL_AFTER)
        self.broker = AlpacaBroker(make_settings(self.simulator.url), ACCOUNT)
        self.quote("10.00", "10.02")

    def quote(self, bid: str, ask: str, symbol: str = "AAPL") -> None:
        self.simulator.control("PUT", f"quotes/{symbol}", {"bid": bid, "ask": ask})

    def open_market(self, is_open: bool = True) -> None:
        self.simulator.control("PUT", "clock", {"is_open": is_open})

    def send(self, **overrides: Any) -> str:
        """Send an order and let it come to life; returns its id."""
        request = make_request(**overrides)
        self.broker.submit_order(request)
        self.simulator.advance(0.001)
        return request.client_order_id

    def find(self, client_order_id: str) -> OrderReport:
        report = self.broker.find_order(client_order_id)
        assert report is not None
        return report

    def trade(self, **overrides: Any) -> OrderReport:
        """Send an order and let the time pass in which it is filled."""
        client_order_id = self.send(**overrides)
        self.pass_time()
        return self.find(client_order_id)

    def pass_time(self, seconds: float = FILL_AFTER + 1) -> None:
        self.simulator.advance(seconds)

    def fill(self, client_order_id: str, quantity: str) -> None:
        self.simulator.control("POST", f"orders/{client_order_id}/fill", {"quantity": quantity})

    def at_alpaca(self, client_order_id: str) -> dict[str, Any]:
        """Return the order as the simulator has it."""
        orders = self.simulator.control("GET", "book")["orders"]
        return next(order for order in orders if order["client_order_id"] == client_order_id)

    def close(self) -> None:
        self.broker.close()
        self.simulator.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with closing(Desk()) as opened:
        yield opened


def filled(report: OrderReport) -> Decimal:
    return sum((fill.quantity for fill in report.fills), Decimal(0))


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
        assert desk.broker.cancel_order(client_order_id).status is S.CANCEL_PENDING

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


class TestForeignOrders:
    def test_an_order_in_dollars_is_listed(self, desk: Desk):
        desk.simulator.control("POST", "orders", {"symbol": "AAPL", "side": "buy", "notional": "50"})
        desk.pass_time()
        (report,) = desk.broker.list_orders(LONG_AGO)
        assert report.status is S.FILLED
        assert filled(report).quantize(Decimal("1e-6")) == report.quantity.quantize(Decimal("1e-6"))

    @pytest.mark.parametrize(
        "strange",
        [
            {"symbol": "", "side": "", "order_class": "mleg", "legs": [{"symbol": "AAPL261218C00200000"}]},
            {"symbol": None, "side": None, "qty": None, "notional": None},
            {"symbol": "AAPL261218C00200000", "asset_class": "us_option"},
            {"type": "trailing_stop", "trail_percent": "2", "time_in_force": "someday"},
            {"status": "levitating"},
        ],
    )
    def test_an_order_that_the_desk_does_not_have_is_listed_and_breaks_nothing(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, strange: dict[str, Any]
    ):
        ours = desk.trade()
        foreign = {**desk.at_alpaca(ours.client_order_id), "id": "0-0", "client_order_id": "x", "filled_qty": "0"}
        foreign |= {"status": "new", "filled_at": None, **strange}
        change_reads(monkeypatch, "/orders", lambda page: [*page, foreign])
        reports = {report.client_order_id: report for report in desk.broker.list_orders(LONG_AGO)}
        assert reports[ours.client_order_id] == ours
        assert reports["x"].status is S.ACCEPTED


class TestPages:
    def test_none_of_many_orders_is_lost(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(order_book, "PAGE", 5)
        sent = []
        for number in range(17):
            sent.append(desk.send(limit="9.00"))
            desk.simulator.advance(number % 2)  # two in each second
        for client_order_id in sent[:8]:
            desk.broker.cancel_order(client_order_id)
        desk.pass_time()
        found = [report.client_order_id for report in desk.broker.list_orders(LONG_AGO)]
        assert sorted(found) == sorted(sent)

    def test_none_of_many_open_ones_is_lost_that_were_sent_long_ago(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(order_book, "PAGE", 5)
        sent = []
        for _ in range(12):
            sent.append(desk.send(limit="9.00"))
            desk.simulator.advance(1)
        found = desk.broker.list_orders(datetime.now(UTC) + timedelta(days=1))
        assert sorted(report.client_order_id for report in found) == sorted(sent)

    def test_none_of_many_executions_is_lost(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(executions, "PAGE", 3)
        desk.simulator.tell("work")
        client_order_id = desk.send()
        for _ in range(10):
            desk.fill(client_order_id, "1")
            desk.simulator.advance(0.01)
        report = desk.find(client_order_id)
        assert (report.status, len(report.fills), filled(report)) == (S.FILLED, 10, 10)
        assert list(report.fills) == sorted(report.fills, key=lambda fill: fill.at)
        assert desk.simulator.count(ACTIVITIES) == 4

    @pytest.mark.parametrize("module", [order_book, executions])
    def test_a_list_without_an_end_is_unavailable_and_never_cut_short(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, module: Any
    ):
        for _ in range(6):
            desk.trade()
        monkeypatch.setattr(module, "PAGE", 2)
        monkeypatch.setattr(module, "MOST_PAGES", 2)
        desk.broker.close()
        desk.broker = AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)  # one that remembers nothing
        with pytest.raises(BrokerUnavailable, match="more than 4"):
            desk.broker.list_orders(LONG_AGO)


class TestExecutions:
    def test_those_that_come_late_are_missing_at_first_and_complete_later(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ):
        desk.simulator.tell("work")
        client_order_id = desk.send()
        for quantity in ("4", "6"):
            desk.fill(client_order_id, quantity)
            desk.simulator.advance(0.01)
        with monkeypatch.context() as late:
            change_reads(late, "/account/activities/FILL", lambda _: [])
            assert (desk.find(client_order_id).status, desk.find(client_order_id).fills) == (S.FILLED, ())
        with monkeypatch.context() as late:
            change_reads(late, "/account/activities/FILL", lambda page: page[:1])
            assert filled(desk.find(client_order_id)) == 4
        assert filled(desk.find(client_order_id)) == 10

    @pytest.mark.parametrize("listed", [False, True])
    def test_an_end_waits_for_the_executions_before_it(self, desk: Desk, monkeypatch: pytest.MonkeyPatch, listed: bool):
        """Nobody asks again for an order that has ended."""
        desk.simulator.tell("partial", quantity="4")
        client_order_id = desk.trade().client_order_id
        desk.broker.cancel_order(client_order_id)
        desk.pass_time()

        def look() -> OrderReport:
            return desk.broker.list_orders(LONG_AGO)[0] if listed else desk.find(client_order_id)

        desk.broker.close()
        desk.broker = AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)  # one that remembers nothing
        with monkeypatch.context() as late:
            change_reads(late, "/account/activities/FILL", lambda _: [])
            assert (look().status, look().fills) == (S.PARTIALLY_FILLED, ())
            late.setattr(order_book, "SETTLE", timedelta(days=-1))
            assert (look().status, look().fills) == (S.CANCELED, ())  # it does not wait for ever
        assert (look().status, filled(look())) == (S.CANCELED, 4)

    def test_they_are_not_asked_for_again_once_they_are_complete(self, desk: Desk):
        reports = [desk.trade() for _ in range(3)]
        asked = desk.simulator.count(ACTIVITIES)
        for report in reports:
            assert desk.find(report.client_order_id) == report
        assert len(desk.broker.list_orders(LONG_AGO)) == 3
        assert desk.simulator.count(ACTIVITIES) == asked

    def test_nor_for_an_open_coin_order_whose_decimals_the_desk_does_not_keep(self, desk: Desk):
        desk.simulator.tell("partial", quantity="0.111111113")
        client_order_id = desk.send(symbol="BTCUSD", quantity=Decimal("0.5"))
        desk.pass_time()
        desk.fill(client_order_id, "0.111111113")
        desk.fill(client_order_id, "0.111111113")
        first = desk.find(client_order_id)
        assert (first.status, filled(first)) == (S.PARTIALLY_FILLED, Decimal("0.33333334"))
        asked = desk.simulator.count(ACTIVITIES)
        assert desk.broker.list_orders(LONG_AGO)[0].fills == first.fills
        assert desk.simulator.count(ACTIVITIES) == asked
        desk.simulator.control("POST", f"orders/{client_order_id}/fill")
        last = desk.find(client_order_id)
        assert (last.status, filled(last), last.fills[:3]) == (S.FILLED, Decimal("0.5"), first.fills)

    def test_nor_for_a_canceled_coin_whose_decimals_the_desk_does_not_keep(self, desk: Desk):
        desk.simulator.tell("work")
        client_order_id = desk.send(symbol="BTCUSD", quantity=Decimal("0.5"))
        for _ in range(2):
            desk.fill(client_order_id, "0.100000004")
        desk.broker.cancel_order(client_order_id)
        desk.pass_time()
        report = desk.find(client_order_id)
        assert (report.status, filled(report)) == (S.CANCELED, Decimal("0.20000001"))
        asked = desk.simulator.count(ACTIVITIES)
        assert desk.find(client_order_id) == report
        assert desk.simulator.count(ACTIVITIES) == asked

    def test_those_of_an_order_that_goes_on_are(self, desk: Desk):
        desk.simulator.tell("work")
        client_order_id = desk.send()
        desk.fill(client_order_id, "4")
        assert (desk.find(client_order_id).status, filled(desk.find(client_order_id))) == (S.PARTIALLY_FILLED, 4)
        desk.fill(client_order_id, "6")
        assert (desk.find(client_order_id).status, filled(desk.find(client_order_id))) == (S.FILLED, 10)

    def test_an_order_without_executions_asks_for_none(self, desk: Desk):
        desk.find(desk.send(limit="9.00"))
        assert desk.simulator.count(ACTIVITIES) == 0

    def test_only_so_many_are_remembered(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(executions, "REMEMBERED", 1)
        monkeypatch.setattr(order_book, "REMEMBERED", 1)
        reports = [desk.trade() for _ in range(2)]
        assert [desk.find(report.client_order_id) for report in reports] == reports


class TestReplace:
    def test_the_new_order_takes_the_place_of_the_old(self, desk: Desk):
        old = desk.send(limit="9.00")
        terms = Replacement(client_order_id=f"{old}-b", quantity=Decimal(7), limit_price=Decimal("10.059"))
        report = desk.broker.replace_order(old, terms)
        assert (report.client_order_id, report.quantity, report.status) == (f"{old}-b", 7, S.ACCEPTED)
        assert desk.at_alpaca(f"{old}-b")["limit_price"] == "10.05"
        ended = desk.find(old)
        assert (ended.status, ended.reason) == (S.REPLACED, f"replaced by {report.broker_order_id}")
        desk.pass_time()
        assert filled(desk.find(f"{old}-b")) == 7

    @pytest.mark.parametrize("terms", [{"quantity": Decimal(4)}, {"limit_price": Decimal("0.00001")}])
    def test_terms_that_alpaca_does_not_take_are_refused_and_the_order_works_on(
        self, desk: Desk, terms: dict[str, Any]
    ):
        desk.simulator.tell("partial", quantity="4")
        old = desk.trade(limit="10.05").client_order_id
        with pytest.raises(OrderRejected):
            desk.broker.replace_order(old, Replacement(client_order_id=f"{old}-b", **terms))
        assert desk.find(old).status is S.PARTIALLY_FILLED
        assert desk.broker.find_order(f"{old}-b") is None

    def test_an_ended_order_has_no_other_terms(self, desk: Desk):
        old = desk.trade().client_order_id
        with pytest.raises(OrderRejected, match="filled"):
            desk.broker.replace_order(old, Replacement(client_order_id=f"{old}-b", quantity=Decimal(7)))

    def test_nor_has_one_that_alpaca_does_not_know(self, desk: Desk):
        with pytest.raises(OrderRejected, match="no such order"):
            desk.broker.replace_order("never-sent", Replacement(client_order_id="b", quantity=Decimal(7)))
        assert desk.simulator.count("PATCH /v2/orders/{id}") == 0

    def test_terms_a_coin_cannot_have_are_refused_here(self, desk: Desk):
        old = desk.send(symbol="BTCUSD", limit="9.00")
        with pytest.raises(OrderRejected, match="CLS"):
            desk.broker.replace_order(old, Replacement(client_order_id="b", time_in_force=TimeInForce.CLS))
        assert desk.simulator.count("PATCH /v2/orders/{id}") == 0

    def test_a_lost_answer_is_looked_up(self, desk: Desk):
        old = desk.send(limit="9.00")
        desk.simulator.tell("drop_after", where="/v2/orders/")
        with pytest.raises(OutcomeUnknown):
            desk.broker.replace_order(old, Replacement(client_order_id=f"{old}-b", quantity=Decimal(7)))
        assert desk.find(f"{old}-b").quantity == 7


class TestCancel:
    def test_a_second_wish_while_the_first_is_at_work_is_not_refused(self, desk: Desk):
        client_order_id = desk.send(limit="9.00")
        for _ in range(2):
            assert desk.broker.cancel_order(client_order_id).status is S.CANCEL_PENDING
        desk.pass_time()
        assert desk.broker.cancel_order(client_order_id).status is S.CANCELED

    def test_a_filled_order_is_reported_as_it_is(self, desk: Desk):
        report = desk.trade()
        assert desk.broker.cancel_order(report.client_order_id) == report

    def test_an_order_that_fills_meanwhile_is_reported_filled(self, desk: Desk):
        client_order_id = desk.send(limit="9.00")
        desk.simulator.tell("cancel_fills")
        report = desk.broker.cancel_order(client_order_id)
        assert (report.status, filled(report)) == (S.FILLED, 10)

    def test_an_order_of_an_earlier_connection_is_found_by_our_id(self, desk: Desk):
        client_order_id = desk.send(limit="9.00")
        with closing(AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)) as anew:
            assert anew.cancel_order(client_order_id).status is S.CANCEL_PENDING

    def test_an_unknown_order_is_refused(self, desk: Desk):
        with pytest.raises(OrderRejected, match="no such order"):
            desk.broker.cancel_order("never-sent")
        assert desk.simulator.count("DELETE /v2/orders/{id}") == 0

    def test_a_refusal_of_an_order_at_work_is_told(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        client_order_id = desk.send(limit="9.00")

        def refuse(*_: Any) -> None:
            raise OrderRejected("not now")

        monkeypatch.setattr(AlpacaClient, "delete", refuse)
        with pytest.raises(OrderRejected, match="not now"):
            desk.broker.cancel_order(client_order_id)


class TestAccount:
    def test_positions_are_signed(self, desk: Desk):
        desk.trade(quantity=Decimal(3))
        desk.trade(symbol="MSFT", side=Side.SELL, quantity=Decimal(4))
        desk.trade(symbol="BTCUSD", quantity=Decimal("0.25"))
        held = {row.symbol: (row.quantity, row.average_price) for row in desk.broker.list_positions()}
        assert {symbol: quantity for symbol, (quantity, _) in held.items()} == {
            "AAPL": Decimal(3), "MSFT": Decimal(-4), "BTCUSD": Decimal("0.249375"),  # the fee is kept of the coin
        }  # fmt: skip
        assert held["AAPL"][1] == Decimal("10.02")
        assert all(price > 0 for _, price in held.values())

    def test_a_short_position_is_negative_however_its_size_is_written(self, answers: Answers, bare: AlpacaBroker):
        for quantity in ("4", "-4"):
            answers.give(200, [{"symbol": "F", "qty": quantity, "side": "short", "avg_entry_price": "9"}])
            assert [row.quantity for row in bare.list_positions()] == [Decimal(-4)]

    @pytest.mark.parametrize(
        ("quantity", "held"),
        [("0.498750009", ["0.49875"]), ("0.000000019", ["0.00000001"]), ("0.000000009", []), ("12", ["12"])],
    )
    def test_what_the_desk_cannot_trade_is_not_held(
        self, answers: Answers, bare: AlpacaBroker, quantity: str, held: list[str]
    ):
        answers.give(200, [{"symbol": "BTCUSD", "qty": quantity, "side": "long", "avg_entry_price": "60000"}])
        assert [str(row.quantity) for row in bare.list_positions()] == [str(Decimal(text)) for text in held]

    def test_money_is_reported(self, desk: Desk):
        report = desk.broker.account()
        assert (report.account, report.cash, report.equity) == (ACCOUNT, 1_000_000, 1_000_000)
        assert (report.buying_power, report.currency, report.blocked) == (2_000_000, "USD", "")
        assert report.number.startswith("PA")

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"blocked": "margin call"}, "trading is blocked"),
            ({"trade_suspended": True}, "trading is suspended by its owner"),
        ],
    )
    def test_a_block_is_named_and_its_orders_are_refused(self, desk: Desk, change: dict[str, Any], text: str):
        desk.simulator.control("PUT", "account", change)
        assert desk.broker.account().blocked == text
        with pytest.raises(OrderRejected):
            desk.send()

    def test_several_blocks_are_all_named(self, answers: Answers, bare: AlpacaBroker):
        row = {"cash": "1", "buying_power": "1", "equity": "1", "status": "ACTIVE"}
        answers.give(200, {**row, "account_blocked": True, "trading_blocked": True, "status": "ACCOUNT_CLOSED"})
        blocked = bare.account().blocked
        assert blocked == "trading is blocked, the account is blocked, its status is ACCOUNT_CLOSED"


class TestLiveTrading:
    def test_nothing_is_sent_until_it_is_switched_on(self, answers: Answers):
        settings = make_settings(answers.url, may_trade=False)
        with closing(AlpacaBroker(settings, ACCOUNT)) as broker:
            with pytest.raises(OrderRejected, match="not switched on"):
                broker.submit_order(make_request())
            with pytest.raises(OrderRejected, match="not switched on"):
                broker.replace_order("any", Replacement(client_order_id="b", quantity=Decimal(1)))
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


@pytest.fixture
def bare(answers: Answers) -> Iterator[AlpacaBroker]:
    """Return a broker whose Alpaca answers what a test gives it."""
    with closing(AlpacaBroker(make_settings(answers.url), ACCOUNT)) as broker:
        yield broker


class TestWrongShapes:
    """An answer that cannot be understood is never taken for an empty one."""

    SHAPES: tuple[Any, ...] = ({}, {"message": "ok"}, None, "flat", 7, [7], [None], [[]], [{}], [{"id": "1"}], b"")

    @pytest.mark.parametrize("body", SHAPES, ids=repr)
    def test_a_holding_is_never_overlooked(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.list_positions()

    @pytest.mark.parametrize("body", SHAPES, ids=repr)
    def test_nor_is_an_order(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.list_orders(LONG_AGO)

    @pytest.mark.parametrize(
        "body", [*SHAPES, [], {"client_order_id": "x"}, {"client_order_id": "y", "id": "1"}], ids=repr
    )
    def test_a_look_up_is_never_taken_for_absence(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        for call in (lambda: bare.find_order("x"), lambda: bare.cancel_order("x")):
            with pytest.raises(BrokerUnavailable):
                call()

    @pytest.mark.parametrize("body", [*SHAPES, []], ids=repr)
    def test_nor_is_money(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.account()

    @pytest.mark.parametrize("body", [*SHAPES, [], {"client_order_id": "another"}], ids=repr)
    def test_an_order_that_is_answered_so_may_have_arrived(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(OutcomeUnknown):
            bare.submit_order(make_request())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"filled_qty": "some"},
            {"filled_qty": "1", "submitted_at": "soon"},
            {"filled_qty": "1", "submitted_at": "0001-01-01T00:00:00Z"},
            {"qty": "NaN"},
            {"updated_at": "soon"},
            {"client_order_id": None, "qty": []},
        ],
        ids=repr,
    )
    def test_an_order_with_nonsense_in_it_is_unavailable(
        self, answers: Answers, bare: AlpacaBroker, wrong: dict[str, Any]
    ):
        order = {"id": "1", "client_order_id": "x", "symbol": "F", "side": "buy", "qty": "1", "status": "new", **wrong}
        answers.give(200, [order])
        with pytest.raises(BrokerUnavailable):
            bare.list_orders(LONG_AGO)
        if order["client_order_id"] == "x":
            answers.give(200, order)
            with pytest.raises(BrokerUnavailable):
                bare.find_order("x")

    @pytest.mark.parametrize(
        "page",
        [{}, None, [7], [None], [{}], [{"order_id": "1"}],
         [{"id": "e", "qty": "1", "price": "1", "transaction_time": "2026-11-25T12:00:00Z"}],
         [{"id": "e", "order_id": "1", "qty": "1e99999", "price": "1", "transaction_time": "2026-11-25T12:00:00Z"}]],
        ids=repr,
    )  # fmt: skip
    def test_executions_that_cannot_be_read_are_unavailable(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, page: Any
    ):
        client_order_id = desk.send()
        desk.pass_time()
        change_reads(monkeypatch, "/account/activities/FILL", lambda _: page)
        for call in (lambda: desk.find(client_order_id), lambda: desk.broker.list_orders(LONG_AGO)):
            with pytest.raises(BrokerUnavailable):
                call()


def change_reads(monkeypatch: pytest.MonkeyPatch, path: str, change: Any) -> None:
    """Let the answers to a read be changed on their way."""
    original = AlpacaClient.read

    def read(self: AlpacaClient, asked: str, params: dict[str, Any] | None = None) -> Any:
        answer = original(self, asked, params)
        return change(answer) if asked == path else answer

    monkeypatch.setattr(AlpacaClient, "read", read)
