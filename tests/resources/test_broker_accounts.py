"""/v3/broker/accounts and /v3/broker/account/<name>."""

import logging
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from models import AccountState
from services.accounts.broker_accounts import get_account
from tests.dashboard.trading import journal
from tests.support import book_rows
from tests.support.factories import dump_tables, exact, get_signal, make_stock, store_alert
from tests.support.keyed_broker import LIVE_KEYS, OTHER_KEYS, PAPER_KEYS, RENEWED_KEYS, WRONG_KEYS, shows_a_key

NEVER_HEARD = dict.fromkeys(
    ("heard_at", "trouble", "stream_heard_at", "stream_trouble", "currency", "buying_power", "equity", "blocked")
)
ANNA = {
    "name": "anna", "broker": "alpaca", "environment": "paper", "route": "desk", "is_default": False, "live_enabled": False,
    "may_trade": True, "has_keys": True, "key_hint": "…00AB", "broker_number": "PA3ANNA", **NEVER_HEARD,
}  # fmt: skip
NOWHERE = ("rate_limits", "refresh_tokens", "counters")


@pytest.fixture
def admin(client, admin_headers, front_door):
    """A client whose every request carries the admin's token, on a desk whose broker knows some keys."""
    client.environ_base["HTTP_AUTHORIZATION"] = admin_headers["Authorization"]
    return client


def body(keys=PAPER_KEYS, **fields):
    return {"key_id": keys["key_id"], "secret_key": keys["secret_key"], **fields}


def add(client, name="anna", keys=PAPER_KEYS, **fields):
    return client.post("/v3/broker/accounts", json=body(keys, name=name, **fields))


def without_time(answer):
    return {name: value for name, value in exact(answer).items() if name != "created_at"}


def test_an_account_is_added_shown_and_listed(admin):
    added = add(admin)
    assert added.status_code == 201
    assert without_time(added) == ANNA
    assert without_time(admin.get("/v3/broker/account/anna")) == ANNA
    listed = admin.get("/v3/broker/accounts").json["accounts"]
    assert [account["name"] for account in listed] == ["paper", "external", "anna"]
    assert listed[2] == added.json


def test_what_the_worker_heard_is_told(app, admin):
    add(admin)
    with app.app_context():
        number = get_account("anna").account.id
    at = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    state = {
        "currency": "USD", "buying_power": Decimal("4000.5"), "equity": Decimal(1000), "blocked": "trading is blocked",
        "heard_at": at, "trouble": "no answer", "stream_heard_at": at, "stream_trouble": "closed",
    }  # fmt: skip
    book_rows.add(app, AccountState(account_id=number, **state))
    told = exact(admin.get("/v3/broker/account/anna"))
    iso = "2026-11-20T14:30:00.000000Z"
    assert {name: told[name] for name in state} == {**state, "heard_at": iso, "stream_heard_at": iso}


def test_a_stock_may_be_traded_there(app, admin):
    add(admin)
    make_stock(app, "LNT", account="anna")
    assert get_signal(admin, store_alert(admin))["account"] == "anna"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        (body(WRONG_KEYS, name="anna"), "key_id"),
        (body(LIVE_KEYS, name="anna"), "key_id"),
        (body(name="anna", environment="live"), "key_id"),
        (body(name="Anna"), "name"),
        (body(name="paper"), "name"),
        (body(name=""), "name"),
        (body(), "name"),
        (body(name=5), "name"),
        (body(name="anna", environment="sandbox"), "environment"),
        (body(name="anna", broker="paper"), "broker"),
        (body(name="anna", live_enabled=True), "live_enabled"),
        (body(name="anna", broker_number="1"), "broker_number"),
        ({**body(name="anna"), "key_id": "PK PAPER7ANNA"}, "key_id"),
        ({**body(name="anna"), "key_id": 12345678}, "key_id"),
        ({**body(name="anna"), "secret_key": "x" * 129}, "secret_key"),
        ({**body(name="anna"), "secret_key": None}, "secret_key"),
        ({**body(name="anna"), "secret_key": "two\r\nlines-of-a-header"}, "secret_key"),
    ],
)
def test_a_wrong_account_names_the_field_and_is_not_added(app, admin, fields, wrong):
    before = dump_tables(app, *NOWHERE)
    answer = admin.post("/v3/broker/accounts", json=fields)
    assert (answer.status_code, list(answer.json["message"])) == (400, [wrong]), answer.text
    assert shows_a_key(answer.text) == []
    assert dump_tables(app, *NOWHERE) == before


def test_refusals_say_why(admin, front_door):
    add(admin)
    assert add(admin, keys=OTHER_KEYS).json == {
        "message": "'account' with that name already exists.",
        "error": "exists",
    }
    assert "they open the same account as 'anna'" in add(admin, "again").json["message"]["key_id"]
    front_door.away = "no answer from Alpaca (ReadTimeout)"
    away = add(admin, "bert", OTHER_KEYS)
    assert (away.status_code, away.json) == (
        503,
        {
            "message": "Alpaca cannot be reached now; nothing was stored: no answer from Alpaca (ReadTimeout)",
            "error": "broker_away",
        },
    )


