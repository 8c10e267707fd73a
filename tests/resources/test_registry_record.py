"""Changes of the registry, of users and of limits are on record; and no stock is called like a pair."""

import pytest

from domain.enums import Activity
from tests.support.factories import exact, make_pair, make_stock, together


@pytest.fixture
def admin(admin_headers):
    return {"headers": admin_headers}


@pytest.fixture
def trader(user_headers):
    return {"headers": user_headers}


def answer(response):
    return response.status_code, exact(response)


def journal(client, who, count=1):
    """Return (actor, action, subject, text) of the last entries, newest first."""
    rows = client.get("/v3/journal", **who).json["entries"][:count]
    return [(row["actor"], row["action"], row["subject"], row["text"]) for row in rows]


def test_every_change_of_the_registry_is_on_record_with_before_and_after(app, client, admin, trader):
    client.post("/v3/regstock", json={"symbol": "LNT", "prixch": "NYSE"}, **trader)
    client.put("/v3/regpair", json={"name": "LNT-FTS", "hedge": 1.5, "notes": "a\nb" + "x" * 200}, **trader)
    client.put("/v3/regpair", json={"name": "LNT-FTS", "hedge": 2, "notes": None, "status": -1}, **trader)
    client.delete("/v3/pair/LNT-FTS", **admin)
    client.delete("/v3/stock/LNT", **admin)
    entries = journal(client, trader, 6)[::-1]
    assert [entry[:3] for entry in entries] == [
        ("user reader", "stock registered", "stock LNT"),
        ("user reader", "stock registered", "stock FTS"),
        ("user reader", "pair registered", "pair LNT-FTS"),
        ("user reader", "pair changed", "pair LNT-FTS"),
        ("user admin", "pair deleted", "pair LNT-FTS"),
        ("user admin", "stock deleted", "stock LNT"),
    ]
    texts = [entry[3] for entry in entries]
    assert texts[0].startswith("primary exchange: NYSE; secondary exchange: ISLAND; activity: passive")
    assert "hedge ratio: 1.5; activity: passive; notes: a b" in texts[2]
    changed = dict(part.split(": ") for part in texts[3].split("; "))
    assert (changed["hedge ratio"], changed["activity"]) == ("1.5 -> 2", "passive -> watch")
    assert changed["notes"].startswith("a bxx")
    assert changed["notes"].endswith("x… -> none")
    assert len(changed["notes"]) < 100
    assert "hedge ratio: 2" in texts[4]
    assert texts[5] == texts[0]


def test_every_change_of_users_is_on_record_and_no_password_is(client, admin):
    body = {"username": "bert", "password": "a secret of bert"}
    assert client.post("/v3/reguser", json=body, **admin).status_code == 201
    assert (
        client.put("/v3/reguser", json={**body, "password": "another of bert", "role": "admin"}, **admin).status_code
        == 200
    )
    assert client.put("/v3/reguser", json={**body, "password": "a third one of bert"}, **admin).status_code == 200
    assert client.delete("/v3/user/bert", **admin).status_code == 200
    entries = journal(client, admin, 4)[::-1]
    assert entries == [
        ("user admin", "user added", "user bert", "role: user"),
        ("user admin", "user changed", "user bert", "password: set anew; role: user -> admin"),
        ("user admin", "user changed", "user bert", "password: set anew"),
        ("user admin", "user deleted", "user bert", "role: admin"),
    ]


def test_a_limit_is_on_record_with_what_it_was_before(app, client, admin):
    make_stock(app, "LNT")
    rule = {"check": "max_quantity", "scope": "stock", "name": "LNT"}
    client.put("/v3/checks", json={**rule, "limit": 5}, **admin)
    client.put("/v3/checks", json={**rule, "limit": 7, "mode": "warn"}, **admin)
    client.delete("/v3/checks?check=max_quantity&scope=stock&name=LNT", **admin)
    assert [entry[3] for entry in journal(client, admin, 3)[::-1]] == [
        "max_quantity: nothing set -> limit 5",
        "max_quantity: limit 5 -> mode warn, limit 7",
        "max_quantity: mode warn, limit 7 -> left to the wider scope",
    ]


# Names


def test_a_stock_cannot_be_called_like_a_pair(app, client, admin):
    make_pair(app, "KO-PEP")
    for send in (client.post, client.put):
        response = send("/v3/regstock", json={"symbol": "KO-PEP"}, **admin)
        assert response.status_code == 400
        assert response.json["message"] == {"symbol": "a pair is called KO-PEP; a stock must have another name"}
    assert client.get("/v3/stock/KO-PEP").status_code == 404


def test_a_pair_cannot_be_called_like_a_stock(app, client, admin):
    make_stock(app, "KO-PEP", activity=Activity.PASSIVE)
    body = {"ticker1": "KO", "ticker2": "PEP", "hedge": 1}
    for send in (client.post, client.put):
        response = send("/v3/regpair", json=body, **admin)
        assert response.status_code == 400
        assert response.json["message"] == {"name": "a stock is called KO-PEP; it would get the alerts of the pair"}
    assert [row["symbol"] for row in client.get("/v3/stocks/0").json["stocks"]] == ["KO-PEP"]


def test_a_leg_that_a_pair_registers_cannot_be_called_like_another_pair(app, client, admin):
    make_pair(app, "KO-PEP")
    response = client.put("/v3/regpair", json={"ticker1": "A", "ticker2": "KO-PEP", "hedge": 1}, **admin)
    assert (response.status_code, set(response.json["message"])) == (400, {"ticker2"})
    assert client.get("/v3/stock/A").status_code == 404


def test_another_pair_whose_legs_make_the_same_name_is_not_taken_for_it(client, admin):
    assert client.put("/v3/regpair", json={"ticker1": "A-B", "ticker2": "C", "hedge": 1}, **admin).status_code == 201
    response = client.put("/v3/regpair", json={"ticker1": "A", "ticker2": "B-C", "hedge": 2}, **admin)
    assert answer(response) == (
        400,
        {"message": {"name": "the pair A-B-C has the legs A-B and C"}, "error": "invalid"},
    )
    assert exact(client.get("/v3/pair/A-B-C"))["hedge"] == 1


def test_of_a_stock_and_a_pair_of_one_name_at_once_one_is_registered(app, client, other_client, admin):
    make_stock(app, "KO", activity=Activity.PASSIVE)
    make_stock(app, "PEP", activity=Activity.PASSIVE)
    for _ in range(5):
        answers = together(
            lambda: client.put("/v3/regstock", json={"symbol": "KO-PEP"}, **admin),
            lambda: other_client.put("/v3/regpair", json={"name": "KO-PEP", "hedge": 1}, **admin),
        )
        assert sorted(response.status_code for response in answers) == [201, 400]
        client.delete("/v3/pair/KO-PEP", **admin)
        client.delete("/v3/stock/KO-PEP", **admin)
