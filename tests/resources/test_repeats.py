"""TradingView sends an alert up to four times; it is one signal all the same."""

import json
import threading
from types import SimpleNamespace

import pytest
import requests
import sqlalchemy as sa

from extensions import transaction
from services.intake import receive
from tests.conftest import closing_app
from tests.support.factories import (
    count_rows,
    get_signal,
    make_alert_body,
    make_config,
    make_stock,
    post_alert,
    store_alert,
    together,
)

MINUTE = 1_700_000_040  # seconds since 1970; divisible by 60


@pytest.fixture
def lnt(app):
    make_stock(app, "LNT")


@pytest.fixture
def clock(monkeypatch):
    """The clock by which repeats without an id are told from new events."""
    clock = SimpleNamespace(now=MINUTE + 30.0)
    monkeypatch.setattr(receive, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


def test_a_repeat_finds_the_first_one(lnt, app, client):
    rowid = store_alert(client, signal_id="LNT|5|2026-11-20T14:30:00Z|Long|buy")
    for _ in range(3):
        response = post_alert(client, signal_id="LNT|5|2026-11-20T14:30:00Z|Long|buy")
        assert response.status_code == 200
        told = response.json
        assert (told["rowid"], told["duplicate"], told["order_status"], told["status_msg"]) == (
            rowid,
            True,
            "waiting",
            None,
        )
    assert get_signal(client, rowid)["seen_count"] == 4
    assert count_rows(app)["signals"] == 1


def test_without_an_id_the_same_body_within_a_minute_is_a_repeat(lnt, app, client, clock):
    rowid = store_alert(client)
    clock.now += 20
    assert post_alert(client).json["rowid"] == rowid
    assert store_alert(client, order_contracts=101) != rowid
    clock.now += 3600
    assert store_alert(client) != rowid
    assert count_rows(app)["signals"] == 3


def test_a_repeat_is_found_across_the_edge_of_a_minute(lnt, app, client, clock):
    clock.now = MINUTE + 59.9
    rowid = store_alert(client)
    clock.now = MINUTE + 60.1
    assert post_alert(client).json["rowid"] == rowid
    clock.now = MINUTE + 119.9
    assert post_alert(client).json["rowid"] == rowid
    assert get_signal(client, rowid)["seen_count"] == 3


def test_deliveries_on_both_sides_of_the_edge_at_once_are_one(lnt, app, client, other_client, monkeypatch):
    """Half of the deliveries see the old minute, half the new one."""
    here = threading.local()
    monkeypatch.setattr(receive, "time", SimpleNamespace(time=lambda: here.now))

    def deliver(c, now, comment):
        here.now = now
        return post_alert(c, order_comment=comment)

    for round_ in range(6):
        answers = together(
            *(
                lambda c=c, now=now, n=round_: deliver(c, now, f"{n}")
                for c in (client, other_client)
                for now in (MINUTE + 59.99, MINUTE + 60.01) * 2
            )
        )
        assert sorted(response.status_code for response in answers) == [200] * 7 + [201]
        assert len({response.json["rowid"] for response in answers}) == 1
        assert get_signal(client, answers[0].json["rowid"])["seen_count"] == 8


@pytest.mark.postgres
def test_at_the_edge_a_delivery_waits_for_one_that_is_being_stored(cluster, postgresql_url, tmp_path, monkeypatch):
    """With inserts so slow that deliveries overlap for sure."""
    here = threading.local()
    monkeypatch.setattr(receive, "time", SimpleNamespace(time=lambda: here.now))
    with closing_app(make_config(postgresql_url, tmp_path)) as app:
        make_stock(app, "LNT")
        with app.app_context(), transaction() as session:
            body = "begin perform pg_sleep(0.15); return new; end"
            session.execute(sa.text(f"create function slow() returns trigger language plpgsql as '{body}'"))
            session.execute(
                sa.text("create trigger slow before insert on signals for each row execute function slow()")
            )

        def deliver(now):
            here.now = now
            return post_alert(app.test_client())

        answers = together(*(lambda now=now: deliver(now) for now in (MINUTE + 59.9, MINUTE + 60.1) * 2))
        assert sorted(response.status_code for response in answers) == [200, 200, 200, 201]


def test_the_passphrase_and_the_order_of_fields_make_no_new_event(lnt, client):
    first = store_alert(client, order_comment="x")
    body = make_alert_body(order_comment="x")
    turned = json.dumps(dict(reversed(body.items())), indent=4)
    assert client.post("/v3/webhook", data=turned).json["rowid"] == first


def test_an_id_is_known_for_ever(lnt, client, clock):
    rowid = store_alert(client, signal_id="once")
    clock.now += 100 * 86400
    assert post_alert(client, signal_id="once").json["rowid"] == rowid


def test_the_same_id_with_other_content_is_refused(lnt, app, client):
    rowid = store_alert(client, signal_id="once")
    before = get_signal(client, rowid)
    response = post_alert(client, signal_id="once", order_contracts=101)
    assert response.status_code == 422
    assert response.json == {
        "message": f"signal_id was used before with other content (rowid {rowid}).",
        "error": "payload_mismatch",
    }
    assert get_signal(client, rowid) == before
    assert count_rows(app)["signals"] == 1


def test_different_ids_make_different_signals(lnt, app, client):
    rowids = {store_alert(client, signal_id=f"event {n}") for n in range(5)}
    assert len(rowids) == 5


def test_a_repeat_of_what_was_not_tradable_tells_the_same(app, client):
    first = post_alert(client, ticker="LNT+FTS", signal_id="once").json
    again = post_alert(client, ticker="LNT+FTS", signal_id="once").json
    assert (again["rowid"], again["order_status"], again["status_msg"]) == (
        first["rowid"],
        "error",
        "problematic ticker!",
    )


@pytest.mark.parametrize("signal_id", ["once", ""])
def test_four_deliveries_at_once_to_two_processes_are_one_signal(database_url, live_server, app, signal_id):
    make_stock(app, "LNT")
    servers = [live_server(database_url), live_server(database_url)]
    for server in servers:
        server.wait()
    bodies = [make_alert_body(signal_id=f"{signal_id}{n}" if signal_id else "", order_comment=f"{n}") for n in range(5)]
    for body in bodies:
        answers = together(
            *(lambda s=s, b=body: requests.post(f"{s.url}/v3/webhook", json=b, timeout=10) for s in servers * 4)
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.json()["rowid"] for answer in answers}) == 1
        rowid = answers[0].json()["rowid"]
        assert requests.get(f"{servers[0].url}/v3/signal/{rowid}", timeout=10).json()["seen_count"] == 8
    assert count_rows(app)["signals"] == 5
