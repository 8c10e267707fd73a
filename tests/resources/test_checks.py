"""/v3/checks: what is in force, and setting it."""

from decimal import Decimal

import pytest

from domain.checks.catalog import CHECKS
from tests.support.factories import dump_tables, exact, get_signal, make_pair, make_stock, post_alert, store_alert

LIMIT = {"check": "max_quantity", "scope": "stock", "name": "LNT", "mode": "warn", "limit": 12.5}


@pytest.fixture
def admin(app, client, admin_headers):
    """A client whose every request carries the fresh token of an admin; LNT and AAA-BBB are registered."""
    make_stock(app, "LNT")
    make_pair(app, "AAA-BBB")
    client.environ_base["HTTP_AUTHORIZATION"] = admin_headers["Authorization"]
    return client


def look(client, query="", check="max_quantity"):
    response = client.get(f"/v3/checks{query}")
    assert response.status_code == 200, response.text
    return {row["check"]: row for row in exact(response)["checks"]}[check]


def test_every_check_is_listed_with_what_is_built_in(admin):
    found = exact(admin.get("/v3/checks"))
    assert [row["check"] for row in found["checks"]] == list(CHECKS)
    assert found["rows"] == []
    assert look(admin, check="trading_hours") == {
        "check": "trading_hours",
        "title": "Trading hours",
        "text": CHECKS["trading_hours"].text,
        "mode": "off",
        "mode_from": "default",
        "limit": None,
        "limit_from": "default",
        "unit": None,
        "limits": [],
        "choice": "expire",
        "choice_from": "default",
        "choices": ["expire", "hold"],
        "scopes": ["desk", "account", "stock", "pair"],
    }


def test_a_limit_is_set_shown_and_cleared(admin):
    answer = exact(admin.put("/v3/checks", json=LIMIT))
    assert {**answer, "changed_at": None} == {
        **LIMIT,
        "limit": Decimal("12.5"),
        "choice": None,
        "changed_at": None,
        "changed_by": "user admin",
    }
    assert exact(admin.get("/v3/checks"))["rows"] == [answer]
    own = look(admin, "?stock=lnt")
    assert (own["mode"], own["mode_from"], own["limit"], own["limit_from"]) == (
        "warn",
        "stock",
        Decimal("12.5"),
        "stock",
    )
    assert look(admin)["limit"] is None
    cleared = admin.delete("/v3/checks?check=max_quantity&scope=stock&name=LNT")
    assert (cleared.status_code, cleared.json) == (200, {"message": "Item deleted"})
    assert admin.delete("/v3/checks?check=max_quantity&scope=stock&name=LNT").status_code == 404
    assert look(admin, "?stock=LNT")["limit"] is None


def test_of_a_pair_the_limits_of_its_stocks_are_shown_too(admin):
    body = {"check": "max_quantity", "scope": "stock", "name": "BBB", "limit": 15}
    assert admin.put("/v3/checks", json=body).status_code == 200
    of_leg = {"scope": "stock", "name": "BBB", "limit": 15}
    found = look(admin, "?pair=AAA-BBB")
    assert (found["limit"], found["limits"]) == (None, [of_leg])
    assert admin.put("/v3/checks", json={**body, "scope": "pair", "name": "AAA-BBB", "limit": 40}).status_code == 200
    found = look(admin, "?pair=AAA-BBB")
    assert (found["limit"], found["limits"]) == (40, [{"scope": "pair", "name": "AAA-BBB", "limit": 40}, of_leg])
    assert look(admin, "?stock=AAA")["limits"] == []


def test_what_becomes_of_a_reversal_that_may_not_open_is_a_choice(admin):
    first = look(admin, check="reversal")
    assert (first["mode"], first["choice"], first["choices"]) == (None, "close", ["close", "refuse"])
    body = {"check": "reversal", "scope": "pair", "name": "AAA-BBB", "choice": "refuse"}
    assert admin.put("/v3/checks", json=body).status_code == 200
    assert look(admin, "?pair=AAA-BBB", "reversal")["choice"] == "refuse"
    assert admin.put("/v3/checks", json={**body, "choice": "hold"}).json["message"] == {
        "choice": "must be one of: close, refuse"
    }
    assert admin.put("/v3/checks", json={**body, "choice": None, "mode": "warn"}).status_code == 400