def test_keys_are_set_and_forgotten(admin):
    add(admin)
    changed = admin.put("/v3/broker/account/anna/keys", json=body(RENEWED_KEYS))
    assert (changed.status_code, changed.json["key_hint"]) == (200, "…00CD")
    wrong = admin.put("/v3/broker/account/anna/keys", json=body(OTHER_KEYS))
    assert (wrong.status_code, list(wrong.json["message"])) == (400, ["key_id"])
    assert admin.delete("/v3/broker/account/anna/keys").status_code == 400
    gone = admin.delete("/v3/broker/account/anna/keys?reason=they+leaked")
    assert (gone.status_code, gone.json["has_keys"], gone.json["key_hint"]) == (200, False, None)
    assert admin.put("/v3/broker/account/paper/keys", json=body()).status_code == 409


def test_live_trading_is_switched(app, admin):
    added = add(admin, "real", LIVE_KEYS, environment="live")
    assert (added.json["live_enabled"], added.json["may_trade"]) == (False, False)
    path = "/v3/broker/account/real/live"
    for wrong in (
        {"on": True},
        {"reason": "x"},
        {"on": "true", "reason": "x"},
        {"on": 1, "reason": "x"},
        {"on": True, "reason": " "},
    ):
        assert admin.put(path, json=wrong).status_code == 400, wrong
    on = admin.put(path, json={"on": True, "reason": "tested for a month"})
    assert (on.status_code, on.json["live_enabled"], on.json["may_trade"]) == (200, True, True)
    off = admin.put(path, json={"on": False, "reason": "holiday"})
    assert (off.json["live_enabled"], off.json["may_trade"]) == (False, False)
    assert [(entry[0], entry[1]) for entry in journal(app)] == [
        ("user admin", "add account"),
        ("user admin", "live trading on"),
        ("user admin", "live trading off"),
    ]
    assert (
        "play money"
        in admin.put("/v3/broker/account/paper/live", json={"on": True, "reason": "x"}).json["message"]["on"]
    )


def test_the_broker_is_asked_now(admin, front_door):
    add(admin)
    path = "/v3/broker/account/anna/check"
    assert exact(admin.post(path)) == {
        "ok": True, "text": "the broker answers and takes orders", "buying_power": Decimal("4000.5"), "currency": "USD", "blocked": None,
    }  # fmt: skip
    front_door.blocked = "trading is blocked"
    assert admin.post(path).json["blocked"] == "trading is blocked"
    front_door.away = "no answer"
    assert exact(admin.post(path)) == {
        "ok": False, "text": "the broker cannot be reached: no answer", "buying_power": None, "currency": None, "blocked": None,
    }  # fmt: skip
    assert admin.post("/v3/broker/account/external/check").status_code == 409
    assert admin.post("/v3/broker/account/paper/check").json["ok"]


def test_an_account_is_removed(app, admin):
    add(admin)
    assert admin.delete("/v3/broker/account/anna").json["message"] == {"reason": "'reason' cannot be empty!"}
    removed = admin.delete("/v3/broker/account/anna?reason=a+mistake")
    assert (removed.status_code, removed.json) == (200, {"message": "Item deleted"})
    assert admin.get("/v3/broker/account/anna").status_code == 404
    kept = admin.delete("/v3/broker/account/paper?reason=x")
    assert (kept.status_code, kept.json["message"]) == (409, "'paper' is built in and stays.")


@pytest.mark.parametrize("name", ["nobody", "ANNA", "%00", "%F0%9F%8C%B7", "anna%20", "' OR 1=1--"])
def test_what_is_not_there_is_not_found(admin, name):
    add(admin)
    path = f"/v3/broker/account/{name}"
    answers = [
        admin.get(path),
        admin.delete(f"{path}?reason=x"),
        admin.put(f"{path}/keys", json=body()),
        admin.delete(f"{path}/keys?reason=x"),
        admin.put(f"{path}/live", json={"on": True, "reason": "x"}),
        admin.post(f"{path}/check"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6


def test_no_key_leaves_the_desk(app, admin, caplog):
    caplog.set_level(logging.DEBUG)
    answers = [
        add(admin),
        add(admin, "real", LIVE_KEYS, environment="live"),
        add(admin, "again"),
        add(admin, "wrong", WRONG_KEYS),
        admin.post("/v3/broker/accounts", json=body(name="anna", extra=PAPER_KEYS["secret_key"])),
        admin.put("/v3/broker/account/anna/keys", json=body(RENEWED_KEYS)),
        admin.put("/v3/broker/account/anna/keys", json=body(OTHER_KEYS)),
        admin.get("/v3/broker/accounts"),
        admin.get("/v3/broker/account/anna"),
        admin.post("/v3/broker/account/anna/check"),
        admin.get("/v3/journal"),
        admin.get("/v3/reconciliation"),
    ]
    for answer in answers:
        assert shows_a_key(answer.text) == [], answer.request.path
        assert "credentials" not in answer.text
    assert shows_a_key(caplog.text) == []
    assert shows_a_key(str(dump_tables(app))) == []
