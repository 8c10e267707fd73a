"""Deliveries that were refused are on record: with what was wrong, without secrets, bounded, never in the way of others."""

import json
import logging
import time

import pytest
import sqlalchemy as sa

from domain.edge.refusal import redacted
from extensions import db
from models import RefusedCount, RefusedDelivery
from services.intake import refused
from tests.support.factories import (
    PASSPHRASE,
    count_rows,
    get_signal,
    make_alert_body,
    make_stock,
    post_alert,
    store_alert,
)

BODY = json.dumps(make_alert_body())


def send(client, data, **more):
    return client.post("/v3/webhook", data=data, content_type="application/json", **more)


def rows(app):
    with app.app_context():
        return db.session.execute(sa.select(RefusedDelivery).order_by(RefusedDelivery.id)).scalars().all()


def counts(app):
    with app.app_context():
        app.extensions["refused"].write()
        return {row.status: row.count for row in db.session.execute(sa.select(RefusedCount)).scalars()}


REFUSED = {
    "bad JSON": (BODY[:-1], "The body is not valid JSON"),
    "NaN": (BODY[:-1] + ', "order_price": NaN}', "order_price is no number"),
    "Infinity": (BODY[:-1] + ', "order_price": -Infinity}', "order_price is no number"),
    "an unfilled number": (
        BODY[:-1] + ', "order_price": {{strategy.order.price}}}',
        "order_price still holds {{strategy.order.price}}, which the sender has not filled in",
    ),
    "an unfilled text": (
        json.dumps(make_alert_body(order_action="{{strategy.order.action}}")),
        "order_action: still holds {{strategy.order.action}}, which the sender has not filled in",
    ),
    "a wrong field": (json.dumps(make_alert_body(order_contracts=-1)), "order_contracts: must be greater than 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_alert_with_the_right_passphrase_leaves_a_trace(app, client, admin_headers, caplog, name):
    data, reason = REFUSED[name]
    before = count_rows(app)
    response = send(client, data)
    assert response.status_code == 400
    assert count_rows(app) == before
    (row,) = rows(app)
    assert (row.status, row.address, row.known) == (400, "127.0.0.1", True)
    assert reason in row.reason
    assert "order_contracts" in row.body
    assert PASSPHRASE not in row.body + caplog.text
    assert caplog.text.count("delivery from 127.0.0.1 refused, 400") == 1
    (told,) = client.get("/v3/refused", headers=admin_headers).json["refused"]
    assert (told["entry"], told["reason"], told["known"]) == (row.id, row.reason, True)
    assert counts(app) == {400: 1}


@pytest.mark.parametrize(
    "field", ["signal_id", "order_comment", "mar_pos", "order_price", "timestamp", "strategy", "bar_time", "ticker"]
)
def test_whatever_is_not_filled_in_is_named(app, client, field):
    for text in ("{{strategy.order.id}}", 'x {{plot("a b")}}', "{{timenow}} y"):
        response = post_alert(client, **{field: text})
        assert (response.status_code, set(response.json["message"])) == (400, {field})


def test_braces_of_other_kinds_are_text(client):
    assert post_alert(client, order_comment="{{7*7}} {{}} {{ }}").status_code == 201


@pytest.mark.parametrize("raw", ["one\ntwo", "one\ttwo", "one\r\ntwo"])
def test_raw_line_ends_and_tabs_in_a_text_are_read(app, client, raw):
    make_stock(app, "LNT")
    response = send(client, BODY[:-1] + f', "order_comment": "{raw}"}}')
    assert response.status_code == 201
    assert get_signal(client, response.json["rowid"])["order_comment"] == raw


def test_a_wrong_passphrase_is_counted_and_nothing_of_it_is_kept(app, client):
    for _ in range(3):
        assert post_alert(client, passphrase="nearly the right one 1").status_code == 401
    assert post_alert(client, passphrase="nearly the right one 1", order_contracts=-1).status_code == 400
    assert rows(app) == []
    assert counts(app) == {400: 1, 401: 3}


@pytest.mark.parametrize(
    "data",
    [
        '{"passphrase": "a secret of somebody", "ticker": ',
        "{'passphrase': 'a secret of somebody', 'ticker': 'LNT'}",
        'passphrase=a secret of somebody, "ticker": 1',
        '{"Passphrase" : "a secret of somebody"\n"ticker": "LNT"',
        '{"my_token": "a secret of somebody", "x": ',
        '{"x": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJmcmVzaCI6dHJ1ZSwiaWF0IjoxNzk2.a-secret9", ',
        "9vN-a_secret_of_41_letters_that_was_made_x",
        f'{{"order_comment": "{PASSPHRASE}", "passphrase": "{PASSPHRASE}", ',
    ],
)
def test_no_secret_is_kept_of_what_cannot_be_read(app, client, data):
    assert send(client, data).status_code == 400
    (row,) = rows(app)
    assert "secret" not in row.body
    assert PASSPHRASE not in row.body


def test_a_body_is_cut(app, client):
    send(client, '{"x": "' + "word " * 10_000)
    assert len(rows(app)[0].body) == 600


def test_a_body_too_large_is_told(app, client):
    assert send(client, "x" * 100_000).status_code == 413
    assert (rows(app)[0].status, rows(app)[0].known) == (413, False)


def test_a_flood_of_strangers_is_counted_and_drives_nothing_out(app, client, caplog):
    send(client, REFUSED["NaN"][0])
    for number in range(50):
        assert send(client, f"nothing {number}").status_code == 400
    kept = rows(app)
    assert [row.known for row in kept] == [True] + [False] * refused.A_MINUTE[False]
    assert caplog.text.count("delivery from") == len(kept)
    assert counts(app) == {400: 51}
    assert store_alert(client)


def test_old_ones_go_when_there_are_many(app, client, monkeypatch):
    monkeypatch.setattr(refused, "KEPT", {True: 3, False: 2})
    for number in range(5):
        send(client, f"{BODY[:-1]}, {number}")
        send(client, f"stranger {number}")
    kept = [(row.known, row.body[-1]) for row in rows(app)]
    assert sorted(kept) == [(False, "3"), (False, "4"), (True, "2"), (True, "3"), (True, "4")]


def test_an_accepted_alert_writes_nothing_of_it(app, client):
    store_alert(client)
    store_alert(client, ticker="/v3/webhook")
    assert rows(app) == []
    assert counts(app) == {}


def test_what_the_database_did_not_take_is_written_later(app, client, monkeypatch):
    make_stock(app, "LNT")
    store = refused._store
    monkeypatch.setattr(
        refused, "_store", lambda *args: (_ for _ in ()).throw(sa.exc.OperationalError("x", {}, Exception("away")))
    )
    assert send(client, REFUSED["NaN"][0]).status_code == 400
    monkeypatch.setattr(refused, "_store", store)
    monkeypatch.setattr(app.extensions["refused"], "_not_before", 0.0)
    with client.post("/v3/webhook", json=make_alert_body()) as response:
        assert response.status_code == 201
    assert [row.known for row in rows(app)] == [True]
    assert counts(app) == {400: 1}


def test_who_may_see_it(app, client, admin_headers, user_headers, stale_headers):
    send(client, REFUSED["NaN"][0])
    assert client.get("/v3/refused").status_code == 401
    assert client.get("/v3/refused", headers=user_headers).status_code == 403
    assert client.get("/v3/refused", headers=stale_headers).status_code == 401
    assert client.get("/v3/refused", headers=admin_headers).status_code == 200
    assert client.get("/v3/refused?after=x", headers=admin_headers).status_code == 400


def test_pages_of_it(app, client, admin_headers):
    for number in range(5):
        send(client, f"{BODY[:-1]}, {number}")
    first = client.get("/v3/refused?limit=3", headers=admin_headers).json
    rest = client.get(f"/v3/refused?limit=3&after={first['next_after']}", headers=admin_headers).json
    assert [row["body"][-1] for row in (*first["refused"], *rest["refused"])] == ["4", "3", "2", "1", "0"]
    assert rest["next_after"] is None
    assert client.get("/v3/refused?to=2000-01-01", headers=admin_headers).json["refused"] == []


def test_health_points_it_out_and_stays_well(app, client):
    send(client, "what a stranger sends")
    assert checks(client)["refused"]["ok"] is True
    send(client, REFUSED["NaN"][0])
    told = checks(client)["refused"]
    assert (told["ok"], told["text"]) == (
        False,
        "an alert with the right passphrase was refused in the last 24 hours; see the page Refused",
    )


def checks(client):
    return {check["name"]: check for check in client.get("/readyz").json["checks"]}


def test_a_refused_delivery_does_not_wait_long(app, client):
    begun = time.monotonic()
    for _ in range(20):
        send(client, REFUSED["NaN"][0])
    assert time.monotonic() - begun < 5


def test_the_log_tells_it_on_one_line(app, client, caplog):
    with caplog.at_level(logging.WARNING):
        send(client, '{"x\n\u202e": NaN}')
    assert [r.getMessage() for r in caplog.records if "delivery" in r.getMessage()] != []


def test_no_body_takes_long_to_be_made_harmless():
    hostile = ("a" * 2400, "a1." * 800, '"pass' * 500, "pass" + "," * 2400, "pass" + ", a" * 800, 'passphrase "' * 200)
    begun = time.monotonic()
    for body in hostile:
        redacted(body)
    assert time.monotonic() - begun < 1