def test_limits_that_add_up_are_shown_of_every_scope(admin):
    for scope, name, limit in (("desk", "", 10), ("account", "paper", 5), ("pair", "aaa-bbb", 2)):
        body = {"check": "orders_per_minute", "scope": scope, "name": name, "limit": limit}
        assert admin.put("/v3/checks", json=body).status_code == 200
    assert look(admin, "?pair=AAA-BBB", "orders_per_minute")["limits"] == [
        {"scope": "pair", "name": "AAA-BBB", "limit": 2},
        {"scope": "account", "name": "paper", "limit": 5},
        {"scope": "desk", "name": "", "limit": 10},
    ]
    assert [row["limit"] for row in look(admin, "?account=paper", "orders_per_minute")["limits"]] == [5, 10]
    assert [row["limit"] for row in look(admin, "?account=external", "orders_per_minute")["limits"]] == [10]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, {"check": "'check' cannot be empty!"}),
        ({"check": "active"}, {"mode": "one of mode, limit and choice is needed"}),
        ({"check": "active", "mode": "loud"}, {"mode": "must be one of: off, warn, refuse"}),
        ({"check": "active", "mode": ""}, {"mode": "one of mode, limit and choice is needed"}),
        ({"check": "active", "mode": "off", "scope": "world"}, {"scope": "must be one of: desk, account, stock, pair"}),
        ({"check": "active", "mode": "off", "colour": 1}, {"colour": "is not a field of this request"}),
        ({**LIMIT, "limit": "many"}, {"limit": "must be a number"}),
        ({**LIMIT, "limit": True}, {"limit": "must be a number"}),
        ({**LIMIT, "limit": -1}, {"limit": "must be between 0 and 999999999999 (shares of leg 1)"}),
        ({**LIMIT, "name": "NONE"}, {"name": "no stock NONE is registered"}),
        ({**LIMIT, "name": "\x00"}, None),
        ({**LIMIT, "choice": "strict"}, {"choice": "this check has no choices"}),
    ],
)
def test_what_is_wrong_is_named_and_nothing_changes(app, admin, body, message):
    before = dump_tables(app)
    response = admin.put("/v3/checks", json=body)
    assert response.status_code == 400
    if message is not None:
        assert response.json["message"] == message
    assert dump_tables(app) == before


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("?stock=NONE", {"stock"}),
        ("?pair=LNT", {"pair"}),
        ("?account=mine", {"account"}),
        ("?stock=LNT&pair=AAA-BBB", {"pair"}),
        ("?stock=", {"stock"}),
        ("?colour=red", {"colour"}),
        ("?stock=%00", {"stock"}),
    ],
)
def test_a_wrong_question_is_told_why(admin, query, fields):
    response = admin.get(f"/v3/checks{query}")
    assert (response.status_code, set(response.json["message"])) == (400, fields)


@pytest.mark.parametrize(
    "query", ["?check=%00", "?check=active&name=%00", "?check=active&scope=none", "", "?check=a&check=b"]
)
def test_what_cannot_be_cleared_is_told_why(admin, query):
    assert admin.delete(f"/v3/checks{query}").status_code == 400


def test_a_rule_decides_on_the_next_alert(admin):
    assert store_alert(admin, ticker="NEW") == 1
    assert get_signal(admin, 1)["status_msg"] == "unknown ticker"
    admin.put("/v3/checks", json={"check": "registered", "mode": "warn"})
    assert store_alert(admin, ticker="NEW", signal_id="2") == 2
    found = get_signal(admin, 2)
    assert (found["order_status"], found["trace"][-1]["values"]["outcome"]) == ("waiting", "warning")


def test_an_alert_names_its_lifetime_and_what_becomes_of_it_while_the_market_is_closed(app, admin):
    rowid = store_alert(admin, lifetime="90", when_closed=" Hold ")
    plain = store_alert(admin, lifetime="", when_closed="", signal_id="2")
    columns = [(row[0], "hold" in row, 90 in row) for row in dump_tables(app)["signals"]]
    assert columns == [(rowid, True, True), (plain, False, False)]


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("lifetime", 0, "must be at least 1"),
        ("lifetime", 86401, "must be at most 86400"),
        ("lifetime", 1.5, "must be a whole number"),
        ("lifetime", True, "must be a whole number"),
        ("lifetime", "soon", "must be a whole number"),
        ("when_closed", "wait", "must be one of: expire, hold"),
        ("when_closed", 1, "must be one of: expire, hold"),
    ],
)
def test_a_wrong_lifetime_or_choice_is_refused_by_name(app, admin, field, value, rule):
    response = post_alert(admin, **{field: value})
    assert (response.status_code, response.json["message"]) == (400, {field: rule})
    assert dump_tables(app)["signals"] == []
