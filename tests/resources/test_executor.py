"""What an outside executor does: read a signal, put it back, report fills and cancels by order id."""

import json
from decimal import Decimal

import pytest

from domain.enums import Activity
from tests.support.factories import (
    ABSENT,
    PASSPHRASE,
    count_rows,
    dump_tables,
    exact,
    get_signal,
    make_alert_body,
    make_pair,
    make_stock,
    post_alert,
    store_alert,
)

ROW_WITHOUT_TIME = {
    "rowid", "ticker", "order_action", "order_contracts", "order_price", "mar_pos", "mar_pos_size", "pre_mar_pos", "pre_mar_pos_size",
    "order_comment", "order_status", "ticker_type", "stk_ticker1", "stk_ticker2", "hedge_param", "order_id1", "order_id2", "stk_price1",
    "stk_price2", "fill_price", "slip", "error_msg",
}  # fmt: skip


@pytest.fixture(autouse=True)
def registered(app):
    make_stock(app, "LNT", account="external")
    make_pair(app, "MA-V", "3", account="external")
    make_stock(app, "AAPL")


def put_back(client, **body):
    return client.put("/v3/webhook", json={"passphrase": PASSPHRASE, **body})


def report(client, path="/v3/signal/updateorder", method="PUT", **body):
    body = {"passphrase": PASSPHRASE, **body}
    return client.open(path, method=method, json={name: value for name, value in body.items() if value is not ABSENT})


def created(client, order_id1=1001, order_id2=ABSENT, **alert):
    """Store an alert and mark it as sent by the executor."""
    rowid = store_alert(client, **alert)
    ids = {
        name: value for name, value in {"order_id1": order_id1, "order_id2": order_id2}.items() if value is not ABSENT
    }
    assert put_back(client, rowid=rowid, order_status="created", **ids).status_code == 200
    return rowid


def sent_pair(client, order_id1=1001, order_id2=1002, **alert):
    return created(
        client, order_id1, order_id2, **{"ticker": "MA-3*V", "order_contracts": 20, "order_price": -2.0, **alert}
    )


# PUT /v3/webhook


@pytest.mark.parametrize(
    "alert", [{"ticker": "LNT"}, {"ticker": "MA-3*V"}, {"ticker": "AAPL"}, {"ticker": "NONE"}, {"ticker": "A+B"}]
)
def test_what_is_read_can_be_put_back_unchanged(app, client, alert):
    numbers = {
        "order_price": -0.015,
        "mar_pos": "long",
        "mar_pos_size": 10.5,
        "pre_mar_pos": "flat",
        "pre_mar_pos_size": 0,
    }
    rowid = store_alert(
        client,
        order_contracts=10.7,
        order_comment="Enter Long",
        timestamp="2025-11-20T14:30:00.123456Z",
        **numbers,
        **alert,
    )
    before = dump_tables(app)
    row = get_signal(client, rowid)
    response = put_back(client, **json.loads(client.get(f"/v3/signal/{rowid}").text))
    assert response.status_code == 200, response.text
    assert exact(response) == {name: value for name, value in row.items() if name in exact(response)}
    assert set(exact(response)) >= ROW_WITHOUT_TIME
    assert "timestamp" not in response.json
    for time in (
        f"{row['timestamp']}.123456",
        f"{row['timestamp']}.5",
        row["timestamp"],
        row["timestamp"].replace(" ", "T") + "Z",
        "",
    ):
        assert (
            put_back(client, **{**json.loads(client.get(f"/v3/signal/{rowid}").text), "timestamp": time}).status_code
            == 200
        )
    assert dump_tables(app) == before


def test_an_executor_marks_a_signal_as_sent(client):
    rowid = store_alert(client, ticker="MA-3*V")
    row = client.get(f"/v3/signal/{rowid}").json
    response = put_back(client, **{**row, "order_status": "created", "order_id1": 1001, "order_id2": 1002})
    assert response.status_code == 200
    assert (response.json["order_status"], response.json["order_id1"], response.json["order_id2"]) == (
        "created",
        1001,
        1002,
    )
    assert [(check["check"], check["ok"]) for check in get_signal(client, rowid)["trace"]][-1] == ("edit", True)


