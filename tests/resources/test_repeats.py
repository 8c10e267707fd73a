"""TradingView sends an alert up to four times; it is one signal all the same, and two alerts are never one."""

import json

import pytest

from domain.enums import Activity
from tests.resources.repeats import BUY, SELL, change, set_back
from tests.support import book_rows
from tests.support.factories import (
    count_rows,
    get_signal,
    make_alert_body,
    make_pair,
    make_stock,
    post_alert,
    store_alert,
)


@pytest.fixture
def lnt(app):
    make_stock(app, "LNT")


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


# Without an id of the sender


def test_the_same_body_is_a_repeat_for_thirty_seconds(lnt, app, client):
    rowid = store_alert(client)
    set_back(app, 29)
    assert post_alert(client).json["rowid"] == rowid
    set_back(app, 2)
    assert store_alert(client) != rowid
    assert count_rows(app)["signals"] == 2


def test_another_body_is_another_signal(lnt, app, client):
    assert store_alert(client) != store_alert(client, order_contracts=101)


def test_a_repeat_does_not_make_the_thirty_seconds_longer(lnt, app, client):
    rowid = store_alert(client)
    set_back(app, 20)
    assert post_alert(client).json["rowid"] == rowid
    set_back(app, 20)
    assert store_alert(client) != rowid


def test_three_alternating_alerts_are_three_signals(lnt, app, client):
    """Or the desk would stay long where the strategy is flat."""
    rowids = [store_alert(client, **alert) for alert in (SELL, BUY, SELL)]
    assert len(set(rowids)) == 3
    assert [get_signal(client, rowid)["order_action"] for rowid in rowids] == ["sell", "buy", "sell"]


def test_each_of_alternating_alerts_has_its_own_repeats(lnt, app, client):
    for _ in range(5):
        for alert in (SELL, BUY):
            rowid = store_alert(client, **alert)
            assert [post_alert(client, **alert).json["rowid"] for _ in range(3)] == [rowid] * 3
            assert get_signal(client, rowid)["seen_count"] == 4
    assert count_rows(app)["signals"] == 10


def test_alerts_of_other_names_do_not_stand_in_between(app, client):
    make_stock(app, "KO")
    make_pair(app, "LNT-FTS", "1")
    rowid = store_alert(client, ticker="LNT-FTS")
    store_alert(client, ticker="KO")
    store_alert(client, ticker="LNT")
    assert post_alert(client, ticker="LNT-FTS").json["rowid"] == rowid


def test_an_alert_of_the_name_stands_in_between_however_it_is_written_and_ends(lnt, app, client):
    rowid = store_alert(client)
    refused = store_alert(client, ticker="NYSE:LNT", signal_id="another", timestamp="2999-01-01 00:00:00")
    assert get_signal(client, refused)["order_status"] == "canceled"
    assert store_alert(client) != rowid


def test_what_the_desk_itself_trades_does_not_stand_in_between(lnt, app, client):
    rowid = store_alert(client)
    book_rows.add(app, book_rows.filled_signal("LNT", "sell", source="flatten"))
    assert post_alert(client).json["rowid"] == rowid


@pytest.mark.parametrize("ticker", ["KO", "PASSIVE", "LNT-2*FTS", "LNT+FTS"])
def test_an_alert_that_was_refused_may_be_sent_again(app, client, ticker):
    make_pair(app, "LNT-FTS", "1")
    make_stock(app, "PASSIVE", activity=Activity.PASSIVE)
    first = store_alert(client, ticker=ticker)
    assert get_signal(client, first)["order_status"] in ("canceled", "error")
    make_stock(app, "KO")
    make_stock(app, "PASSIVE")
    make_pair(app, "LNT-FTS", "2")
    again = store_alert(client, ticker=ticker)
    assert again != first
    wanted = "error" if ticker == "LNT+FTS" else "waiting"
    assert get_signal(client, again)["order_status"] == wanted
    assert post_alert(client, ticker=ticker).json["duplicate"] is (wanted == "waiting")


@pytest.mark.parametrize(("status", "reason"), [("canceled", "stopped"), ("error", "funds")])
def test_an_alert_that_the_planner_refused_may_be_sent_again(lnt, app, client, status, reason):
    first = store_alert(client)
    change(app, first, status=status, status_reason=reason, error_text=f"{reason}: A stop is in force.")
    assert store_alert(client) != first


@pytest.mark.parametrize("how", ["by hand", "by an executor", "too late", "after an order", "working", "filled"])
def test_an_alert_that_ended_otherwise_is_not_sent_again(lnt, app, client, admin_headers, how):
    """What a person ended stays ended, and what came to an order may have been traded."""
    make_stock(app, "LNT", account="external" if how == "by an executor" else "paper")
    first = store_alert(client)
    if how == "by hand":
        put = {"rowid": first, "order_status": "canceled"}
        assert client.put("/v3/webhook", json=put, headers=admin_headers).status_code == 200
    elif how == "by an executor":
        put = make_alert_body(rowid=first, order_status="error", error_msg="not tradable today")
        assert client.put("/v3/webhook", json=put).status_code == 200
    elif how == "too late":
        change(app, first, status="canceled", status_reason="expired", error_text="expired: The alert is 9 s old.")
    elif how == "after an order":
        book_rows.add(app, book_rows.order(signal_id=first, status="REJECTED"))
        change(app, first, status="error", status_reason="rejected", error_text="rejected: insufficient qty")
    else:
        change(app, first, status={"working": "created"}.get(how, how))
    answer = post_alert(client)
    assert (answer.status_code, answer.json["rowid"], answer.json["duplicate"]) == (200, first, True)


def test_a_deleted_signal_is_no_first_delivery(lnt, app, client, admin_headers):
    rowids = [store_alert(client, **alert) for alert in (SELL, BUY, SELL)]
    assert client.delete(f"/v3/signal/{rowids[2]}", headers=admin_headers).status_code == 200
    again = store_alert(client, **SELL)
    assert post_alert(client, **SELL).json["rowid"] == again
    assert client.delete(f"/v3/signal/{rowids[0]}", headers=admin_headers).status_code == 200
    assert post_alert(client, **SELL).json["rowid"] == again


def test_the_passphrase_and_the_order_of_fields_make_no_new_event(lnt, client):
    first = store_alert(client, order_comment="x")
    body = make_alert_body(order_comment="x")
    turned = json.dumps(dict(reversed(body.items())), indent=4)
    assert client.post("/v3/webhook", data=turned).json["rowid"] == first


def test_a_repeat_is_told_in_the_log(lnt, client, caplog):
    rowid = store_alert(client)
    post_alert(client)
    assert f"signal {rowid}: same body again within 30 s, taken for a repeat (seen 2 times)" in caplog.messages


# With an id of the sender


def test_an_id_is_known_for_ever(lnt, app, client):
    rowid = store_alert(client, signal_id="once")
    set_back(app, 100 * 86400)
    store_alert(client, signal_id="another", **SELL)
    assert post_alert(client, signal_id="once").json["rowid"] == rowid


def test_the_same_id_with_other_content_is_refused_and_told_in_the_log(lnt, app, client, caplog):
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
    assert f"signal {rowid}: its id came again with other content, refused" in caplog.messages


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
