"""Alpaca's own examples, read by the adapter and by the models of Alpaca's SDK: both must see the same in them.

Where the examples end, changed ones follow; README.md says where the examples are from.
"""

import asyncio
import importlib
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import brokers.alpaca.sdk  # noqa: F401 - first, else the warnings of the SDK's own modules are errors here
from brokers.alpaca.asset_reports import asset_report
from brokers.alpaca.broker import AlpacaBroker
from brokers.alpaca.stream import _TellingStream
from brokers.alpaca.translate import STATUS_FROM_ALPACA, fill_report, order_report
from domain.enums import Side
from domain.messages import OrderReport
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import ACCOUNT, make_settings

models, enums = importlib.import_module("alpaca.trading.models"), importlib.import_module("alpaca.trading.enums")
FOLDER = Path(__file__).parent / "examples"
FILES = [json.loads((FOLDER / name).read_text()) for name in ("alpaca-py.json", "trading-api.json")]
SEVERAL = "(several legs)"
NOON = "2026-11-25T12:00:00.123456789Z"


def examples(kind: str) -> list[Any]:
    found = [example for file in FILES for example in file.get(kind, ())]
    assert found
    return found


def decimal(number: Any) -> Decimal:
    return Decimal(str(number or 0))


def changed(**changes: Any) -> dict[str, Any]:
    """Return the example of an order for shares with other values."""
    return {**FILES[0]["orders"][4], **changes}


ORDERS = [
    *examples("orders"),
    *(changed(status=status.value, filled_qty="0.5", filled_avg_price="100.125", qty="1") for status in enums.OrderStatus),
    changed(side="sell", qty="1000000.123456789", filled_qty="999999.5", filled_avg_price="0.0001", status="partially_filled"),
    changed(qty=None, notional="12.34", filled_qty="0.061", filled_avg_price="202.29508", filled_at=NOON, status="filled"),
    changed(symbol="BTC/USD", asset_class="crypto", qty="0.000000001", updated_at=NOON),
    changed(symbol="SHIB/USDT", asset_class="crypto", qty=1e6, filled_qty=2.5, filled_avg_price=1e-05),
    changed(symbol="BRK.B", type="stop_limit", order_type="stop_limit", stop_price="9.5", limit_price="9.4"),
    changed(status="replaced", replaced_by="0b11f089-722d-4ced-9beb-e2eeed3637dc", replaced_at=NOON),
]  # fmt: skip


def assert_alike(ours: OrderReport, theirs: Any) -> None:
    """Compare what both make of an order; one of several legs has no symbol and no side of its own."""
    assert (ours.broker_order_id, ours.client_order_id) == (str(theirs.id), theirs.client_order_id)
    assert ours.symbol == (theirs.symbol.replace("/", "") if theirs.symbol else SEVERAL)
    assert ours.side == (theirs.side.value if theirs.side else Side.BUY)
    assert ours.quantity == (round(decimal(theirs.qty), 8) if theirs.qty else decimal(theirs.filled_qty))
    assert (ours.total.quantity if ours.total else 0) == decimal(theirs.filled_qty)
    assert (ours.total.average_price if ours.total else 0) == decimal(theirs.filled_avg_price)
    assert ours.status is STATUS_FROM_ALPACA[theirs.status.value]
    assert ours.at == theirs.updated_at
    assert ours.sent_at == theirs.submitted_at
    names = ("replaces", "replaced_by")
    assert [getattr(ours, name) for name in names] == [str(getattr(theirs, name) or "") for name in names]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_read_alike(order: dict[str, Any]):
    # A class that is newer than the SDK: its model would refuse the whole order, the adapter does not ask.
    known = order if order["asset_class"] != "ipo" else {**order, "asset_class": None}
    assert_alike(order_report(order, ()), models.Order(**known))


@pytest.mark.parametrize("event", [event.value for event in enums.TradeEvent])
def test_a_trade_update_is_read_alike_and_told(event: str, answers: Answers):
    (told,) = examples("trade_updates")
    for order in (told["order"], changed(filled_qty="1", filled_avg_price="9.5", status="filled")):
        update = {**told, "event": event, "order": order, "price": "9.5", "qty": "1", "position_qty": "1"}
        theirs = models.TradeUpdate(**update)
        assert_alike(order_report(order, ()), theirs.order)
        listener = Listener()
        asyncio.run(
            _TellingStream(make_settings(answers.url), listener)._dispatch({"stream": "trade_updates", "data": update})
        )
        assert listener.told == ["heard", "changed"]