def test_a_fresh_token_does_instead_of_the_passphrase(client, user_headers, stale_headers):
    rowid = store_alert(client)
    body = {"rowid": rowid, "order_status": "created"}
    assert client.put("/v3/webhook", json=body).status_code == 401
    assert client.put("/v3/webhook", json=body, headers=stale_headers).json["error"] == "fresh_token_required"
    assert client.put("/v3/webhook", json=body, headers=user_headers).json["order_status"] == "created"
    assert "user reader" in get_signal(client, rowid)["trace"][-1]["text"]


def test_a_wrong_passphrase_changes_nothing(app, client, user_headers):
    rowid = store_alert(client)
    before = get_signal(client, rowid)
    response = client.put(
        "/v3/webhook", json={"passphrase": "guess", "rowid": rowid, "order_status": "created"}, headers=user_headers
    )
    assert (response.status_code, response.json["message"]) == (401, {"passphrase": "incorrect passphrase."})
    assert report(client, passphrase="guess", order_id=1001, stk_price=1).status_code == 401
    assert get_signal(client, rowid) == before


def test_leg_prices_by_hand_make_the_fill_price(client):
    rowid = store_alert(client, ticker="MA-3*V", order_price=-2, order_action="sell")
    response = put_back(client, rowid=rowid, order_status="filled", stk_price1="300.1", stk_price2=100.756)
    row = exact(response)
    assert (row["order_status"], row["fill_price"], row["slip"]) == ("filled", Decimal("-2.168"), Decimal("-0.168"))


def test_an_error_text_is_kept(client):
    rowid = store_alert(client)
    response = put_back(client, rowid=rowid, order_status="error", error_msg="no such contract")
    assert (response.json["order_status"], response.json["error_msg"]) == ("error", "no such contract")


def test_unknown_signals_are_not_found(client):
    for rowid in (999, 2**53):
        response = put_back(client, rowid=rowid, order_status="created")
        assert (response.status_code, response.json) == (404, {"message": "item not found.", "error": "not_found"})


def test_a_signal_moves_forward_only(client):
    moves = {
        "waiting": [
            "waiting",
            "rerouted",
            "created",
            "filled(...)",
            "part.filled",
            "filled",
            "canceled",
            "error",
            "critical err",
        ],
        "created": ["rerouted", "created", "filled(...)", "part.filled", "filled", "canceled", "error", "critical err"],
        "filled(...)": ["filled(...)", "part.filled", "filled", "critical err"],
        "part.filled": ["part.filled", "filled(...)", "filled", "critical err"],
        "filled": ["filled"],
        "canceled": ["canceled", "part.filled", "filled(...)", "filled", "critical err"],
    }
    outcome = {}
    for old in moves:
        for new in moves["waiting"]:
            rowid = store_alert(client, signal_id=f"{old}>{new}")
            if old != "waiting":
                assert put_back(client, rowid=rowid, order_status=old).status_code == 200
            response = put_back(client, rowid=rowid, order_status=new)
            if response.status_code == 200:
                outcome.setdefault(old, []).append(new)
            else:
                assert (response.status_code, response.json["error"]) == (409, "illegal_transition")
                assert f"'{old}'" in response.json["message"]
                assert f"'{new}'" in response.json["message"]
                assert get_signal(client, rowid)["order_status"] == old
    assert {old: sorted(new) for old, new in outcome.items()} == {old: sorted(new) for old, new in moves.items()}


def test_a_filled_signal_does_not_change_any_more(client):
    rowid = store_alert(client)
    put_back(client, rowid=rowid, order_status="filled", stk_price1=50)
    before = get_signal(client, rowid)
    for change in ({"stk_price1": 51}, {"order_id1": 5}, {"error_msg": "no"}, {"order_status": "waiting"}):
        assert put_back(client, rowid=rowid, **change).status_code == 409
    assert get_signal(client, rowid) == before


def test_what_the_alert_said_does_not_change(client):
    rowid = store_alert(
        client,
        order_price=50,
        mar_pos="long",
        mar_pos_size=100,
        pre_mar_pos="flat",
        pre_mar_pos_size=0,
        order_comment="x",
    )
    before = get_signal(client, rowid)
    changes = {
        "ticker": "AAPL", "order_action": "sell", "order_contracts": 1, "order_price": 51, "mar_pos": "short", "mar_pos_size": 1,
        "pre_mar_pos": "long", "pre_mar_pos_size": 1, "order_comment": "y",
    }  # fmt: skip
    for name, value in changes.items():
        response = put_back(client, rowid=rowid, order_status="created", **{name: value})
        assert (response.status_code, response.json["error"]) == (409, "conflict"), name
    assert get_signal(client, rowid) == before


