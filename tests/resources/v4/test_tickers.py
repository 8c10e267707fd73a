"""Tickers under v4's names, and what their executor says that it holds of them."""

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from domain.enums import AssetClass
from extensions import db
from models import BrokerAccount, ToldPosition
from tests.resources.v4.executor import Executor
from tests.support.factories import dump_tables, exact, make_pair, make_stock

D = Decimal
Headers = dict[str, str]


def told(app: Flask) -> list[tuple[Any, ...]]:
    with app.app_context():
        columns = (BrokerAccount.name, ToldPosition.symbol, ToldPosition.quantity)
        query = sa.select(*columns).join(BrokerAccount, BrokerAccount.id == ToldPosition.account_id)
        return [tuple(row) for row in db.session.execute(query.order_by(ToldPosition.symbol))]


def test_a_ticker_is_registered_changed_listed_and_deleted(client: FlaskClient, admin_headers: Headers) -> None:
    body = {"symbol": "BRK B", "xch": "SMART", "prixch": "NYSE", "order_type": "RELATIVE", "account": "external"}
    created = client.post("/v4/regticker", json=body, headers=admin_headers)
    assert (created.status_code, created.json) == (201, {"message": "'ticker' created successfully."})
    shown = {"symbol": "BRK.B", "sectype": "STK", "xch": "SMART", "prixch": "NYSE", "currency": "USD", "active": 0}
    assert client.get("/v4/ticker/BRK.B").json.items() >= {**shown, "order_type": "RELATIVE"}.items()
    stock = client.get("/v3/stock/BRK.B").json
    assert (stock["prixch"], stock["secxch"]) == ("SMART", "NYSE")
    change = client.put("/v4/regticker", json={"symbol": "BRK.B", "active": 1, "xch": "ISLAND"}, headers=admin_headers)
    assert (change.status_code, change.json["active"], change.json["xch"]) == (200, 1, "ISLAND")
    assert (change.json["prixch"], change.json["order_type"]) == ("NYSE", "RELATIVE"), "what is left out stays"
    assert client.get("/v4/tickers/1").json["tickers"][0]["symbol"] == "BRK.B"
    assert client.put("/v4/regticker", json={"symbol": "NEW"}, headers=admin_headers).status_code == 201
    assert client.post("/v4/regticker", json=body, headers=admin_headers).status_code == 400
    assert client.delete("/v4/ticker/BRK B", headers=admin_headers).status_code == 200
    assert client.get("/v4/ticker/BRK.B").status_code == 404


@pytest.mark.parametrize("path", ["BF.A", "BF A", "bf.a"])
def test_class_shares_have_a_point(executor: Executor, path: str) -> None:
    assert executor.get(f"ticker/{path}")["symbol"] == "BF.A"


def test_currencies_and_coins_have_their_currency_behind_a_point(app: Flask, executor: Executor) -> None:
    for symbol, kind in (("BTC-USD", AssetClass.CRYPTO), ("ETH.USD", AssetClass.CRYPTO), ("USDJPY", AssetClass.FX)):
        currency = "JPY" if symbol == "USDJPY" else "USD"
        make_stock(app, symbol, account="external", asset_class=kind, currency=currency)
    make_stock(app, "BFA", account="external")
    names = {
        "EUR.USD": "EUR.USD",
        "EURUSD": "EUR.USD",
        "BTC.USD": "BTC.USD",
        "BTC-USD": "BTC.USD",
        "ETH.USD": "ETH.USD",
    }
    names |= {"USD.JPY": "USD.JPY", "BF.A": "BF.A", "BFA": "BFA"}
    assert {name: executor.get(f"ticker/{name}")["symbol"] for name in names} == names
    for name in ("LN.T", "EURU.SD", "%", "EUR.JPY", "NONE"):
        assert executor.call("GET", f"ticker/{name}").status_code == 404, name


def test_what_is_held_is_told_and_shown_with_a_token_only(
    client: FlaskClient, executor: Executor, user_headers: Headers
) -> None:
    for path in ("ticker/LNT", "tickers/0"):
        assert '"active_pos":null' in client.get(f"/v4/{path}", headers=user_headers).text, "nothing is told yet"
    answer = executor.put("ticker/updatepnl", symbol="LNT", active_pos=-131.0, active_cost=46.021, active_pnl=-117)
    figures = {"active_pos": -131, "active_cost": D("46.021"), "active_pnl": -117}
    assert exact(answer).items() >= figures.items()
    assert exact(client.get("/v4/ticker/LNT", headers=user_headers)).items() >= figures.items()
    for path in ("ticker/LNT", "tickers/0"):
        assert "46.021" not in client.get(f"/v4/{path}").text
        assert "46.021" in client.get(f"/v4/{path}", headers=user_headers).text
    executor.put("ticker/updatepnl", symbol="LNT", active_pos=0)
    row = exact(client.get("/v4/ticker/LNT", headers=user_headers))
    assert (row["active_pos"], row["active_cost"], row["active_pnl"]) == (0, None, None)


def test_it_is_kept_for_the_account_that_an_executor_trades(app: Flask, executor: Executor) -> None:
    make_pair(app, "KO-PEP", "1", account="paper")
    for symbol in ("LNT", "V", "AAPL", "PEP", "EUR", "BF A"):
        assert executor.put("ticker/updatepnl", symbol=symbol, active_pos=1).status_code == 200, symbol
    symbols = ["AAPL", "BF.A", "EURUSD", "LNT", "PEP", "V"]
    assert told(app) == [("external", symbol, 1) for symbol in symbols]


def test_what_breaks_a_rule_of_a_position_is_named(app: Flask, executor: Executor) -> None:
    base = {"symbol": "LNT", "active_pos": 1, "active_cost": 1, "active_pnl": 1}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("symbol", {"symbol": None}),
        ("symbol", {"symbol": ""}),
        ("symbol", {"symbol": "x" * 65}),
        ("active_pos", {"active_pos": None}),
        ("active_pos", {"active_pos": "many"}),
        ("active_cost", {"active_cost": "NaN"}),
        ("active_pnl", {"active_pnl": 10**13}),
        ("active_pnl", {"active_pnl": True}),
    ]
    before = dump_tables(app)
    answers = [executor.put("ticker/updatepnl", **{**base, **wrong}) for _, wrong in rows]
    assert [(each.status_code, list(each.json["message"])) for each in answers] == [(400, [field]) for field, _ in rows]
    assert executor.put("ticker/updatepnl", **{**base, "symbol": "NONE"}).status_code == 404
    wrong = executor.call("PUT", "ticker/updatepnl", **base, passphrase="guess")
    assert (wrong.status_code, wrong.json["message"]) == (401, {"passphrase": "incorrect passphrase."})
    assert executor.call("PUT", "ticker/updatepnl", **base).json["message"].keys() == {"passphrase"}
    assert dump_tables(app, "counters", "rate_limits") == {
        name: rows for name, rows in before.items() if name not in ("counters", "rate_limits")
    }
