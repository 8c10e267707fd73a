"""What v3's clients send and the desk does not know is ignored, and named where the sender and people can see it."""

import logging

import pytest

from tests.support.factories import (
    PASSPHRASE,
    USER_PASSWORD,
    count_rows,
    get_signal,
    make_alert_body,
    make_pair,
    make_stock,
    make_user,
    post_alert,
    store_alert,
)

BODIES = [
    ("POST", "/v3/regstock", {"symbol": "ABC"}, 201),
    ("PUT", "/v3/regstock", {"symbol": "ABC", "active": 1}, 201),
    ("POST", "/v3/regpair", {"ticker1": "AAA", "ticker2": "BBB", "hedge": 1.123}, 201),
    ("PUT", "/v3/regpair", {"name": "AAA-BBB", "hedge": 1.4}, 201),
    ("POST", "/v3/reguser", {"username": "user2", "password": "a password of user 2"}, 201),
    ("PUT", "/v3/reguser", {"username": "reader", "password": "another one of reader"}, 200),
    ("POST", "/v3/login", {"username": "reader", "password": USER_PASSWORD}, 200),
]


@pytest.mark.parametrize(("method", "address", "body", "status"), BODIES)
def test_what_a_v3_body_does_not_know_is_named_in_the_answer(
    app, client, admin_headers, caplog, method, address, body, status
):
    make_user(app)
    with caplog.at_level(logging.INFO):
        response = client.open(
            address, method=method, json={**body, "do not save": 0, "note": "x"}, headers=admin_headers
        )
    assert response.status_code == status, response.text
    assert response.json["ignored"] == ["do not save", "note"]
    assert f"{method} {address}: unknown fields ignored: do not save, note" in caplog.text


@pytest.mark.parametrize(("method", "address", "body", "status"), BODIES)
def test_an_answer_names_nothing_where_all_is_known(app, client, admin_headers, method, address, body, status):
    make_user(app)
    response = client.open(address, method=method, json=body, headers=admin_headers)
    assert response.status_code == status
    assert "ignored" not in response.json


def test_a_typing_error_in_a_field_of_money_is_a_warning_of_the_log(client, admin_headers, caplog):
    body = {"symbol": "ABC", "order_typ": "LIMIT"}
    response = client.post("/v3/regstock", json=body, headers=admin_headers)
    assert response.json["ignored"] == ["order_typ"]
    assert [r.levelname for r in caplog.records if "order_typ" in r.getMessage()] == ["WARNING"]
    assert client.get("/v3/stock/ABC").json["order_type"] == "MARKET"


def test_names_are_told_and_values_never(client, admin_headers, caplog):
    body = {"symbol": "ABC", "secret": "hunter2 is not told", "x\u202ey": 1, "n" * 200: 1}
    response = client.post("/v3/regstock", json=body, headers=admin_headers)
    assert response.json["ignored"] == ["secret", "x\\u202ey", "n" * 64]
    assert "hunter2" not in caplog.text + response.text


def test_a_flood_of_names_is_cut(client, admin_headers):
    body = {"symbol": "ABC", **{f"f{number}": 1 for number in range(500)}}
    ignored = client.post("/v3/regstock", json=body, headers=admin_headers).json["ignored"]
    assert len(ignored) == 21
    assert ignored[-1] == "and 480 more"


def test_the_endpoints_of_the_desk_itself_stay_strict(app, client, admin_headers):
    before = count_rows(app)
    body = {"level": "entries", "reason": "news", "scop": "stock"}
    response = client.post("/v3/stops", json=body, headers=admin_headers)
    assert (response.status_code, response.json["message"]) == (400, {"scop": "is not a field of this request"})
    assert count_rows(app) == before