def test_the_desk_executes_its_own_signals_itself(client):
    rowid = store_alert(client, ticker="AAPL")
    before = get_signal(client, rowid)
    changes = [
        {"order_status": s}
        for s in ("created", "filled", "error", "rerouted", "critical err", "part.filled", "filled(...)")
    ]
    changes += [{"order_id1": 7}, {"stk_price1": 50}, {"error_msg": "no"}]
    for change in changes:
        assert put_back(client, rowid=rowid, **change).status_code == 409, change
    assert get_signal(client, rowid) == before


def test_a_signal_of_the_desk_is_canceled_while_it_waits(client):
    rowid = store_alert(client, ticker="AAPL")
    response = put_back(client, rowid=rowid, order_status="canceled")
    assert (response.json["order_status"], response.json["status_msg"]) == ("canceled", "canceled by hand")
    assert put_back(client, rowid=rowid, order_status="waiting").status_code == 409


def test_what_breaks_a_rule_is_named(app, client):
    rowid = store_alert(client)
    rows = [
        ("rowid", {"rowid": ABSENT}),
        ("rowid", {"rowid": None}),
        ("rowid", {"rowid": 0}),
        ("rowid", {"rowid": -1}),
        ("rowid", {"rowid": 1.5}),
        ("rowid", {"rowid": True}),
        ("rowid", {"rowid": "x"}),
        ("rowid", {"rowid": [1]}),
        ("rowid", {"rowid": 10**30}),
        ("order_status", {"order_status": "done"}),
        ("order_status", {"order_status": 1}),
        ("order_id1", {"order_id1": True}),
        ("order_id1", {"order_id1": 1.5}),
        ("order_id1", {"order_id1": "x" * 65}),
        ("order_id1", {"order_id1": "a\nb"}),
        ("order_id2", {"order_id2": {}}),
        ("stk_price1", {"stk_price1": "NaN"}),
        ("stk_price1", {"stk_price1": 10**13}),
        ("stk_price2", {"stk_price2": True}),
        ("error_msg", {"error_msg": "x" * 1001}),
        ("error_msg", {"error_msg": 5}),
        ("timestamp", {"timestamp": "now"}),
        ("passphrase", {"passphrase": 5}),
    ]
    before = dump_tables(app)
    bodies = [
        {"passphrase": PASSPHRASE, "rowid": rowid, "order_status": "created", **overrides} for _, overrides in rows
    ]
    bodies = [{name: value for name, value in body.items() if value is not ABSENT} for body in bodies]
    answers = [client.put("/v3/webhook", json=body) for body in bodies]
    assert [(a.status_code, list(a.json["message"])) for a in answers] == [(400, [field]) for field, _ in rows]
    assert dump_tables(app) == before


# PUT and POST /v3/signal/updateorder, /v3/price