class Listener:
    """Takes down what a stream tells."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.told.append(name)


@pytest.mark.parametrize("activity", [row for row in examples("activities") if row["activity_type"] == "FILL"])
def test_an_execution_is_read_alike(activity: dict[str, Any]):
    ours, theirs = fill_report(activity), models.TradeActivity(**activity)
    assert (ours.execution_id, ours.at) == (theirs.id, theirs.transaction_time)
    assert (ours.quantity, ours.price) == (decimal(theirs.qty), decimal(theirs.price))


def test_what_is_no_execution_is_not_read_as_one():
    others = [row for row in examples("activities") if row["activity_type"] != "FILL"]
    assert others
    for activity in others:
        models.NonTradeActivity(**activity)
        with pytest.raises(ValueError):
            fill_report(activity)


@pytest.fixture
def answers() -> Iterator[Answers]:
    with closing(Answers()) as server:
        yield server


@pytest.fixture
def broker(answers: Answers) -> Iterator[AlpacaBroker]:
    with closing(AlpacaBroker(make_settings(answers.url), ACCOUNT)) as broker:
        yield broker


def test_positions_are_read_alike(answers: Answers, broker: AlpacaBroker):
    shares = examples("positions")
    short = {**shares[-1], "symbol": "MSFT", "qty": "-5", "side": "short"}
    coins = {**shares[-1], "symbol": "BTCUSD", "asset_class": "crypto", "exchange": "CRYPTO", "qty": "0.498750001"}
    positions = [*shares, short, coins]
    answers.give(200, positions)
    for ours, theirs in zip(broker.list_positions(), (models.Position(**row) for row in positions), strict=True):
        assert ours.symbol == theirs.symbol
        assert ours.average_price == decimal(theirs.avg_entry_price)
        assert (ours.quantity < 0) is (theirs.side.value == "short")
        assert 0 <= abs(decimal(theirs.qty)) - abs(ours.quantity) < Decimal("0.00000001")  # of a ninth decimal


@pytest.mark.parametrize("row", examples("accounts"))
@pytest.mark.parametrize(
    "changes", [{}, {"trading_blocked": True}, {"status": "ACCOUNT_CLOSED", "shorting_enabled": False}]
)
def test_an_account_is_read_alike(answers: Answers, broker: AlpacaBroker, row: dict[str, Any], changes: dict[str, Any]):
    row = {**row, **changes}
    answers.give(200, row)
    ours, theirs = broker.account(), models.TradeAccount(**row)
    assert (ours.number, ours.currency) == (theirs.account_number, theirs.currency)
    assert [ours.cash, ours.buying_power, ours.equity] == [
        decimal(n) for n in (theirs.cash, theirs.buying_power, theirs.equity)
    ]
    assert ours.cash_power == decimal(theirs.non_marginable_buying_power)
    assert ours.may_short is theirs.shorting_enabled
    assert (ours.blocked == "") is (
        theirs.status.value == "ACTIVE" and not (theirs.trading_blocked or theirs.account_blocked)
    )
    assert (ours.coins_blocked == "") is (theirs.crypto_status is not None and theirs.crypto_status.value == "ACTIVE")


@pytest.mark.parametrize("asset", examples("assets"))
@pytest.mark.parametrize(
    "changes", [{}, {"tradable": False}, {"shortable": False}, {"fractionable": False}, {"status": "inactive"}]
)
def test_an_asset_is_read_alike(asset: dict[str, Any], changes: dict[str, Any]):
    asset = {**asset, **changes}
    theirs = models.Asset(**asset)
    ours = asset_report(asset["symbol"], asset, datetime.fromisoformat(NOON), takes_ptp=False)
    assert ours.tradable is (theirs.tradable and theirs.status.value == "active")
    assert ours.shortable is (theirs.shortable and theirs.easy_to_borrow)
    assert (ours.quantity_step < 1) is theirs.fractionable