def test_an_alert_names_what_it_cannot_use_in_its_answer_and_on_its_trace(app, client, caplog):
    make_stock(app, "LNT")
    response = post_alert(client, leverage=10, sl=9, tp1="12", interval="5")
    assert response.json["ignored"] == ["leverage", "sl", "tp1", "interval"]
    rowid = response.json["rowid"]
    signal = get_signal(client, rowid)
    step = signal["trace"][0]
    assert (step["check"], step["ok"], step["values"]) == ("fields", False, {"outcome": "warning"})
    assert step["text"].endswith("they change nothing: leverage, sl, tp1, interval.")
    assert signal["order_status"] == "waiting"
    assert f"(signal {rowid}): unknown fields ignored: leverage" in caplog.text
    assert "tp1" in client.get(f"/signals/{rowid}").text


def test_a_field_without_money_is_no_warning(app, client):
    make_stock(app, "LNT")
    signal = get_signal(client, store_alert(client, interval="5", exchange="NYSE"))
    assert signal["trace"][0]["ok"] is True
    assert "interval, exchange" in signal["trace"][0]["text"]


def test_an_alert_without_further_fields_has_no_such_step(app, client):
    make_stock(app, "LNT")
    response = post_alert(client)
    assert "ignored" not in response.json
    assert [s for s in get_signal(client, response.json["rowid"])["trace"] if s["check"] == "fields"] == []


def test_a_repeat_names_them_as_the_first_delivery_did(app, client):
    make_stock(app, "LNT")
    answers = [post_alert(client, signal_id="one", stop_loss_at=1) for _ in range(2)]
    assert [(a.status_code, a.json["ignored"]) for a in answers] == [(201, ["stop_loss_at"]), (200, ["stop_loss_at"])]


def test_what_if_names_them_too(app, client, user_headers):
    make_stock(app, "LNT")
    answer = client.post("/v3/whatif", json=make_alert_body(stop_loss_at=1), headers=user_headers).json
    assert answer["ignored"] == ["stop_loss_at"]
    assert answer["trace"][0]["check"] == "fields"


def test_an_executor_puts_a_row_back_as_it_read_it(app, client):
    make_pair(app, "LNT-FTS", account="external")
    rowid = store_alert(client, ticker="LNT-FTS")
    row = client.get("/v3/signals/status/waiting/0").json["signals"][0]
    body = {**row, "passphrase": PASSPHRASE, "order_status": "created"}
    response = client.put("/v3/webhook", json=body)
    assert (response.status_code, response.json["rowid"]) == (200, rowid)
    assert "ignored" not in response.json


def test_what_an_executor_cannot_set_is_named_when_it_differs(app, client, caplog):
    make_stock(app, "LNT", account="external")
    rowid = store_alert(client)
    body = {"passphrase": PASSPHRASE, "rowid": rowid, "fill_price": 12.5, "symbol": "LNT", "account": "external"}
    response = client.put("/v3/webhook", json=body)
    assert response.json["ignored"] == ["symbol", "fill_price"]
    assert client.get(f"/v3/signal/{rowid}").json["fill_price"] is None
    assert f"PUT /v3/webhook (signal {rowid}): unknown fields ignored: symbol, fill_price" in caplog.text


def test_a_report_of_a_fill_names_them(app, client):
    make_stock(app, "LNT", account="external")
    rowid = store_alert(client)
    client.put(
        "/v3/webhook", json={"passphrase": PASSPHRASE, "rowid": rowid, "order_status": "created", "order_id1": 7}
    )
    body = {"passphrase": PASSPHRASE, "order_id": 7, "stk_price": 10, "commission": 1}
    response = client.put("/v3/signal/updateorder", json=body)
    assert (response.status_code, response.json["ignored"]) == (200, ["commission"])


def test_the_documentation_shows_where_names_may_come_back(client):
    document = client.get("/v3/openapi.json").json
    answer = document["paths"]["/v3/webhook"]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    name = answer["$ref"].rpartition("/")[2]
    assert "ignored" in document["components"]["schemas"][name]["properties"]
    assert "ignored" not in document["components"]["schemas"][name]["required"]
