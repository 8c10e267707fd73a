"""What is read of an Alpaca account: orders, also foreign ones, their executions, holdings and money."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.alpaca import executions, order_book
from brokers.alpaca.broker import AlpacaBroker
from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.errors import BadRequest
from brokers.errors import BrokerUnavailable, OrderRejected
from domain.enums import Side
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from simulators.alpaca.keys import KEY
from simulators.alpaca.trading import WORLD
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import ACCOUNT, Desk, change_reads, filled, make_settings
from tests.support.brokers import ref

S = OrderStatus
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ACTIVITIES = "GET /v2/account/activities/{type}"


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

    @pytest.mark.parametrize(
        ("word", "side"), [("sell_short", Side.SELL), ("sell", Side.SELL), ("buy_minus", Side.BUY), ("", Side.BUY)]
    )
    def test_a_new_word_for_a_side_does_not_become_the_other_one(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, word: str, side: Side
    ):
        foreign = {**desk.at_alpaca(desk.send()), "client_order_id": "x", "side": word}
        change_reads(monkeypatch, "/orders", lambda _: [foreign])
        assert [report.side for report in desk.broker.list_orders(LONG_AGO)] == [side]

    @pytest.mark.parametrize(
        "broken",
        [{"created_at": "yesterday", "updated_at": None, "submitted_at": None}, {"qty": "many"}, {"side": "levitate"}],
    )
    def test_one_that_cannot_be_read_hides_no_other(
        self,
        desk: Desk,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        broken: dict[str, str | None],
    ):
        ours = desk.trade()
        foreign = {**desk.at_alpaca(ours.client_order_id), "id": "0-0", "client_order_id": "x", **broken}
        change_reads(monkeypatch, "/orders", lambda page: [*page, foreign])
        for _ in range(2):
            assert desk.broker.list_orders(LONG_AGO) == [ours]
        assert caplog.text.count("order 0-0 of Alpaca: an order of Alpaca cannot be read") == 1
        assert caplog.text.count("it is left out") == 1
        change_reads(monkeypatch, "/orders:by_client_order_id", lambda order: {**order, **broken})
        with pytest.raises(BrokerUnavailable):
            desk.find(ours.client_order_id)


class TestPages:
    def test_none_of_many_orders_is_lost(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(order_book, "PAGE", 5)
        sent = []
        for number in range(17):
            sent.append(desk.send(limit="9.00"))
            desk.simulator.advance(number % 2)  # two in each second
        for client_order_id in sent[:8]:
            desk.broker.cancel_order(ref(client_order_id))
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
        assert desk.simulator.count(ACTIVITIES) == 5  # each page begins with the end of the one before

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
    def test_an_end_waits_for_the_executions_before_it(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, listed: bool
    ):
        """Nobody asks again for an order that has ended."""
        desk.simulator.tell("partial", quantity="4")
        client_order_id = desk.trade().client_order_id
        desk.broker.cancel_order(ref(client_order_id))
        desk.pass_time()

        def look() -> OrderReport:
            return desk.broker.list_orders(LONG_AGO)[0] if listed else desk.find(client_order_id)

        desk.broker.close()
        desk.broker = AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)  # one that remembers nothing
        with monkeypatch.context() as late:
            change_reads(late, "/account/activities/FILL", lambda _: [])
            assert (look().status, look().fills) == (S.PARTIALLY_FILLED, ())
            assert "executions" not in caplog.text
            late.setattr(executions, "SETTLE", timedelta(days=-1))
            report = look()
            assert (report.status, report.fills, report.filled) == (S.CANCELED, (), 4)  # by its total
            assert report.total is not None
            assert report.total.is_settled
            asked = desk.simulator.count(ACTIVITIES)
            assert look() == report
            assert desk.simulator.count(ACTIVITIES) == asked  # nobody expects any more of it
        monkeypatch.setattr(executions, "AGAIN", 0.0)
        assert (look().status, len(look().fills), look().filled) == (S.CANCELED, 1, 4)

    def test_those_of_one_order_are_asked_for_by_its_name(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        for _ in range(3):
            desk.trade()
        client_order_id = desk.trade().client_order_id
        desk.broker.close()
        desk.broker = AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)
        seen: list[Any] = []
        change_reads(monkeypatch, "/account/activities/FILL", lambda page: seen.append(page) or page)
        assert filled(desk.find(client_order_id)) == 10
        assert [len(page) for page in seen] == [1]

    @pytest.mark.parametrize("answer", ["refused", "ignored"])
    def test_where_it_cannot_be_asked_by_name_they_are_found_in_the_list(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str
    ):
        names = [desk.trade().client_order_id for _ in range(3)]
        desk.broker.close()
        desk.broker = AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)
        original = AlpacaClient.read

        def read(self: AlpacaClient, path: str, params: dict[str, Any] | None = None, **more: Any) -> Any:
            params = dict(params or {})
            if params.pop("order_id", None) and answer == "refused":
                raise BadRequest("unknown parameter order_id")
            return original(self, path, params, **more)

        monkeypatch.setattr(AlpacaClient, "read", read)
        assert [filled(desk.find(name)) for name in names] == [10, 10, 10]

    def test_none_is_lost_where_a_page_ends(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        """Alpaca compares its token with ids, whose order within a millisecond is not that of its list."""
        monkeypatch.setattr(executions, "PAGE", 6)
        desk.simulator.tell("work", times=2)
        names = [desk.send(quantity=Decimal(20)) for _ in range(2)]
        for _ in range(20):
            for name in names:
                desk.fill(name, "1")
        rows = desk.simulator.running.app[WORLD].accounts[KEY].activities
        for number, row in enumerate(rows):  # four within each millisecond
            row["id"] = f"{20261130100000000 + number // 4}::{row['id'].partition('::')[2]}"
        assert [filled(desk.find(name)) for name in names] == [20, 20]
        desk.broker.close()
        desk.broker = AlpacaBroker(make_settings(desk.simulator.url), ACCOUNT)
        monkeypatch.setattr(executions, "FEW", 0)
        assert [report.filled for report in desk.broker.list_orders(LONG_AGO)] == [20, 20]

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
        desk.broker.cancel_order(ref(client_order_id))
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
        reports = [desk.trade() for _ in range(2)]
        assert [desk.find(report.client_order_id) for report in reports] == reports


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
