"""The message that people paste into their TradingView alerts."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from resources.schemas.alerts import AlertIn
from tests.support.factories import PASSPHRASE, get_signal, make_pair, make_stock

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "local" / "tradingview_alert.json").read_text()
# As TradingView fills them in for an order of a strategy.
FILLED = {
    "ticker": "NYSE:LNT",
    "interval": "60",
    "time": "2025-11-20T14:00:00Z",
    "timenow": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    "strategy.order.action": "buy",
    "strategy.order.contracts": "100",
    "strategy.order.price": "51.25",
    "strategy.order.id": "Long",
    "strategy.order.comment": "Enter Long",
    "strategy.market_position": "long",
    "strategy.market_position_size": "100",
    "strategy.prev_market_position": "flat",
    "strategy.prev_market_position_size": "0",
}


def fill(strategy="Mean reversion", **changes):
    """Return the text that TradingView would send for a strategy; dots in names are written `__`."""
    values = {**FILLED, **{name.replace("__", "."): value for name, value in changes.items()}}
    text = re.sub(r"\{\{(.+?)\}\}", lambda match: values[match[1]], TEMPLATE)
    return text.replace("YOUR-PASSPHRASE", PASSPHRASE).replace("YOUR-STRATEGY", strategy)


def post(client, **changes):
    return client.post("/v3/webhook", data=fill(**changes), content_type="application/json; charset=utf-8")


def test_it_names_fields_of_an_alert_once_and_in_order():
    pairs = json.loads(TEMPLATE, object_pairs_hook=list)
    assert [name for name, _ in pairs] == [
        "passphrase",
        "strategy",
        "ticker",
        "order_action",
        "order_contracts",
        "order_price",
        "mar_pos",
        "mar_pos_size",
        "pre_mar_pos",
        "pre_mar_pos_size",
        "order_comment",
        "timestamp",
        "bar_time",
        "signal_id",
    ]
    assert {name for name, _ in pairs} <= AlertIn.model_fields.keys()


def test_every_value_is_quoted_so_that_the_message_is_json_whatever_is_filled_in():
    assert all(isinstance(value, str) for value in json.loads(TEMPLATE).values())
    assert set(re.findall(r"\{\{(.+?)\}\}", TEMPLATE)) == FILLED.keys()


def test_its_passphrase_is_none():
    assert json.loads(TEMPLATE)["passphrase"] == "YOUR-PASSPHRASE"


def test_the_webhook_takes_it_for_a_stock(app, client):
    make_stock(app, "LNT")
    response = post(client)
    assert (response.status_code, response.json["status_msg"]) == (201, None), response.text
    signal = get_signal(client, response.json["rowid"])
    assert {name: signal[name] for name in json.loads(TEMPLATE) if name in signal} == {
        "ticker": "NYSE:LNT",
        "order_action": "buy",
        "order_contracts": 100,
        "order_price": Decimal("51.25"),
        "mar_pos": "long",
        "mar_pos_size": 100,
        "pre_mar_pos": "flat",
        "pre_mar_pos_size": 0,
        "order_comment": "Enter Long",
        "timestamp": FILLED["timenow"].replace("T", " ").removesuffix("Z"),
    }


def test_the_webhook_takes_it_for_a_pair(app, client):
    make_pair(app, "MA-V", "1.3")
    response = post(client, ticker="NYSE:MA-1.3*NYSE:V", strategy__order__price="-0.0499999999999972")
    assert (response.status_code, response.json["status_msg"]) == (201, None), response.text
    assert get_signal(client, response.json["rowid"])["order_price"] == Decimal("-0.05")


def test_a_repeated_delivery_is_one_event(app, client):
    make_stock(app, "LNT")
    assert [post(client).status_code, post(client).status_code] == [201, 200]


@pytest.mark.parametrize(
    "other",
    [
        {"strategy": "Trend"},
        {"interval": "5"},
        {"ticker": "NASDAQ:LNT"},
        {"strategy__order__id": "Add"},
        {"strategy__order__action": "sell"},
        {"strategy__order__contracts": "50"},
        {"strategy__order__comment": "Add to it"},
        {"strategy__market_position_size": "200"},
        {"timenow": "2025-11-20T15:00:02Z"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_two_orders_of_one_second_are_two_events(app, client, other):
    """Two strategies on one chart may say nearly the same at once: neither is a repeat, neither is refused."""
    make_stock(app, "LNT")
    answers = [post(client), post(client, **other)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[1].text


def test_its_time_is_when_it_fires_and_not_that_of_the_bar():
    message = json.loads(TEMPLATE)
    assert (message["timestamp"], message["bar_time"]) == ("{{timenow}}", "{{time}}")


def test_the_page_for_people_shows_the_same_message():
    shown = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "tradingview.md").read_text(), re.DOTALL)
    assert shown == [TEMPLATE]


def test_an_order_without_a_comment_is_taken(app, client):
    make_stock(app, "LNT")
    assert post(client, strategy__order__comment="").status_code == 201
