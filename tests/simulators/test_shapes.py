"""Whatever the simulator answers has the shape that Alpaca's own descriptions of its APIs give it.

`condense.py` has made shapes/ of those descriptions.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from jsonschema import Draft202012Validator, FormatChecker

from simulators.alpaca.server import run_in_thread
from tests.simulators.applying import make_application
from tests.simulators.support import FILL_AFTER, Alpaca, Caller, Control, make_broker

SHAPES = {name: json.loads((Path(__file__).parent / "shapes" / f"alpaca-{name}.json").read_text()) for name in ("trading", "data", "broker")}  # fmt: skip
LIMIT = {"type": "limit", "limit_price": "90"}

# Where the simulator follows the service and not its description: pattern of the finding, and why.
TOLERATED = {
    **{
        f"trading account: : '{name}' is a required property": "gone since the rule on day trading has changed"
        for name in ("pattern_day_trader", "daytrade_count", "daytrading_buying_power")
    },
    "*: exchange: 'CRYPTO' is not one of *": "the list of exchanges is older than coins; the SDK's has it",
    "activities: : Unevaluated properties are not allowed *": "the page on coins shows fees with a text and a day alone",
    "*: : * is valid under each of *Activities'}": "the kinds of activities that are told apart do not exclude each other",
}

# The descriptions give refusals no shape. This one is what the services answer; a refusal for keys or limits has no code.
REFUSAL = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "code": {"type": "integer", "minimum": 40000000, "maximum": 50099999},
        "message": {"type": "string", "minLength": 1},
        "symbol": {"type": "string"},
        "available": {"type": "string"},
        "existing_qty": {"type": "string"},
        "held_for_orders": {"type": "string"},
        "related_orders": {"type": "array", "items": {"type": "string", "format": "uuid"}},
        "existing_order_id": {"type": "string", "format": "uuid"},
        "reject_reason": {"type": "string"},
        "buying_power": {"type": "string"},
    },
}


class Place(NamedTuple):
    """Where a shape is to be found."""

    api: str
    method: str
    path: str
    status: int = 200


ORDERS, ORDER = "/v2/orders", "/v2/orders/{order_id}"
POSITION, ASSET = "/v2/positions/{symbol_or_asset_id}", "/v2/assets/{symbol_or_asset_id}"
ACCOUNT, TRADING_ACCOUNT = "/v1/accounts/{account_id}", "/v1/trading/accounts/{account_id}/account"
PLACES = {
    "new order": Place("trading", "post", ORDERS),
    "order for dollars": Place("trading", "post", ORDERS),
    "coin order": Place("trading", "post", ORDERS),
    "stop order": Place("trading", "post", ORDERS),
    "filled order": Place("trading", "get", ORDER),
    "order by client id": Place("trading", "get", "/v2/orders:by_client_order_id"),
    "replacement": Place("trading", "patch", ORDER),
    "all orders": Place("trading", "get", ORDERS),
    "all canceled": Place("trading", "delete", ORDERS, 207),
    "holdings": Place("trading", "get", "/v2/positions"),
    "holding": Place("trading", "get", POSITION),
    "account": Place("trading", "get", "/v2/account"),
    "activities": Place("trading", "get", "/v2/account/activities"),
    "fills": Place("trading", "get", "/v2/account/activities/{activity_type}"),
    "configurations": Place("trading", "get", "/v2/account/configurations"),
    "clock": Place("trading", "get", "/v2/clock"),
    "clock with phases": Place("trading", "get", "/v3/clock"),
    "calendar": Place("trading", "get", "/v2/calendar"),
    "assets": Place("trading", "get", "/v2/assets"),
    "share": Place("trading", "get", ASSET),
    "coin": Place("trading", "get", ASSET),
    "quotes": Place("data", "get", "/v2/stocks/quotes/latest"),
    "trades": Place("data", "get", "/v2/stocks/trades/latest"),
    "quote": Place("data", "get", "/v2/stocks/{symbol}/quotes/latest"),
    "trade": Place("data", "get", "/v2/stocks/{symbol}/trades/latest"),
    "snapshots": Place("data", "get", "/v2/stocks/snapshots"),
    "coin quotes": Place("data", "get", "/v1beta3/crypto/{loc}/latest/quotes"),
    "coin trades": Place("data", "get", "/v1beta3/crypto/{loc}/latest/trades"),
    "application": Place("broker", "post", "/v1/accounts"),
    "customers": Place("broker", "get", "/v1/accounts"),
    "customer": Place("broker", "get", ACCOUNT),
    "trading account": Place("broker", "get", TRADING_ACCOUNT),
    "event": Place("broker", "get", "/v1/events/accounts/status"),
}
REFUSALS = {
    "malformed": 400, "no key": 401, "too much": 403, "held already": 403, "wash trade": 403, "no order": 404,
    "no position": 404, "no asset": 404, "nowhere": 404, "wrong method": 405, "repeated id": 422, "sub-penny": 422,
    "not cancelable": 422, "limited": 429, "broken": 500, "away": 503, "slow": 504, "no symbol": 400,
    "no customer key": 401, "no customer": 401, "repeated e-mail": 409, "no contact": 422,
}  # fmt: skip


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, requests.Response]]:
    """Return one answer of each kind, good and bad."""
    with (
        closing(run_in_thread(fill_after=FILL_AFTER, rate_limit=100_000)) as running,
        closing(Control(running.url)) as control,
        closing(Alpaca(running.url, control)) as alpaca,
        closing(make_broker(running.url)) as broker,
    ):
        control.quote("AAPL", 100, 100)
        yield _orders(alpaca) | _reads(alpaca) | _refusals(alpaca, control) | _customers(broker, control)


def _orders(alpaca: Alpaca) -> dict[str, requests.Response]:
    taken = {
        "new order": alpaca.submit(client_order_id="mine"),
        "order for dollars": alpaca.submit(qty=None, notional="100", position_intent="buy_to_open"),
        "coin order": alpaca.submit(symbol="BTC/USD", qty="1", time_in_force="gtc"),
        "stop order": alpaca.submit(type="stop", stop_price="110", time_in_force="gtc"),
    }
    alpaca.control.advance(0)
    alpaca.control.advance(FILL_AFTER)
    old = alpaca.order(**LIMIT)
    return taken | {
        "filled order": alpaca.get(f"/v2/orders/{taken['new order'].json()['id']}"),
        "order by client id": alpaca.get("/v2/orders:by_client_order_id", client_order_id="mine"),
        "replacement": alpaca.replace(old, qty="12"),
        "all orders": alpaca.get("/v2/orders", status="all"),
        "all canceled": alpaca.call("DELETE", "/v2/orders"),
    }


def _reads(alpaca: Alpaca) -> dict[str, requests.Response]:
    alpaca.filled(symbol="MSFT", side="sell")
    shares, coins = {"symbols": "AAPL,MSFT"}, {"symbols": "BTC/USD"}
    return {
        "holdings": alpaca.get("/v2/positions"),
        "holding": alpaca.get("/v2/positions/MSFT"),
        "account": alpaca.get("/v2/account"),
        "activities": alpaca.get("/v2/account/activities"),
        "fills": alpaca.get("/v2/account/activities/FILL"),
        "configurations": alpaca.get("/v2/account/configurations"),
        "clock": alpaca.get("/v2/clock"),
        "clock with phases": alpaca.get("/v3/clock", markets="NYSE,BOATS"),
        "calendar": alpaca.get("/v2/calendar"),
        "assets": alpaca.get("/v2/assets"),
        "share": alpaca.get("/v2/assets/AAPL"),
        "coin": alpaca.get("/v2/assets/BTC/USD"),
        "quotes": alpaca.get("/v2/stocks/quotes/latest", **shares),
        "trades": alpaca.get("/v2/stocks/trades/latest", **shares),
        "quote": alpaca.get("/v2/stocks/AAPL/quotes/latest"),
        "trade": alpaca.get("/v2/stocks/AAPL/trades/latest"),
        "snapshots": alpaca.get("/v2/stocks/snapshots", **shares),
        "coin quotes": alpaca.get("/v1beta3/crypto/us/latest/quotes", **coins),
        "coin trades": alpaca.get("/v1beta3/crypto/us/latest/trades", **coins),
    }


def _refusals(alpaca: Alpaca, control: Control) -> dict[str, requests.Response]:
    alpaca.order(side="sell", qty="6", **LIMIT | {"limit_price": "120"})
    alpaca.order(symbol="V")
    refused = {
        "malformed": alpaca.call("POST", "/v2/orders", data="{"),
        "no key": control.get("/v2/account"),
        "too much": alpaca.submit(qty="90000"),
        "held already": alpaca.submit(side="sell", qty="9"),
        "wash trade": alpaca.submit(symbol="V", side="sell"),
        "no order": alpaca.get(f"/v2/orders/{uuid.uuid4()}"),
        "no position": alpaca.get("/v2/positions/XOM"),
        "no asset": alpaca.get("/v2/assets/ZZZZQ"),
        "nowhere": alpaca.get("/v2/nowhere"),
        "wrong method": alpaca.call("PUT", "/v2/account"),
        "repeated id": alpaca.submit(client_order_id="mine"),
        "sub-penny": alpaca.submit(type="limit", limit_price="99.001"),
        "not cancelable": alpaca.cancel(alpaca.read("/v2/orders", status="closed")[0]),
        "no symbol": alpaca.get("/v2/stocks/quotes/latest"),
    }
    for name, kind in (
        ("limited", "rate_limit"),
        ("broken", "status_500"),
        ("away", "status_503"),
        ("slow", "status_504"),
    ):
        control.fault(kind)
        refused[name] = alpaca.submit()
    return refused


def _customers(broker: Caller, control: Control) -> dict[str, requests.Response]:
    taken = broker.call("POST", "/v1/accounts", make_application())
    control.advance(1)
    path = f"/accounts/{taken.json()['id']}"
    return {
        "application": taken,
        "customers": broker.get("/v1/accounts"),
        "customer": broker.get(f"/v1{path}"),
        "trading account": broker.get(f"/v1/trading{path}/account"),
        "event": broker.get("/v1/events/accounts/status", since="2020-01-01", until="2100-01-01"),
        "no customer key": control.get("/v1/accounts"),
        "no customer": broker.get(f"/v1/accounts/{uuid.uuid4()}"),
        "repeated e-mail": broker.call("POST", "/v1/accounts", make_application()),
        "no contact": broker.call("POST", "/v1/accounts", make_application(contact=None)),
    }


def json_schema(shape: Any) -> Any:
    """Return an OpenAPI shape as JSON Schema, in which null is a type like any other."""
    if isinstance(shape, list):
        return [json_schema(part) for part in shape]
    if not isinstance(shape, dict):
        return shape
    schema = {name: json_schema(part) for name, part in shape.items() if name != "nullable" or isinstance(part, dict)}
    return {"anyOf": [schema, {"type": "null"}]} if shape.get("nullable") is True else schema


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that allows no names but its own."""
    if schema.get("type") == "array":
        return {**schema, "items": closed(schema["items"])}
    return {**schema, "unevaluatedProperties": False}


