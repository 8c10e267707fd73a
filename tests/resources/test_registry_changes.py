"""PUT of stocks and pairs: what it does not name stays, and what touches money needs an admin."""

from decimal import Decimal

import pytest

from tests.support.book_rows import add, order, position
from tests.support.factories import dump_tables, exact, make_pair, make_stock

STOCK = {
    "symbol": "LNT", "prixch": "NYSE", "secxch": "ARCA", "active": 1, "sectype": "STK", "currency": "EUR",
    "order_type": "LIMIT", "time_in_force": "GTC", "extended_hours": True, "account": "external",
}  # fmt: skip
PLAIN_STOCK = {
    "symbol": "LNT", "prixch": "SMART", "secxch": "ISLAND", "active": 0, "sectype": "STK", "currency": "USD",
    "order_type": "MARKET", "time_in_force": "DAY", "extended_hours": False, "account": None,
}  # fmt: skip
PAIR = {
    "name": "LNT-FTS", "ticker1": "LNT", "ticker2": "FTS", "hedge": Decimal("1.25"), "status": 1,
    "notes": "utilities", "contracts": Decimal(100), "account": "external",
    "leg_policy": "leg1_first", "on_leg_failure": "hold", "leg_timeout": 90,
}  # fmt: skip
PLAIN_PAIR = {
    "status": 0, "notes": None, "contracts": None, "account": None,
    "leg_policy": "together", "on_leg_failure": "unwind", "leg_timeout": None,
}  # fmt: skip
OTHER_STOCK = {
    "prixch": "ARCA", "secxch": "X", "active": -1, "sectype": "CASH", "currency": "GBP", "order_type": "STOP",
    "time_in_force": "DAY", "account": "paper",
}  # fmt: skip
OTHER_PAIR = {
    "hedge": 2, "status": 0, "notes": "wider", "contracts": 5, "account": "paper",
    "leg_policy": "attached", "on_leg_failure": "complete", "leg_timeout": 5,
}  # fmt: skip


@pytest.fixture
def admin(admin_headers):
    return {"headers": admin_headers}


@pytest.fixture
def trader(user_headers):
    return {"headers": user_headers}


@pytest.fixture
def stock(client, admin):
    """LNT, with nothing as it is by default."""
    assert client.put("/v3/regstock", json=STOCK, **admin).status_code == 201


@pytest.fixture
def pair(client, admin):
    """LNT-FTS, with nothing as it is by default."""
    for symbol in ("LNT", "FTS"):
        assert client.post("/v3/regstock", json={"symbol": symbol}, **admin).status_code == 201
    body = {**PAIR, "hedge": 1.25, "contracts": 100}
    assert client.put("/v3/regpair", json=body, **admin).status_code == 201


def answer(response):
    return response.status_code, exact(response)


def journal(client, who, count=1):
    """Return (actor, action, subject, text) of the last entries, newest first."""
    rows = client.get("/v3/journal", **who).json["entries"][:count]
    return [(row["actor"], row["action"], row["subject"], row["text"]) for row in rows]


# What is left out


@pytest.mark.usefixtures("stock")
def test_a_put_that_names_only_the_stock_changes_nothing(app, client, trader):
    before = dump_tables(app)  # with the version: no alert has to be decided on anew
    assert answer(client.put("/v3/regstock", json={"symbol": "LNT"}, **trader)) == (200, STOCK)
    assert answer(client.put("/v3/regstock", json=STOCK, **trader)) == (200, STOCK)
    assert dump_tables(app) == before


@pytest.mark.usefixtures("stock")
@pytest.mark.parametrize("field", OTHER_STOCK)
def test_what_is_not_named_of_a_stock_stays(client, admin, field):
    change = {field: OTHER_STOCK[field]}
    if field == "order_type":  # only a limit may be traded in extended hours
        change["extended_hours"] = False
    response = client.put("/v3/regstock", json={"symbol": "LNT", **change}, **admin)
    assert answer(response) == (200, {**STOCK, **change})


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("field", OTHER_PAIR)
def test_what_is_not_named_of_a_pair_stays(client, admin, field):
    response = client.put("/v3/regpair", json={"name": "LNT-FTS", field: OTHER_PAIR[field]}, **admin)
    assert answer(response) == (200, {**PAIR, field: OTHER_PAIR[field]})


