"""Alpaca's own SDK drives the simulator and can read whatever it answers."""

import contextlib
import json
import queue
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from typing import Any

import pytest

from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET, KEY, SECRET
from simulators.alpaca.server import Running
from tests.simulators.applying import APPLICATION
from tests.simulators.support import FILL_AFTER, Alpaca, Control

with warnings.catch_warnings():
    # The SDK uses an API of websockets that is on its way out; requirements.in holds a version that has it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.broker.client import BrokerClient
    from alpaca.broker.enums import AccountEntities, AgreementType, FundingSource, TaxIdType
    from alpaca.broker.models import Agreement, Contact, Disclosures, Identity
    from alpaca.broker.requests import CreateAccountRequest, GetEventsRequest, ListAccountsRequest
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import DataFeed
    from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
    from alpaca.data.live import StockDataStream
    from alpaca.data.requests import CryptoLatestQuoteRequest, StockLatestQuoteRequest, StockSnapshotRequest
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import AssetClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
    from alpaca.trading.requests import (
        GetAssetsRequest,
        GetCalendarRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

SECONDS = 10
PATIENT = {"ping_interval": 10, "close_timeout": 1}


@pytest.fixture(params=[False, True], ids=["typed", "raw"])
def raw(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def trading(simulator: Running, control: Control, raw: bool) -> Iterator[TradingClient]:
    client = TradingClient(KEY, SECRET, paper=True, raw_data=raw, url_override=simulator.url)
    with closing(client._session):
        yield client


def plain(answer: Any) -> Any:
    """Return what the client made of an answer as it would be in JSON."""
    if isinstance(answer, list):
        return [plain(row) for row in answer]
    return answer if isinstance(answer, dict) else answer.model_dump(mode="json")


def market(**changes: Any) -> MarketOrderRequest:
    usual = {"symbol": "AAPL", "qty": 10, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
    return MarketOrderRequest(**usual | changes)


def test_an_order_is_submitted_read_and_listed(trading: TradingClient, control: Control):
    order = plain(trading.submit_order(market(client_order_id="mine")))
    control.advance(0)
    control.advance(FILL_AFTER)
    same = [plain(trading.get_order_by_id(order["id"])), plain(trading.get_order_by_client_id("mine"))]
    listed = plain(trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, symbols=["AAPL"])))
    assert [row["id"] for row in (*same, *listed)] == [order["id"]] * 3
    assert {row["status"] for row in (*same, *listed)} == {"filled"}


def test_an_order_is_replaced_and_canceled(trading: TradingClient, control: Control):
    limit = LimitOrderRequest(
        symbol="AAPL", qty=10, limit_price=90, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, extended_hours=True
    )
    old = plain(trading.submit_order(limit))
    control.advance(0)
    new = plain(trading.replace_order_by_id(old["id"], ReplaceOrderRequest(qty=12, limit_price=91.5)))
    assert (new["replaces"], str(new["limit_price"]), str(new["qty"])) == (old["id"], "91.5", "12")
    control.advance(0)
    trading.cancel_order_by_id(new["id"])
    control.advance(FILL_AFTER)
    assert plain(trading.get_order_by_id(new["id"]))["status"] == "canceled"
    trading.submit_order(limit)
    (canceled,) = plain(trading.cancel_orders())
    assert canceled["status"] == 200


def test_holdings_and_the_account_are_read(trading: TradingClient, control: Control):
    for request in (market(), market(symbol="BTC/USD", qty=0.5, time_in_force=TimeInForce.GTC)):
        trading.submit_order(request)
    control.advance(FILL_AFTER)
    held = {position["symbol"]: position["qty"] for position in plain(trading.get_all_positions())}
    assert held == {"AAPL": "10", "BTCUSD": "0.49875"}
    assert plain(trading.get_open_position("AAPL"))["avg_entry_price"] == "100"
    account = plain(trading.get_account())
    assert (account["status"], account["currency"]) == ("ACTIVE", "USD")


def test_clock_calendar_and_assets_are_read(trading: TradingClient):
    assert plain(trading.get_clock())["is_open"] is True
    days = plain(trading.get_calendar(GetCalendarRequest(start=date(2027, 3, 1), end=date(2027, 3, 7))))
    assert [day["date"] for day in days] == [f"2027-03-0{n}" for n in range(1, 6)]
    assert plain(trading.get_asset("AAPL"))["symbol"] == "AAPL"
    coins = plain(trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO)))
    assert "BTC/USD" in {coin["symbol"] for coin in coins}


def test_a_refusal_has_a_status_a_code_and_words(trading: TradingClient):
    trading.submit_order(market(client_order_id="mine"))
    with pytest.raises(APIError) as refused:
        trading.submit_order(market(client_order_id="mine"))
    error = refused.value
    assert (error.status_code, error.code, error.message) == (422, 40010001, "client_order_id must be unique")


def test_the_client_sends_an_order_again_after_504_and_is_saved_by_its_id(trading: TradingClient, control: Control):
    trading._retry_wait = 0
    control.fault("status_504_after")
    with pytest.raises(APIError, match="must be unique"):
        trading.submit_order(market(client_order_id="mine"))
    assert len(control.book()["orders"]) == 1


@pytest.fixture
def running_stream(control: Control) -> Iterator[Callable[[Any], None]]:
    """Run streams of the SDK in threads; they end with the test."""
    started: list[tuple[Any, threading.Thread]] = []

    def run(stream: Any) -> None:
        thread = threading.Thread(target=stream.run, daemon=True)
        thread.start()
        started.append((stream, thread))

    yield run
    for stream, thread in started:
        with contextlib.suppress(RuntimeError):
            stream.stop()
        control.do("POST", "/streams", {"drop": True})  # it looks only now and then whether it shall end
        thread.join(SECONDS)
        assert not thread.is_alive()