FORMATS = FormatChecker(formats=())


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: Any) -> bool:
    return not isinstance(value, str) or bool(uuid.UUID(value))


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: Any) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


def findings(name: str, shape: dict[str, Any], schemas: dict[str, Any], body: Any) -> set[str]:
    """Return what is wrong with an answer, as `name: place: what`."""
    schema = closed(json_schema(shape)) | {"components": {"schemas": json_schema(schemas)}}
    errors = Draft202012Validator(schema, format_checker=FORMATS).iter_errors(body)
    return {f"{name}: {'.'.join(str(part) for part in error.absolute_path if isinstance(part, str))}: {error.message}" for error in errors}  # fmt: skip


def findings_of(name: str, answers: dict[str, requests.Response]) -> set[str]:
    place, answer = PLACES[name], answers[name]
    assert answer.status_code == place.status, answer.text
    shapes = SHAPES[place.api]
    (content,) = shapes["paths"][place.path][place.method]["responses"][str(place.status)]["content"].values()
    shape, schemas = content["schema"], shapes["components"]["schemas"]
    if name == "event":
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
        assert len(lines) == 3
        return findings(name, shape, schemas, [json.loads(line) for line in lines])
    return findings(name, shape, schemas, answer.json())


@pytest.mark.parametrize("name", PLACES)
def test_an_answer_has_its_shape(answers: dict[str, requests.Response], name: str):
    assert {found for found in findings_of(name, answers) if not any(fnmatch(found, pattern) for pattern in TOLERATED)} == set()  # fmt: skip