@pytest.mark.usefixtures("stock")
def test_null_brings_the_default_of_a_stock_back(client, admin):
    for field, default in PLAIN_STOCK.items():
        if field != "symbol":
            body = {"symbol": "LNT", field: None} | ({"extended_hours": None} if field == "order_type" else {})
            assert answer(client.put("/v3/regstock", json=body, **admin))[1][field] == default, field
    assert exact(client.get("/v3/stock/LNT")) == PLAIN_STOCK


@pytest.mark.usefixtures("pair")
def test_null_brings_the_default_of_a_pair_back_but_of_the_ratio_which_has_none(client, admin):
    nulls = dict.fromkeys(PLAIN_PAIR)
    assert answer(client.put("/v3/regpair", json={"name": "LNT-FTS", **nulls}, **admin)) == (
        200,
        {**PAIR, **PLAIN_PAIR},
    )
    response = client.put("/v3/regpair", json={"name": "LNT-FTS", "hedge": None}, **admin)
    assert answer(response) == (400, {"message": {"hedge": "'hedge' cannot be empty!"}, "error": "invalid"})


def test_what_is_put_anew_has_the_defaults(client, trader):
    assert answer(client.put("/v3/regstock", json={"symbol": "LNT", "account": None}, **trader)) == (201, PLAIN_STOCK)
    response = client.put("/v3/regpair", json={"ticker1": "LNT", "ticker2": "FTS", "hedge": 1.25}, **trader)
    assert answer(response) == (201, {**PAIR, **PLAIN_PAIR})


def test_a_new_pair_needs_its_ratio(client, trader):
    response = client.put("/v3/regpair", json={"name": "LNT-FTS", "status": 0}, **trader)
    assert answer(response) == (400, {"message": {"hedge": "'hedge' cannot be empty!"}, "error": "invalid"})
    assert client.get("/v3/stocks/0").json == {"stocks": []}


@pytest.mark.usefixtures("stock")
def test_what_stays_is_held_against_what_changes(client, admin):
    response = client.put("/v3/regstock", json={"symbol": "LNT", "order_type": "MARKET"}, **admin)
    assert set(response.json["message"]) == {"extended_hours"}
    assert exact(client.get("/v3/stock/LNT")) == STOCK


def test_post_overwrites_nothing(client, admin):
    make = {"symbol": "LNT", "prixch": "NYSE"}
    assert client.post("/v3/regstock", json=make, **admin).status_code == 201
    assert client.post("/v3/regstock", json={"symbol": "LNT"}, **admin).status_code == 400
    assert client.get("/v3/stock/LNT").json["prixch"] == "NYSE"


# Who may change what


@pytest.mark.usefixtures("stock")
@pytest.mark.parametrize("account", ["paper", None])
def test_only_an_admin_sends_the_alerts_of_a_stock_elsewhere(app, client, admin, trader, account):
    before = dump_tables(app)
    response = client.put("/v3/regstock", json={"symbol": "LNT", "account": account}, **trader)
    assert answer(response) == (
        403,
        {
            "message": "'admin' privilege required to change the account of LNT: its alerts would be traded elsewhere.",
            "error": "forbidden",
        },
    )
    assert dump_tables(app) == before
    assert client.put("/v3/regstock", json={"symbol": "LNT", "account": account}, **admin).status_code == 200
    told = account or "none"
    assert journal(client, admin) == [("user admin", "stock changed", "stock LNT", f"account: external -> {told}")]


@pytest.mark.usefixtures("pair")
def test_only_an_admin_sends_the_alerts_of_a_pair_elsewhere(client, admin, trader):
    body = {"name": "LNT-FTS", "account": "paper"}
    response = client.put("/v3/regpair", json=body, **trader)
    assert (response.status_code, "change the account of LNT-FTS" in response.json["message"]) == (403, True)
    assert client.put("/v3/regpair", json=body, **admin).status_code == 200
    assert journal(client, admin) == [("user admin", "pair changed", "pair LNT-FTS", "account: external -> paper")]


def test_to_name_the_account_where_the_alerts_go_anyway_is_no_new_way(app, client, trader):
    make_stock(app, "LNT")
    assert client.put("/v3/regstock", json={"symbol": "LNT", "account": "paper"}, **trader).status_code == 200


def test_a_token_that_is_not_fresh_changes_nothing(app, client, stale_headers):
    make_stock(app, "LNT")
    response = client.put("/v3/regstock", json={"symbol": "LNT", "account": "external"}, headers=stale_headers)
    assert (response.status_code, response.json["error"]) == (401, "fresh_token_required")


