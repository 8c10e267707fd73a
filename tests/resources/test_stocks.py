"""/v3/regstock, /v3/stocks and /v3/stock."""

import pytest

from domain.enums import Activity
from tests.support.factories import make_pair, make_stock, together

LNT = {
    "symbol": "LNT", "prixch": "NYSE", "secxch": "ISLAND", "active": 1,
    "sectype": "STK", "currency": "USD", "order_type": "MARKET", "time_in_force": "DAY", "extended_hours": False,
    "account": None,
}  # fmt: skip


def answer(response):
    return response.status_code, response.json


@pytest.fixture
def trader(client, user_headers):
    """A client whose every request carries a fresh token of the role user."""
    client.environ_base["HTTP_AUTHORIZATION"] = user_headers["Authorization"]
    return client


def test_a_stock_is_registered_with_defaults(trader, client):
    response = trader.post("/v3/regstock", json={"symbol": "LNT"})
    assert answer(response) == (201, {"message": "Stock created successfully."})
    assert answer(client.get("/v3/stock/LNT")) == (200, {**LNT, "prixch": "SMART", "active": 0})


def test_a_stock_is_registered_with_all_it_may_say(trader):
    body = {
        "symbol": "ES1!", "prixch": "CME", "secxch": "GLOBEX", "active": -1,
        "sectype": "FUT", "currency": "EUR", "order_type": "LIMIT", "time_in_force": "GTC", "extended_hours": True,
        "account": "external",
    }  # fmt: skip
    assert trader.post("/v3/regstock", json=body).status_code == 201
    assert answer(trader.get("/v3/stock/ES1!")) == (200, body)


def test_a_stock_is_registered_once(trader):
    trader.post("/v3/regstock", json={"symbol": "LNT"})
    response = trader.post("/v3/regstock", json={"symbol": "lnt"})
    assert answer(response) == (400, {"message": "'stock' with that name already exists.", "error": "exists"})


def test_put_registers_and_then_changes(trader):
    body = {"symbol": "LNT", "prixch": "NYSE", "active": 1}
    assert answer(trader.put("/v3/regstock", json=body)) == (201, LNT)
    assert answer(trader.put("/v3/regstock", json={**body, "active": 0})) == (200, {**LNT, "active": 0})
    assert trader.get("/v3/stock/LNT").json == {**LNT, "active": 0}


def test_what_is_read_can_be_put_back(app, trader):
    make_stock(app, "LNT", account="external")
    row = trader.get("/v3/stock/LNT").json
    assert answer(trader.put("/v3/regstock", json=row)) == (200, row)


def test_symbols_are_upper_case_everywhere(trader):
    trader.post("/v3/regstock", json={"symbol": " bf.a ", "prixch": "nyse"})
    assert trader.get("/v3/stock/bf.A").json["symbol"] == "BF.A"
    assert trader.get("/v3/stock/BF.A").json["prixch"] == "NYSE"


def test_unknown_stocks_are_not_found(trader, admin_headers):
    unknown = (404, {"message": "item not found.", "error": "not_found"})
    for name in ("NONE", "%00", "A%00B", "%F0%9F%8C%B7", "x" * 300):
        assert answer(trader.get(f"/v3/stock/{name}")) == unknown
        assert answer(trader.delete(f"/v3/stock/{name}", headers=admin_headers)) == unknown


def test_stocks_are_listed_newest_first(app, client):
    for symbol in ("A", "B", "C"):
        make_stock(app, symbol)
    assert [stock["symbol"] for stock in client.get("/v3/stocks/0").json["stocks"]] == ["C", "B", "A"]
    assert [stock["symbol"] for stock in client.get("/v3/stocks/2").json["stocks"]] == ["C", "B"]
    assert set(client.get("/v3/stocks/1").json["stocks"][0]) == set(LNT)


def test_the_number_of_stocks_is_whole_and_not_negative(client):
    for n in ("-1", "x", "1.5", "1e3", "%D9%A3", "9" * 30, "%00"):
        assert client.get(f"/v3/stocks/{n}").status_code in (400, 404), n
    assert answer(client.get("/v3/stocks/-1")) == (
        400,
        {"message": {"number_of_items": "must be a whole number, 0 or more"}, "error": "invalid"},
    )