def hear_of(events: "queue.Queue[Any]", wanted: Callable[[Any], bool]) -> Any:
    while True:
        event = events.get(timeout=SECONDS)
        if wanted(event):
            return event


def wait_for_streams(control: Control, count: int) -> None:
    for _ in range(SECONDS * 50):
        streams = control.do("GET", "/streams")
        if len([row for row in streams if row["listening"] or row["kind"] == "data"]) == count:
            return
        threading.Event().wait(0.02)
    raise AssertionError("the stream did not connect")


def test_a_fill_reaches_the_trading_stream(
    simulator: Running, control: Control, alpaca: Alpaca, running_stream: Callable[[Any], None]
):
    events: queue.Queue[Any] = queue.Queue()

    async def take(event: Any) -> None:
        events.put(event)

    url = simulator.url.replace("http", "ws") + "/stream"
    stream = TradingStream(KEY, SECRET, url_override=url, websocket_params=PATIENT)
    stream.subscribe_trade_updates(take)
    running_stream(stream)
    wait_for_streams(control, 1)
    alpaca.filled()
    fill = hear_of(events, lambda event: event.event == "fill")
    assert (fill.order.status, fill.price, fill.qty, fill.position_qty) == (OrderStatus.FILLED, 100, 10, 10)
    assert fill.timestamp is not None


def test_a_quote_reaches_the_data_stream_and_a_second_stream_is_one_too_many(
    simulator: Running, control: Control, running_stream: Callable[[Any], None], caplog: pytest.LogCaptureFixture
):
    quotes: queue.Queue[Any] = queue.Queue()

    async def take(quote: Any) -> None:
        quotes.put(quote)

    url = simulator.url.replace("http", "ws") + "/v2/iex"
    first, second = (
        StockDataStream(KEY, SECRET, feed=DataFeed.IEX, url_override=url, websocket_params=PATIENT) for _ in range(2)
    )
    for stream in (first, second):
        stream.subscribe_quotes(take, "AAPL")
    running_stream(first)
    quote = hear_of(quotes, lambda quote: quote.bid_price == 100)
    assert (quote.symbol, quote.ask_price) == ("AAPL", 100)
    assert quote.timestamp.tzinfo is not None
    control.quote("AAPL", 101, 102)
    assert hear_of(quotes, lambda quote: quote.bid_price == 101).ask_price == 102
    running_stream(second)
    for _ in range(SECONDS * 50):
        if "connection limit exceeded" in caplog.text:
            break
        threading.Event().wait(0.02)
    assert "connection limit exceeded" in caplog.text


def test_the_newest_quotes_of_shares_and_coins_are_read(simulator: Running, control: Control, raw: bool):
    control.quote("BTC/USD", 59_999, 60_001)
    shares = StockHistoricalDataClient(KEY, SECRET, url_override=simulator.url, raw_data=raw)
    coins = CryptoHistoricalDataClient(KEY, SECRET, url_override=simulator.url, raw_data=raw)
    with closing(shares._session), closing(coins._session):
        share = shares.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"]
        coin = coins.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"]
        snapshot = shares.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=["AAPL"]))["AAPL"]
    asks = [quote["ap"] if raw else quote.ask_price for quote in (share, coin)]
    assert asks == [100, 60_001]
    assert (snapshot["latestTrade"]["p"] if raw else snapshot.latest_trade.price) == 100


@pytest.fixture
def customers(simulator: Running) -> Iterator[BrokerClient]:
    client = BrokerClient(BROKER_KEY, BROKER_SECRET, url_override=simulator.url)
    with closing(client._session):
        yield client


def make_request() -> CreateAccountRequest:
    identity = APPLICATION["identity"] | {
        "tax_id_type": TaxIdType.USA_SSN,
        "funding_source": [FundingSource.EMPLOYMENT_INCOME],
    }
    agreements = [
        Agreement(**agreement | {"agreement": AgreementType(agreement["agreement"])})
        for agreement in APPLICATION["agreements"]
    ]
    return CreateAccountRequest(
        contact=Contact(**APPLICATION["contact"]),
        identity=Identity(**identity),
        disclosures=Disclosures(**APPLICATION["disclosures"]),
        agreements=agreements,
    )


def test_an_account_is_opened_and_read(customers: BrokerClient, control: Control):
    account = customers.create_account(make_request())
    assert account.status == "SUBMITTED"
    control.advance(1)
    again = customers.get_account_by_id(account.id)
    assert (again.status, again.contact.city, again.identity.given_name) == ("ACTIVE", "Springfield", "Ann")
    listed = customers.list_accounts(ListAccountsRequest(entities=[AccountEntities.IDENTITY]))
    assert [row.id for row in listed] == [account.id]
    control.do("PUT", f"/broker/accounts/{account.id}", {"equity": "12.5"})
    assert customers.get_trade_account_by_id(account.id).equity == "12.5"


def test_an_account_is_opened_once_only(customers: BrokerClient):
    customers.create_account(make_request())
    with pytest.raises(APIError) as refused:
        customers.create_account(make_request())
    assert refused.value.status_code == 409
    with pytest.raises(APIError) as unknown:
        customers.get_account_by_id(uuid.uuid4())
    assert unknown.value.status_code == 401


def test_statuses_are_streamed(customers: BrokerClient, control: Control):
    account = customers.create_account(make_request())
    control.advance(1)
    past = GetEventsRequest(since="2020-01-01", until="2100-01-01")
    events = [json.loads(event) for event in customers.get_account_status_events(past)]
    assert [event["status_to"] for event in events] == ["SUBMITTED", "APPROVED", "ACTIVE"]
    assert {event["account_id"] for event in events} == {str(account.id)}
