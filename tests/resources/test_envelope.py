"""Every error is told in one form, by one mapper, in JSON."""

import logging

import pytest
import sqlalchemy as sa

from extensions import db
from tests.support.factories import count_rows, make_alert_body, post_alert


def test_an_unknown_path_is_told_in_json(client):
    response = client.get("/v3/nothing")
    assert response.status_code == 404
    assert set(response.json) == {"message", "error"}
    assert response.json["error"] == "not_found"
    assert response.content_type == "application/json"


def test_a_wrong_method_names_the_right_ones(client):
    response = client.delete("/v3/login")
    assert (response.status_code, response.json["error"]) == (405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert client.post("/healthz").json["error"] == "method_not_allowed"
    assert client.patch("/v3/stock/LNT").status_code == 405


def test_reads_change_nothing_whatever_method_they_pretend(app, client, admin_headers):
    headers = {**admin_headers, "X-HTTP-Method-Override": "DELETE"}
    before = count_rows(app)
    assert client.get("/v3/user/admin", headers=headers).status_code == 200
    assert client.head("/v3/user/admin", headers=headers).status_code == 200
    assert count_rows(app) == before


def test_an_unexpected_error_has_an_id_that_is_in_the_log(client, monkeypatch, caplog):
    def break_down(*args, **kwargs):
        raise RuntimeError("inner detail")

    monkeypatch.setattr("resources.webhook.receive_signal", break_down)
    response = post_alert(client)
    assert response.status_code == 500
    assert response.json["error"] == "unexpected"
    assert "inner detail" not in response.text
    assert any(response.json["id"] in record.getMessage() and record.exc_info for record in caplog.records)


@pytest.mark.parametrize("propagate", [None, True, False])
def test_errors_are_told_alike_whatever_the_settings(app, client, propagate):
    app.config["PROPAGATE_EXCEPTIONS"] = propagate
    app.config["TESTING"] = False
    assert client.get("/v3/users/0").status_code == 401
    assert client.post("/v3/login", data="{").status_code == 400
    assert client.get("/v3/stock/NONE").json == {"message": "item not found.", "error": "not_found"}


def test_a_database_that_is_away_is_no_fault_of_the_sender(app, client, monkeypatch, caplog):
    def break_off(*args, **kwargs):
        raise sa.exc.OperationalError("insert", {}, Exception("server closed the connection"))

    monkeypatch.setattr("resources.webhook.receive_signal", break_off)
    response = post_alert(client)
    assert (response.status_code, response.json["error"]) == (503, "database_away")
    assert response.headers["Retry-After"] == "5"
    assert any(
        response.json["id"] in record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR
    )


def test_a_full_connection_pool_is_no_fault_of_the_sender(client, monkeypatch):
    def wait_in_vain(*args, **kwargs):
        raise sa.exc.TimeoutError("QueuePool limit")

    monkeypatch.setattr("resources.webhook.receive_signal", wait_in_vain)
    assert post_alert(client).status_code == 503


def test_no_request_leaves_a_transaction_open(app, client, user_headers):
    client.post("/v3/regstock", json={"symbol": "A", "account": "nobody"}, headers=user_headers)
    client.get("/v3/stocks/0")
    client.post("/v3/webhook", json=make_alert_body(order_contracts=0))
    with app.app_context():
        pool = db.engine.pool
        assert getattr(pool, "checkedout", lambda: 0)() == 0


def test_an_answer_is_never_nan(app):
    with app.app_context(), pytest.raises(ValueError):
        app.json.dumps({"x": float("nan")})