@pytest.mark.parametrize("path", ["/v3/signal/updateorder", "/v3/price"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_single_is_filled_at_its_price(client, path, method):
    rowid = created(client, order_price=50, order_action="sell")
    response = report(client, path, method, order_id=1001, stk_price=50.25)
    row = exact(response)
    assert response.status_code == 200
    assert set(row) >= ROW_WITHOUT_TIME
    assert "timestamp" not in row
    assert (row["rowid"], row["order_status"], row["fill_price"], row["slip"]) == (
        rowid,
        "filled",
        Decimal("50.25"),
        Decimal("0.25"),
    )


def test_a_pair_is_filled_leg_by_leg(client):
    sent_pair(client)
    first = exact(report(client, order_id=1001, stk_price=300.1))
    assert (first["order_status"], first["stk_price1"], first["fill_price"], first["slip"]) == (
        "filled(...)",
        Decimal("300.1"),
        None,
        None,
    )
    second = exact(report(client, order_id=1002, stk_price=100.756))
    assert (second["order_status"], second["stk_price2"]) == ("filled", Decimal("100.756"))
    assert (second["fill_price"], second["slip"]) == (Decimal("-2.168"), Decimal("0.168"))


def test_the_legs_may_be_reported_in_any_order(client):
    sent_pair(client, order_action="sell")
    assert report(client, order_id=1002, stk_price="100.756").json["order_status"] == "filled(...)"
    row = exact(report(client, order_id="1001", stk_price="300.1"))
    assert (row["order_status"], row["fill_price"], row["slip"]) == ("filled", Decimal("-2.168"), Decimal("-0.168"))


def test_price_zero_is_a_price(client):
    sent_pair(client, order_price=0)
    assert report(client, order_id=1001, stk_price=0).json["order_status"] == "filled(...)"
    row = exact(report(client, order_id=1002, stk_price=0))
    assert (row["order_status"], row["fill_price"], row["slip"]) == ("filled", 0, 0)


def test_prices_whose_spread_cannot_be_are_refused(app, client):
    make_pair(app, "X-Y", "999999999999", account="external")
    rowid = created(client, 11, 12, ticker="X-999999999999*Y")
    report(client, order_id=11, stk_price=1)
    before = get_signal(client, rowid)
    response = report(client, order_id=12, stk_price=999999999999)
    assert (response.status_code, list(response.json["message"])) == (400, ["stk_price"])
    assert put_back(client, rowid=rowid, stk_price2=999999999999).status_code == 400
    assert get_signal(client, rowid) == before


def test_without_a_price_in_the_alert_there_is_no_slip(client):
    created(client)
    row = exact(report(client, order_id=1001, stk_price=50))
    assert (row["order_status"], row["fill_price"], row["slip"]) == ("filled", 50, None)


def test_an_order_is_canceled(client):
    created(client)
    response = report(client, order_id=1001, stk_price=0, cancel=True)
    assert (response.status_code, response.json["order_status"]) == (200, "canceled")
    assert (response.json["stk_price1"], response.json["fill_price"], response.json["slip"]) == (None, None, None)


def test_a_fill_that_crossed_its_cancel_counts(client):
    created(client)
    report(client, order_id=1001, cancel=True)
    assert report(client, order_id=1001, stk_price=50).json["order_status"] == "filled"


def test_an_order_is_filled_in_part(client):
    rowid = created(client, order_contracts=100)
    response = report(client, order_id=1001, stk_price=50, partial=True, order_contracts=40.5)
    row = exact(response)
    assert (row["order_status"], row["order_contracts"], row["stk_price1"]) == ("part.filled", Decimal("40.5"), 50)
    assert get_signal(client, rowid)["trace"][-1]["values"]["filled"] == "40.5"
    assert (
        report(client, order_id=1001, stk_price=51, partial=True, order_contracts=60).json["order_status"]
        == "part.filled"
    )
    row = report(client, order_id=1001, stk_price=51).json
    assert (row["order_status"], row["order_contracts"]) == ("filled", 100)


def test_no_more_can_be_filled_than_was_ordered(client):
    created(client, order_contracts=100)
    response = report(client, order_id=1001, stk_price=50, partial=True, order_contracts=100.5)
    assert (response.status_code, list(response.json["message"])) == (400, ["order_contracts"])


def test_a_fill_that_is_reported_again_changes_nothing(client):
    rowid = created(client)
    report(client, order_id=1001, stk_price=50)
    before = get_signal(client, rowid)
    assert report(client, order_id=1001, stk_price=50).status_code == 200
    assert get_signal(client, rowid) == before
    answer = report(client, order_id=1001, stk_price=51)
    assert (answer.status_code, answer.json["message"]) == (409, "signal cannot go from 'filled' to 'filled'.")


def test_a_partial_fill_needs_its_amount(client):
    created(client)
    for amount in (ABSENT, 0, None, "", "0"):
        response = report(client, order_id=1001, stk_price=50, partial=True, order_contracts=amount)
        assert (response.status_code, list(response.json["message"])) == (400, ["order_contracts"])


def test_the_usual_false_and_zero_say_nothing(client):
    created(client)
    row = report(client, order_id=1001, stk_price=50, partial=False, cancel=False, order_contracts=0).json
    assert (row["order_status"], row["order_contracts"]) == ("filled", 100)


def test_an_unknown_order_is_not_found(app, client):
    created(client)
    before = dump_tables(app)
    for order_id in (9999, "nobody", "1001x", 0):
        response = report(client, order_id=order_id, stk_price=50)
        assert (response.status_code, response.json) == (404, {"message": "item not found.", "error": "not_found"})
    assert dump_tables(app) == before


def test_no_order_id_is_nobody_s_order(app, client):
    """Signals that were never sent have no order id, and must not be found by none."""
    store_alert(client)
    before = dump_tables(app)
    for order_id in (ABSENT, None, "", "  ", True, 1.5, [], {}):
        response = report(client, order_id=order_id, stk_price=50)
        assert (response.status_code, list(response.json["message"])) == (400, ["order_id"]), order_id
    assert report(client, stk_price=50).json["message"] == {"order_id": "'order_id' cannot be empty!"}
    assert dump_tables(app) == before


def test_what_breaks_a_rule_of_a_report_is_named(client):
    created(client)
    rows = [
        ("stk_price", {"stk_price": ABSENT}),
        ("stk_price", {"stk_price": None}),
        ("stk_price", {"stk_price": "NaN"}),
        ("stk_price", {"stk_price": True}),
        ("cancel", {"stk_price": 1, "cancel": "false"}),
        ("cancel", {"stk_price": 1, "cancel": 1}),
        ("cancel", {"stk_price": 1, "cancel": True, "partial": True, "order_contracts": 1}),
        ("partial", {"stk_price": 1, "partial": "true"}),
        ("order_contracts", {"stk_price": 1, "partial": True, "order_contracts": -1}),
        ("order_contracts", {"stk_price": 1, "partial": True, "order_contracts": 10**12}),
        ("passphrase", {"stk_price": 1, "passphrase": ABSENT}),
    ]
    answers = [report(client, order_id=1001, **overrides) for _, overrides in rows]
    assert [(a.status_code, list(a.json["message"])) for a in answers] == [(400, [field]) for field, _ in rows]


def test_the_newest_signal_with_that_order_id_counts_on_either_leg(client):
    older = created(client, order_id1=5, signal_id="1")
    newer = sent_pair(client, order_id1=4, order_id2=5, signal_id="2")
    assert report(client, order_id=5, stk_price=100).json["rowid"] == newer
    newest = created(client, order_id1=5, signal_id="3")
    assert report(client, order_id="5", stk_price=100).json["rowid"] == newest
    assert get_signal(client, older)["order_status"] == "created"


def test_order_ids_come_back_as_they_were_given(client):
    for order_id in (7, "abc-1", "007", "9" * 20, "0"):
        rowid = created(client, order_id1=order_id, signal_id=str(order_id))
        assert get_signal(client, rowid)["order_id1"] in (order_id, int(order_id) if order_id == "0" else order_id)
        assert report(client, order_id=order_id, stk_price=50).json["rowid"] == rowid


def test_a_filled_signal_takes_no_more_reports(client):
    rowid = created(client)
    report(client, order_id=1001, stk_price=50)
    before = get_signal(client, rowid)
    for more in ({"stk_price": 51}, {"cancel": True}, {"stk_price": 50, "partial": True, "order_contracts": 1}):
        assert report(client, order_id=1001, **more).status_code == 409
    assert get_signal(client, rowid) == before


def test_an_order_of_the_desk_takes_fills_from_its_broker_only(app, client):
    rowid = store_alert(client, ticker="AAPL")
    with app.app_context():
        from extensions import transaction
        from models import Signal

        with transaction() as session:
            session.get(Signal, rowid).order_id1 = "42"
    before = dump_tables(app)
    for more in ({"stk_price": 50}, {"cancel": True}, {"stk_price": 50, "partial": True, "order_contracts": 1}):
        response = report(client, order_id=42, **more)
        assert (response.status_code, response.json["error"]) == (409, "conflict")
    assert dump_tables(app) == before


def test_an_executor_s_order_is_found_although_the_desk_used_the_same_id_later(app, client):
    executor_s = created(client, order_id1=42)
    later = store_alert(client, ticker="AAPL")
    with app.app_context():
        from extensions import transaction
        from models import Signal

        with transaction() as session:
            session.get(Signal, later).order_id1 = "42"
    assert report(client, order_id=42, stk_price=50).json["rowid"] == executor_s


# DELETE /v3/signal


def test_a_signal_is_deleted(app, client, admin_headers):
    rowid = store_alert(client)
    response = client.delete(f"/v3/signal/{rowid}", headers=admin_headers)
    assert (response.status_code, response.json) == (200, {"message": "Item deleted"})
    assert client.get(f"/v3/signal/{rowid}").status_code == 404
    assert client.delete(f"/v3/signal/{rowid}", headers=admin_headers).status_code == 404
    assert count_rows(app)["signals"] == 0


def test_a_rowid_that_is_none_is_not_found(client, admin_headers):
    for rowid in ("0", "-1", "1e3", "abc", "%D9%A3", "9" * 30, "1.0", "%00", "+1", " 1"):
        assert client.get(f"/v3/signal/{rowid}").status_code == 404, rowid
        assert client.delete(f"/v3/signal/{rowid}", headers=admin_headers).status_code == 404, rowid


def test_rowids_are_never_used_again(client, admin_headers):
    rowid = store_alert(client)
    client.delete(f"/v3/signal/{rowid}", headers=admin_headers)
    assert store_alert(client) > rowid


def test_a_signal_stays_while_its_stock_goes(app, client, admin_headers):
    rowid = store_alert(client)
    assert client.delete("/v3/stock/LNT", headers=admin_headers).status_code == 409
    body = {**make_alert_body(rowid=rowid), "order_status": "canceled"}
    assert client.put("/v3/webhook", json=body).status_code == 200
    assert client.delete("/v3/stock/LNT", headers=admin_headers).status_code == 200
    assert get_signal(client, rowid)["ticker"] == "LNT"
    assert post_alert(client, order_contracts=5).json["status_msg"] == "unknown ticker"


def test_orders_keep_their_signal_until_nothing_works_or_was_traded(app, client, admin_headers):
    from datetime import UTC, datetime

    from extensions import db, transaction
    from models import BrokerAccount, Fill, Order

    rowid = store_alert(client, ticker="AAPL")
    path = f"/v3/signal/{rowid}"
    with app.app_context(), transaction() as session:
        account = session.query(BrokerAccount).filter_by(name="paper").one()
        fields = {
            "leg": 1,
            "symbol": "AAPL",
            "asset_class": "STK",
            "currency": "USD",
            "side": "buy",
            "quantity": 10,
            "order_type": "MARKET",
        }
        order = Order(
            signal_id=rowid,
            account_id=account.id,
            client_order_id="c-1",
            time_in_force="DAY",
            status="ACCEPTED",
            **fields,
        )
        session.add(order)
        session.flush()
        order_id, account_id = order.id, account.id
    for status in ("CLAIMED", "SENDING", "UNKNOWN", "MANUAL", "ACCEPTED", "PARTIALLY_FILLED", "CANCEL_PENDING"):
        with app.app_context(), transaction() as session:
            session.get(Order, order_id).status = status
        response = client.delete(path, headers=admin_headers)
        assert (response.status_code, "Order c-1 (buy 10 AAPL)" in response.json["message"]) == (409, True), status
        with app.app_context():  # nobody was asked to cancel it
            order = db.session.get(Order, order_id)
            assert (order.status, order.cancel_requested_at) == (status, None)
    with app.app_context(), transaction() as session:
        session.get(Order, order_id).status = "CANCELED"
        session.add(
            Fill(
                account_id=account_id,
                execution_id="e",
                order_id=order_id,
                quantity=1,
                price=1,
                commission=0,
                at=datetime.now(UTC),
            )
        )
    assert client.delete(path, headers=admin_headers).status_code == 409
    with app.app_context(), transaction() as session:
        session.query(Fill).delete()
    with app.app_context(), transaction() as session:
        order = session.get(Order, order_id)
        order.status, order.cancel_requested_at = "QUEUED", None  # no broker has heard of it
    assert client.delete(path, headers=admin_headers).status_code == 200
    assert count_rows(app)["orders"] == 0


def test_a_passive_stock_s_canceled_signal_can_be_put_back(app, client):
    make_stock(app, "OLD", activity=Activity.PASSIVE)
    rowid = store_alert(client, ticker="OLD")
    assert put_back(client, **client.get(f"/v3/signal/{rowid}").json).status_code == 200
