"""/v3/regpair, /v3/pairs and /v3/pair."""

from decimal import Decimal

import pytest

from domain.enums import Activity
from tests.support.factories import exact, make_pair, make_stock, together

PAIR = {
    "name": "LNT-FTS", "ticker1": "LNT", "ticker2": "FTS", "hedge": Decimal("1.25"),
    "status": 0, "notes": None, "contracts": None, "account": None,
    "leg_policy": "together", "on_leg_failure": "unwind", "leg_timeout": None,
}  # fmt: skip
BODY = {"ticker1": "LNT", "ticker2": "FTS", "hedge": 1.25}


def answer(response):
    return response.status_code, exact(response)


@pytest.fixture
def trader(client, user_headers):
    """A client whose every request carries a fresh token of the role user."""
    client.environ_base["HTTP_AUTHORIZATION"] = user_headers["Authorization"]
    return client


def test_a_pair_is_registered(trader):
    assert answer(trader.post("/v3/regpair", json=BODY)) == (201, {"message": "'pair' created successfully."})
    assert answer(trader.get("/v3/pair/LNT-FTS")) == (200, PAIR)


def test_a_pair_is_registered_with_all_it_may_say(app, trader):
    make_stock(app, "LNT", activity=Activity.PASSIVE)
    make_stock(app, "FTS", activity=Activity.PASSIVE)
    body = {**BODY, "name": "LNT-FTS", "status": 1, "notes": "both utilities", "contracts": 100, "account": "external"}
    assert trader.post("/v3/regpair", json=body).status_code == 201
    assert answer(trader.get("/v3/pair/lnt-fts")) == (200, {**PAIR, **body, "hedge": Decimal("1.25")})


def test_the_older_form_takes_the_legs_from_the_name(trader):
    assert trader.post("/v3/regpair", json={"name": "AAA-BBB", "hedge": 1.3, "status": 0}).status_code == 201
    row = exact(trader.get("/v3/pair/AAA-BBB"))
    assert (row["ticker1"], row["ticker2"], row["hedge"]) == ("AAA", "BBB", Decimal("1.3"))


def test_a_pair_is_registered_once(trader):
    trader.post("/v3/regpair", json=BODY)
    response = trader.post("/v3/regpair", json={**BODY, "ticker1": "lnt"})
    assert answer(response) == (400, {"message": "'pair' with that name already exists.", "error": "exists"})


def test_put_registers_and_then_changes(trader):
    assert answer(trader.put("/v3/regpair", json=BODY)) == (201, PAIR)
    changed = {**BODY, "hedge": 2, "notes": "wider", "status": -1}
    assert answer(trader.put("/v3/regpair", json=changed)) == (
        200,
        {**PAIR, "hedge": 2, "notes": "wider", "status": -1},
    )


def test_what_is_read_can_be_put_back(app, trader):
    make_pair(app, "LNT-FTS", "0.33333333", notes="as it is", contracts=Decimal("10.5"), account="paper")
    row = trader.get("/v3/pair/LNT-FTS")
    back = trader.put("/v3/regpair", data=row.get_data(), content_type="application/json")
    assert answer(back) == (200, exact(row))


def test_eight_decimals_of_the_hedge_are_kept(trader):
    for hedge in ("0.00000001", "0.33333333", "123456789012.12345678", "1.50"):
        body = f'{{"ticker1": "LNT", "ticker2": "FTS", "hedge": {hedge}}}'
        assert trader.put("/v3/regpair", data=body).status_code in (200, 201)
        assert exact(trader.get("/v3/pair/LNT-FTS"))["hedge"] == Decimal(hedge)


def test_unknown_legs_are_registered_passive_with_a_passive_pair(trader):
    trader.post("/v3/regpair", json={**BODY, "status": -1})
    assert {s["symbol"]: s["active"] for s in trader.get("/v3/stocks/0").json["stocks"]} == {"LNT": 0, "FTS": 0}


def test_unknown_legs_of_an_active_pair_are_named(app, trader):
    make_stock(app, "LNT", activity=Activity.PASSIVE)
    response = trader.post("/v3/regpair", json={**BODY, "status": 1})
    assert answer(response) == (400, {"message": {"ticker2": "no stock FTS is registered"}, "error": "invalid"})
    assert trader.get("/v3/stock/FTS").status_code == 404


