"""What a stock or pair is registered with must be what its account's broker takes: refused by field and rule."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from domain.enums import Environment, Route
from extensions import db
from models import AssetState, BrokerAccount

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "pegged at paper": ({"order_type": "RELATIVE"}, "order_type", "does not take RELATIVE orders of shares; it takes: LIMIT, MARKET, STOP, STOP_LIMIT"),
    "pegged at Alpaca": ({"order_type": "RELATIVE", "account": "anna"}, "order_type", "Alpaca does not take RELATIVE orders of shares"),
    "a future": ({"sectype": "FUT", "account": "anna"}, "sectype", "Alpaca does not trade futures; it trades: coins, shares"),
    "a currency": ({"sectype": "CASH", "account": "anna"}, "sectype", "Alpaca does not trade currencies"),
    "a coin at a stop": ({"sectype": "CRYPTO", "order_type": "STOP", "account": "anna"}, "order_type", "does not take STOP orders of coins; it takes: LIMIT, MARKET, STOP_LIMIT"),
    "a coin at the opening": ({"sectype": "CRYPTO", "time_in_force": "OPG", "account": "anna"}, "time_in_force", "does not take OPG MARKET orders of coins; it takes: DAY, GTC, IOC"),
    "a coin all or nothing": ({"sectype": "CRYPTO", "time_in_force": "FOK", "account": "anna"}, "time_in_force", "does not take FOK MARKET orders of coins"),
    "a coin at night": ({"sectype": "CRYPTO", "order_type": "LIMIT", "extended_hours": True, "account": "anna"}, "extended_hours", "does not take DAY LIMIT orders of coins outside of the session"),
}  # fmt: skip
TAKEN: list[dict[str, Any]] = [
    {"order_type": kind, "time_in_force": time} for kind in ("MARKET", "LIMIT") for time in ("DAY", "OPG", "CLS", "FOK")
] + [
    {"order_type": "STOP_LIMIT", "time_in_force": "GTC", "account": "anna"},
    {"order_type": "LIMIT", "extended_hours": True, "account": "anna"},
    {"sectype": "CRYPTO", "order_type": "STOP_LIMIT", "account": "anna"},
    {"sectype": "FUT", "order_type": "STOP"},
    {"order_type": "RELATIVE", "account": "external"},
    {"sectype": "FUT", "order_type": "RELATIVE", "time_in_force": "FOK", "account": "external"},
]


@pytest.fixture
def client(client: FlaskClient, app: Any) -> FlaskClient:
    with app.app_context():
        db.session.add(
            BrokerAccount(
                name="anna", broker="alpaca", route=Route.DESK, environment=Environment.PAPER, live_enabled=False
            )
        )
        db.session.commit()
    return client


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(("terms", "field", "rule"), REFUSED.values(), ids=REFUSED)
def test_what_the_broker_cannot_do_is_refused_by_field_and_rule(
    client: FlaskClient, user_headers: dict[str, str], method: str, terms: dict[str, Any], field: str, rule: str
):
    made = client.open("/v3/regstock", method=method, json={"symbol": "LNT", **terms}, headers=user_headers)
    assert made.status_code == 400
    assert list(made.json["message"]) == [field]
    assert rule in made.json["message"][field]
    assert client.get("/v3/stock/LNT", headers=user_headers).status_code == 404


@pytest.mark.parametrize("terms", TAKEN, ids=str)
def test_what_it_can_do_is_taken(client: FlaskClient, user_headers: dict[str, str], terms: dict[str, Any]):
    assert client.post("/v3/regstock", json={"symbol": "LNT", **terms}, headers=user_headers).status_code == 201


def test_a_change_is_judged_where_it_touches_the_terms(client: FlaskClient, admin_headers: dict[str, str], app: Any):
    def put(**terms: Any) -> tuple[int, Any]:
        made = client.put("/v3/regstock", json={"symbol": "LNT", **terms}, headers=admin_headers)
        return made.status_code, made.json.get("message")

    assert put(order_type="RELATIVE", account="external")[0] == 201
    assert list(put(account="anna")[1]) == ["order_type"]
    assert put(account="anna", order_type="STOP")[0] == 200
    assert list(put(order_type="RELATIVE")[1]) == ["order_type"]
    assert list(put(time_in_force="OPG")[1]) == ["time_in_force"]
    with app.app_context():  # what was registered before the rule can be made passive, and not active
        db.session.execute(db.text("update instruments set order_type = 'RELATIVE'"))
        db.session.commit()
    assert put(prixch="NYSE")[0] == 200
    assert list(put(active=1)[1]) == ["order_type"]


def test_a_stock_that_is_a_coin_to_its_broker_is_judged_as_one(
    client: FlaskClient, user_headers: dict[str, str], app: Any
):
    with app.app_context():
        anna = db.session.execute(db.select(BrokerAccount).filter_by(name="anna")).scalar_one()
        values = {"tradable": True, "shortable": False, "quantity_step": 1}
        db.session.add(AssetState(account_id=anna.id, symbol="BTCUSD", asset_class="CRYPTO", **values))
        db.session.commit()
    body = {"symbol": "BTCUSD", "order_type": "STOP", "account": "anna"}
    made = client.post("/v3/regstock", json=body, headers=user_headers)
    assert "orders of coins" in made.json["message"]["order_type"]


def test_a_pair_needs_an_account_that_trades_both_legs(client: FlaskClient, user_headers: dict[str, str]):
    for symbol, kind in (("MA", "STK"), ("ES1!", "FUT")):
        client.post("/v3/regstock", json={"symbol": symbol, "sectype": kind}, headers=user_headers)
    pair = {"ticker1": "MA", "ticker2": "ES1!", "hedge": 2}
    made = client.post("/v3/regpair", json={**pair, "account": "anna"}, headers=user_headers)
    assert made.status_code == 400
    assert "ES1!: Alpaca does not trade futures" in made.json["message"]["ticker2"]
    assert client.post("/v3/regpair", json=pair, headers=user_headers).status_code == 201