def test_a_stock_is_deleted(app, client, admin_headers):
    make_stock(app, "LNT")
    assert answer(client.delete("/v3/stock/LNT", headers=admin_headers)) == (200, {"message": "Item deleted"})
    assert client.get("/v3/stock/LNT").status_code == 404


def test_a_leg_of_a_pair_is_not_deleted(app, client, admin_headers):
    make_pair(app, "LNT-FTS", activity=Activity.PASSIVE)
    response = client.delete("/v3/stock/FTS", headers=admin_headers)
    assert response.status_code == 409
    assert "LNT-FTS" in response.json["message"]


def test_a_leg_of_an_active_pair_is_not_made_active_singly(app, trader):
    make_pair(app, "LNT-FTS")
    response = trader.put("/v3/regstock", json={"symbol": "FTS", "active": 1})
    assert response.status_code == 400
    assert "LNT-FTS" in response.json["message"]["active"]
    assert trader.put("/v3/regstock", json={"symbol": "FTS", "active": -1}).status_code == 200


def test_what_breaks_a_rule_is_named(trader):
    bodies = [
        ("symbol", {}),
        ("symbol", {"symbol": ""}),
        ("symbol", {"symbol": None}),
        ("symbol", {"symbol": 700}),
        ("symbol", {"symbol": "NYSE:LNT"}),
        ("symbol", {"symbol": "A B"}),
        ("symbol", {"symbol": "X" * 65}),
        ("symbol", {"symbol": "АAPL"}),
        ("symbol", {"symbol": "1.5"}),
        ("active", {"symbol": "A", "active": 2}),
        ("active", {"symbol": "A", "active": True}),
        ("active", {"symbol": "A", "active": None}),
        ("active", {"symbol": "A", "active": "yes"}),
        ("active", {"symbol": "A", "active": 0.5}),
        ("active", {"symbol": "A", "active": []}),
        ("active", {"symbol": "A", "active": {}}),
        ("sectype", {"symbol": "A", "sectype": "stk"}),
        ("currency", {"symbol": "A", "currency": "US"}),
        ("currency", {"symbol": "A", "currency": "ЕUR"}),
        ("order_type", {"symbol": "A", "order_type": "TRAIL"}),
        ("time_in_force", {"symbol": "A", "time_in_force": "GTD"}),
        ("time_in_force", {"symbol": "A", "order_type": "STOP", "time_in_force": "IOC"}),
        ("extended_hours", {"symbol": "A", "extended_hours": True}),
        ("extended_hours", {"symbol": "A", "order_type": "LIMIT", "time_in_force": "OPG", "extended_hours": True}),
        ("extended_hours", {"symbol": "A", "order_type": "LIMIT", "extended_hours": "later"}),
        ("prixch", {"symbol": "A", "prixch": ""}),
        ("prixch", {"symbol": "A", "prixch": "x" * 33}),
        ("secxch", {"symbol": "A", "secxch": "a b"}),
        ("account", {"symbol": "A", "account": "of nobody"}),
    ]
    answers = [answer(trader.post("/v3/regstock", json=body)) for _, body in bodies]
    assert [(status, set(told["message"])) for status, told in answers] == [(400, {field}) for field, _ in bodies]
    assert trader.get("/v3/stocks/0").json == {"stocks": []}


def test_numbers_written_as_text_are_read(trader):
    assert trader.post("/v3/regstock", json={"symbol": "A", "active": "-1"}).status_code == 201
    assert trader.get("/v3/stock/A").json["active"] == -1


def test_eight_at_once_register_a_stock_once(trader, other_client, user_headers):
    answers = together(
        *(
            lambda c=c: c.post("/v3/regstock", json={"symbol": "A"}, headers=user_headers)
            for c in (trader, other_client) * 4
        )
    )
    assert sorted(response.status_code for response in answers) == [201] + [400] * 7
    answers = together(
        *(
            lambda c=c: c.put("/v3/regstock", json={"symbol": "B"}, headers=user_headers)
            for c in (trader, other_client) * 4
        )
    )
    assert sorted(response.status_code for response in answers) == [200] * 7 + [201]