def test_a_pair_with_a_leg_that_is_active_singly_is_not_made_active(app, trader):
    make_pair(app, "LNT-FTS", activity=Activity.PASSIVE)
    make_stock(app, "FTS")
    response = trader.put("/v3/regpair", json={**BODY, "status": 1})
    assert response.status_code == 400
    assert "FTS" in response.json["message"]["status"]
    assert "LNT-FTS" in response.json["message"]["status"]
    assert trader.put("/v3/regpair", json={**BODY, "status": 0}).status_code == 200


def test_pairs_are_listed_newest_first(app, client):
    for name in ("A-B", "B-C", "C-D"):
        make_pair(app, name)
    assert [pair["name"] for pair in client.get("/v3/pairs/0").json["pairs"]] == ["C-D", "B-C", "A-B"]
    assert [pair["name"] for pair in client.get("/v3/pairs/1").json["pairs"]] == ["C-D"]
    assert client.get("/v3/pairs/-1").status_code == 400


def test_a_pair_is_deleted_and_its_legs_stay(app, client, admin_headers):
    make_pair(app, "LNT-FTS")
    assert answer(client.delete("/v3/pair/lnt-fts", headers=admin_headers)) == (200, {"message": "Item deleted"})
    assert client.get("/v3/stock/LNT").status_code == 200


def test_unknown_pairs_are_not_found(client, admin_headers):
    unknown = (404, {"message": "item not found.", "error": "not_found"})
    for name in ("A-B", "LNT", "%00", "A-B%00", "-"):
        assert answer(client.get(f"/v3/pair/{name}")) == unknown
        assert answer(client.delete(f"/v3/pair/{name}", headers=admin_headers)) == unknown


def test_what_breaks_a_rule_is_named(trader):
    rows = [
        ({"ticker1", "ticker2"}, {"hedge": 1}),
        ({"ticker2"}, {"ticker1": "A", "hedge": 1}),
        ({"ticker1"}, {"ticker2": "A", "hedge": 1, "name": "B-A"}),
        ({"ticker2"}, {"ticker1": "A", "ticker2": "a", "hedge": 1}),
        ({"ticker1"}, {"ticker1": "NYSE:A", "ticker2": "B", "hedge": 1}),
        ({"ticker1"}, {"ticker1": 5, "ticker2": "B", "hedge": 1}),
        ({"name"}, {"ticker1": "A", "ticker2": "B", "hedge": 1, "name": "B-A"}),
        ({"name"}, {"hedge": 1, "name": "A"}),
        ({"name"}, {"hedge": 1, "name": "A-2*B"}),
        ({"name"}, {"hedge": 1, "name": "A-B-C"}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B"}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": 0}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": -1}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": 0.000000001}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": 10**12}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": True}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": "1,5"}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": []}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": "NaN"}),
        ({"hedge"}, {"ticker1": "A", "ticker2": "B", "hedge": "Infinity"}),
        ({"status"}, {"ticker1": "A", "ticker2": "B", "hedge": 1, "status": 2}),
        ({"notes"}, {"ticker1": "A", "ticker2": "B", "hedge": 1, "notes": "x" * 501}),
        ({"contracts"}, {"ticker1": "A", "ticker2": "B", "hedge": 1, "contracts": 0}),
        ({"account"}, {"ticker1": "A", "ticker2": "B", "hedge": 1, "account": "of nobody"}),
    ]
    answers = [answer(trader.post("/v3/regpair", json=body)) for _, body in rows]
    assert [(status, set(told["message"])) for status, told in answers] == [(400, fields) for fields, _ in rows]
    assert trader.get("/v3/pairs/0").json == {"pairs": []}
    assert trader.get("/v3/stocks/0").json == {"stocks": []}


def test_changes_of_stocks_and_pairs_at_once_do_not_block_one_another(app, trader, other_client, user_headers):
    for symbol in "ABCD":
        make_stock(app, symbol, activity=Activity.PASSIVE)

    def change_stock(client, symbol):
        return client.put("/v3/regstock", json={"symbol": symbol}, headers=user_headers)

    def change_pair(client, name):
        return client.put("/v3/regpair", json={"name": name, "hedge": 1}, headers=user_headers)

    for name in ("A-B", "B-A", "C-D", "D-A", "C-B"):
        answers = together(
            *(lambda s=s: change_stock(trader, s) for s in "ABCD"),
            *(lambda c=c, name=name: change_pair(c, name) for c in (trader, other_client)),
            *(lambda s=s: change_stock(other_client, s) for s in "ABCD"),
        )
        assert {response.status_code for response in answers} <= {200, 201}