@pytest.mark.parametrize(("name", "status"), REFUSALS.items())
def test_a_refusal_has_its_shape(answers: dict[str, requests.Response], name: str, status: int):
    assert answers[name].status_code == status
    assert findings(name, REFUSAL, {}, answers[name].json()) == set()


def test_nothing_is_tolerated_that_does_not_happen(answers: dict[str, requests.Response]):
    found = set().union(*(findings_of(name, answers) for name in PLACES))
    assert {pattern for pattern in TOLERATED if not any(fnmatch(text, pattern) for text in found)} == set()


def test_every_answer_is_looked_at(answers: dict[str, requests.Response]):
    assert set(answers) == {*PLACES, *REFUSALS}


def test_the_shapes_hold_no_prose():
    """An OpenAPI file must describe each answer; the text may be empty."""
    names = ("description", "title", "example", "examples", "summary", "x-")

    def prose(part: Any, *, named: bool = False) -> list[str]:
        if isinstance(part, list):
            return [text for row in part for text in prose(row)]
        if not isinstance(part, dict):
            return []
        here = [] if named else [name for name in part if name.startswith(names) and part[name] != ""]
        return here + [text for name, row in part.items() for text in prose(row, named=name == "properties")]

    assert [prose(part) for shapes in SHAPES.values() for part in (shapes["paths"], shapes["components"])] == [[]] * 6