OF_HELD_STOCK = [
    {"active": 0},
    {"order_type": "STOP", "extended_hours": False, "time_in_force": "DAY"},
    {"time_in_force": "DAY"},
    {"extended_hours": False},
    {"prixch": "ARCA"},
    {"sectype": "CASH"},
    {"currency": "USD"},
]
OF_HELD_PAIR = [
    {"hedge": 50},
    {"status": 0},
    {"leg_policy": "together"},
    {"on_leg_failure": "unwind"},
    {"leg_timeout": 1},
]


@pytest.mark.usefixtures("stock")
@pytest.mark.parametrize("change", OF_HELD_STOCK)
def test_how_a_held_stock_is_traded_is_changed_by_an_admin_only(app, client, admin, trader, change):
    body = {"symbol": "LNT", **change}
    add(app, position("LNT", "10", account_id=2))
    response = client.put("/v3/regstock", json=body, **trader)
    assert (response.status_code, response.json["message"].startswith("'admin' privilege required")) == (403, True)
    assert response.json["message"].endswith("of LNT: 10 LNT held at external.")
    assert exact(client.get("/v3/stock/LNT")) == STOCK
    assert client.put("/v3/regstock", json=body, **admin).status_code == 200
    ((actor, action, _, text),) = journal(client, admin)
    assert (actor, action, " -> " in text) == ("user admin", "stock changed", True)


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("change", OF_HELD_PAIR)
def test_how_a_held_pair_is_traded_is_changed_by_an_admin_only(app, client, admin, trader, change):
    body = {"name": "LNT-FTS", **change}
    add(app, position("FTS", "-12", name="LNT-FTS", account_id=2))
    response = client.put("/v3/regpair", json=body, **trader)
    assert response.status_code == 403
    assert response.json["message"].endswith("of LNT-FTS: -12 FTS held at external in the book of LNT-FTS.")
    assert exact(client.get("/v3/pair/LNT-FTS")) == PAIR
    assert client.put("/v3/regpair", json=body, **admin).status_code == 200


@pytest.mark.usefixtures("stock")
def test_a_working_order_counts_as_held(app, client, trader):
    add(app, order("LNT", status="ACCEPTED", client_order_id="abc"))
    response = client.put("/v3/regstock", json={"symbol": "LNT", "active": 0}, **trader)
    assert (response.status_code, "order abc (buy 10 LNT)" in response.json["message"]) == (403, True)


@pytest.mark.usefixtures("stock")
@pytest.mark.parametrize("change", [*OF_HELD_STOCK, {"secxch": "X"}])
def test_of_a_stock_that_is_not_held_everybody_changes_all_but_the_account(app, client, trader, change):
    add(app, position("MA", "10"), position("LNT", "0"))
    assert client.put("/v3/regstock", json={"symbol": "LNT", **change}, **trader).status_code == 200


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("change", OF_HELD_PAIR)
def test_of_a_pair_that_is_not_held_everybody_changes_all_but_the_account(app, client, trader, change):
    add(app, position("LNT", "10"), position("LNT", "0", name="LNT-FTS"))
    assert client.put("/v3/regpair", json={"name": "LNT-FTS", **change}, **trader).status_code == 200


@pytest.mark.usefixtures("pair")
def test_notes_and_contracts_of_a_held_pair_are_anybody_s(app, client, trader):
    add(app, position("LNT", "10", name="LNT-FTS", account_id=2))
    body = {"name": "LNT-FTS", "notes": "as agreed", "contracts": 7}
    assert client.put("/v3/regpair", json=body, **trader).status_code == 200
    text = "notes: utilities -> as agreed; contracts: 100 -> 7"
    assert journal(client, trader) == [("user reader", "pair changed", "pair LNT-FTS", text)]


def test_a_stock_that_only_a_pair_holds_may_be_paused_singly_but_keeps_its_kind(app, client, trader):
    make_pair(app, "LNT-FTS")
    add(app, position("FTS", "-12", name="LNT-FTS"))
    assert client.put("/v3/regstock", json={"symbol": "FTS", "active": -1}, **trader).status_code == 200
    response = client.put("/v3/regstock", json={"symbol": "FTS", "sectype": "CASH"}, **trader)
    assert (response.status_code, "asset class of FTS" in response.json["message"]) == (403, True)
