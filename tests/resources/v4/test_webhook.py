"""The rows that executors read and put back, and the signals that they make themselves."""

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from domain.enums import Activity
from extensions import db
from models import Order, Position
from tests.resources.v4.executor import Executor
from tests.support.apps import closing_app
from tests.support.factories import (
    PASSPHRASE,
    dump_tables,
    get_signal,
    make_config,
    make_pair,
    make_stock,
    post_alert,
    store_alert,
)

D = Decimal
SYNC = {
    "bypass_ticker_status": True, "order_action": "sell", "order_contracts": 60, "mar_pos": "short", "mar_pos_size": 60,
    "pre_mar_pos": "flat", "pre_mar_pos_size": 0, "order_comment": "Enter Short", "order_status": "waiting", "ticker": "V",
    "status_msg": "created due to sync",
}  # fmt: skip


def store_pair(client: FlaskClient, **more: Any) -> int:
    position = {"mar_pos": "long", "mar_pos_size": 20, "pre_mar_pos": "flat", "pre_mar_pos_size": 0}
    return store_alert(client, **{"ticker": "MA-3*V", "order_contracts": 20, "order_price": -2.0, **position, **more})


# Reading


def test_sizes_are_numbers_although_the_alert_names_none(client: FlaskClient, executor: Executor) -> None:
    rowid = store_alert(client)
    for row in (executor.waiting()[0], executor.get(f"signal/{rowid}")):
        assert (row["mar_pos_size"], row["pre_mar_pos_size"], row["mar_pos"]) == (0, 0, None)


def test_symbols_are_those_of_interactive_brokers(client: FlaskClient, executor: Executor) -> None:
    for ticker in ("BF.A", "FX:EURUSD", "LNT"):
        store_alert(client, ticker=ticker)
    assert [(row["ticker1"], row["ticker2"]) for row in executor.waiting()] == [
        ("LNT", None),
        ("EUR.USD", None),
        ("BF A", None),
    ]


def test_what_the_desk_itself_trades_is_not_offered_to_executors(client: FlaskClient, executor: Executor) -> None:
    own, other = store_alert(client, ticker="AAPL"), store_alert(client)
    assert [row["rowid"] for row in executor.waiting()] == [other]
    assert [row["rowid"] for row in executor.get("signals/0")["signals"]] == [other, own]
    assert [row["rowid"] for row in executor.get("signals/ticker/AAPL/0")["signals"]] == [own]


def test_lists_are_as_long_as_in_v3(client: FlaskClient, executor: Executor, user_headers: dict[str, str]) -> None:
    for number in range(22):
        store_alert(client, signal_id=str(number))
    lengths = {
        path: len(executor.get(path)["signals"]) for path in ("signals/status/waiting/0", "signals/0", "signals/3")
    }
    assert lengths == {"signals/status/waiting/0": 20, "signals/0": 5, "signals/3": 3}
    assert len(client.get("/v4/signals/status/waiting/0", headers=user_headers).json["signals"]) == 22
    assert executor.call("GET", "signals/-1").json["message"].keys() == {"number_of_items"}
    assert executor.call("GET", "signals/status/done/0").json["message"].keys() == {"order_status"}
    assert executor.call("GET", "signal/999").status_code == executor.call("GET", "signal/x").status_code == 404


# Putting back


@pytest.mark.parametrize("ticker", ["LNT", "MA-3*V", "AAPL", "NONE", "A+B", "BF.A", "EURUSD"])
def test_what_is_read_can_be_put_back_unchanged(
    app: Flask, client: FlaskClient, executor: Executor, ticker: str
) -> None:
    rowid = store_alert(client, ticker=ticker, order_contracts=10.7, order_price=-0.015, order_comment="in")
    before = dump_tables(app)
    row = executor.call("GET", f"signal/{rowid}").json
    answer = executor.put("webhook", **row)
    assert answer.status_code == 200, answer.text
    assert answer.json == {name: value for name, value in row.items() if name != "timestamp"}
    assert dump_tables(app) == before


@pytest.mark.parametrize("status", ["created", "canceled", "error", "critical err", "rerouted"])
@pytest.mark.parametrize("as_list", [False, True])
def test_a_status_may_come_in_a_list_of_one(
    client: FlaskClient, executor: Executor, status: str, as_list: bool
) -> None:
    store_alert(client)
    changes = {"order_status": [status] if as_list else status, "status_msg": "insufficient funds", "error_msg": "no"}
    answer = executor.put("webhook", **{**executor.waiting()[0], **changes})
    assert (answer.status_code, answer.json["order_status"]) == (200, status)
    assert (answer.json["status_msg"], answer.json["error_msg"]) == ("insufficient funds", "no")


def test_a_signal_moves_forward_only(app: Flask, client: FlaskClient, executor: Executor) -> None:
    rowid = store_alert(client)
    row = executor.waiting()[0]
    executor.send(row)
    executor.filled(944, "LNT", 50, 40)
    for status in ("waiting", "rerouted", "created", "canceled", "error"):
        answer = executor.put("webhook", **{**executor.get(f"signal/{rowid}"), "order_status": status})
        assert (answer.status_code, answer.json["error"]) == (409, "illegal_transition"), status
    executor.filled(944, "LNT", 50, 100)
    before = dump_tables(app)
    for change in ({"order_status": "created"}, {"order_id1": 5}, {"error_msg": "no"}, {"order_contracts": 5}):
        assert executor.put("webhook", **{**executor.call("GET", f"signal/{rowid}").json, **change}).status_code == 409
    assert dump_tables(app) == before


def test_words_of_a_broker_are_cut_and_the_order_is_not_lost(client: FlaskClient, executor: Executor) -> None:
    store_alert(client)
    row = executor.send(executor.waiting()[0], error_msg="| 944/399 - held " * 200, status_msg="+err" * 100)
    assert (row["order_status"], len(row["error_msg"]), len(row["status_msg"])) == ("created", 1000, 255)


def test_another_amount_may_be_ordered_than_the_alert_says(app: Flask, client: FlaskClient, executor: Executor) -> None:
    rowid = store_pair(client)
    row = executor.send(executor.waiting()[0], order_contracts=5, status_msg="+synced(20->5)")
    assert (row["order_contracts"], row["order_action"]) == (5, "buy")
    assert executor.filled(944, "MA", 300, 5)["order_status"] == "filled(...)"
    assert executor.filled(945, "V", 100, 15)["order_status"] == "filled"
    edit = next(step for step in get_signal(client, rowid)["trace"] if step["check"] == "edit")
    assert edit["values"]["quantity"] == "5"


def test_a_synced_amount_below_zero_is_sold(app: Flask, client: FlaskClient, executor: Executor) -> None:
    """The row goes on showing what the alert said; only the words tell on which side the order is."""
    store_alert(client, mar_pos="long", mar_pos_size=100, pre_mar_pos="flat", pre_mar_pos_size=0, order_price=50)
    row = executor.waiting()[0]
    told = {"order_contracts": 30, "status_msg": "+synced(100->-30)"}
    assert executor.send(row, **told)["order_action"] == "sell"
    again = executor.put("webhook", **{**row, **told, "order_status": "created", "order_id1": 944})
    assert again.status_code == 200
    executor.filled(944, "LNT", 50.5, 30)
    with app.app_context():
        assert db.session.execute(sa.select(Position.quantity)).scalar_one() == -30


def test_an_order_that_was_not_made_changes_neither_side_nor_amount(client: FlaskClient, executor: Executor) -> None:
    store_alert(client, order_contracts=30)
    row = {**executor.waiting()[0], "order_status": "rerouted", "status_msg": "+synced(30->-30)+route"}
    answer = executor.put("webhook", **row)
    assert (answer.json["order_action"], answer.json["order_contracts"]) == ("buy", 30)


def test_the_amount_stays_once_it_is_ordered(app: Flask, client: FlaskClient, executor: Executor) -> None:
    rowid = store_alert(client)
    executor.send(executor.waiting()[0])
    before = dump_tables(app)
    answer = executor.put("webhook", **{**executor.call("GET", f"signal/{rowid}").json, "order_contracts": 5})
    assert (answer.status_code, answer.json["error"]) == (409, "conflict")
    assert dump_tables(app) == before


def test_what_the_alert_said_and_what_the_desk_trades_stays(
    app: Flask, client: FlaskClient, executor: Executor
) -> None:
    own, other = store_alert(client, ticker="AAPL"), store_pair(client)
    changes: list[tuple[int, dict[str, Any]]] = [
        (other, {name: value})
        for name, value in {
            "ticker": "LNT", "order_action": "sell", "order_price": 1, "mar_pos": "short", "mar_pos_size": 1,
            "pre_mar_pos": "long", "pre_mar_pos_size": 1, "order_comment": "y",
        }.items()
    ]  # fmt: skip
    changes += [(own, {"order_status": "created"}), (own, {"order_id1": 1}), (own, {"order_contracts": 1})]
    before = dump_tables(app)
    for rowid, change in changes:
        answer = executor.put("webhook", **{**executor.call("GET", f"signal/{rowid}").json, **change})
        assert (answer.status_code, answer.json["error"]) == (409, "conflict"), change
    assert dump_tables(app) == before


def test_values_that_nobody_can_set_are_named(client: FlaskClient, executor: Executor) -> None:
    store_pair(client)
    row = {**executor.waiting()[0], "slip": 5, "ticker2": "KO", "colour": "red", "bypass_ticker_status": True}
    assert executor.put("webhook", **row).json["ignored"] == ["colour", "slip", "ticker2"]


def test_a_fresh_token_does_instead_of_the_passphrase(
    client: FlaskClient, user_headers: dict[str, str], stale_headers: dict[str, str]
) -> None:
    body = {"rowid": store_alert(client), "order_status": "created"}
    assert client.put("/v4/webhook", json=body).status_code == 401
    assert client.put("/v4/webhook", json=body, headers=stale_headers).json["error"] == "fresh_token_required"
    assert client.put("/v4/webhook", json=body, headers=user_headers).json["order_status"] == "created"
    wrong = client.put("/v4/webhook", json={**body, "passphrase": "guess"}, headers=user_headers)
    assert (wrong.status_code, wrong.json["message"]) == (401, {"passphrase": "incorrect passphrase."})


def test_what_breaks_a_rule_is_named(app: Flask, client: FlaskClient, executor: Executor) -> None:
    row = {"rowid": store_alert(client)}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("rowid", {"rowid": None}),
        ("rowid", {"rowid": True}),
        ("order_status", {"order_status": "done"}),
        ("order_status", {"order_status": ["created", "error"]}),
        ("order_status", {"order_status": []}),
        ("order_contracts", {"order_contracts": 0}),
        ("order_id1", {"order_id1": 1.5}),
        ("price1", {"price1": "NaN"}),
        ("price2", {"price2": True}),
        ("status_msg", {"status_msg": 5}),
        ("error_msg", {"error_msg": {}}),
        ("timestamp", {"timestamp": "now"}),
        ("mar_pos_size", {"mar_pos_size": -1}),
    ]
    before = dump_tables(app)
    answers = [executor.put("webhook", **{**row, **wrong}) for _, wrong in rows]
    assert [(each.status_code, list(each.json["message"])) for each in answers] == [(400, [field]) for field, _ in rows]
    assert dump_tables(app) == before


# A signal of the executor's own


def test_a_leg_of_its_pair_is_traded_singly(app: Flask, client: FlaskClient, executor: Executor) -> None:
    """V is no stock of the executor's: as a leg of an active pair its signal goes where the pair is traded."""
    answer = executor.post("webhook", **SYNC)
    assert (answer.status_code, answer.json["message"]) == (201, "Signal created successfully.")
    (row,) = executor.waiting()
    assert (row["status_msg"], row["order_price"], row["ticker1"]) == ("created due to sync", None, "V")
    assert executor.is_sound(row)
    signal = get_signal(client, row["rowid"])
    assert signal["account"] == "external"
    assert "leg of the active pair MA-V" in signal["trace"][-1]["text"]
    executor.send(row)
    assert executor.filled(944, "V", 100, 60)["order_status"] == "filled"
    with app.app_context():
        assert db.session.execute(sa.select(Order.account_id, Order.side)).one()[1] == "sell"


def test_without_the_word_a_passive_leg_is_not_traded(client: FlaskClient, executor: Executor) -> None:
    answer = executor.post("webhook", **{**SYNC, "bypass_ticker_status": False})
    assert (answer.status_code, answer.json["status_msg"]) == (201, "passive ticker")
    assert executor.waiting() == []


def test_the_word_opens_nothing_but_legs_of_an_executor_s_active_pair(
    app: Flask, client: FlaskClient, executor: Executor
) -> None:
    make_stock(app, "OLD", activity=Activity.PASSIVE, account="external")
    make_pair(app, "KO-PEP", "1", account="paper")
    make_pair(app, "GM-F", "1", account="external", activity=Activity.PASSIVE)
    for ticker in ("OLD", "PEP", "F"):
        assert executor.post("webhook", **{**SYNC, "ticker": ticker}).json["order_status"] == "canceled", ticker
    assert executor.post("webhook", **{**SYNC, "ticker": "NONE"}).json["order_status"] == "error"
    assert executor.waiting() == []


def test_an_alert_of_a_chart_is_taken_too_and_its_repeat_is_known(client: FlaskClient, executor: Executor) -> None:
    body = {"ticker": "LNT", "order_action": "buy", "order_contracts": "100", "order_price": "400.2"}
    first = executor.post("webhook", **body)
    again = executor.post("webhook", **body)
    assert (first.status_code, again.status_code, again.json["duplicate"]) == (201, 200, True)
    assert first.json["rowid"] == again.json["rowid"]


def test_what_the_desk_sets_is_refused_by_name(app: Flask, executor: Executor) -> None:
    before = dump_tables(app)
    for name in ("price1", "price2", "order_id1", "fill_price", "rowid"):
        answer = executor.post("webhook", **SYNC, **{name: 1})
        assert (answer.status_code, list(answer.json["message"])) == (400, [name])
    for name, value in (("bypass_ticker_status", "yes"), ("status_msg", 5), ("order_contracts", 0)):
        answer = executor.post("webhook", **{**SYNC, name: value})
        assert (answer.status_code, list(answer.json["message"])) == (400, [name])
    assert dump_tables(app) == before


def test_refused_deliveries_are_on_record(
    client: FlaskClient, executor: Executor, admin_headers: dict[str, str]
) -> None:
    executor.post("webhook", **{**SYNC, "order_contracts": 0})
    (kept,) = client.get("/v3/refused", headers=admin_headers).json["refused"]
    assert "order_contracts" in kept["reason"]
    assert PASSPHRASE not in kept["body"]


def test_closed_reads_are_closed_here_too(database_url: str, tmp_path: Any) -> None:
    with closing_app(make_config(database_url, tmp_path, OPEN_READS="false")) as app:
        client = app.test_client()
        for path in ("signals/status/waiting/0", "signal/1", "ticker/LNT", "tickers/0", "pnl/1", "pnls/1", "pair/MA-V"):
            assert client.get(f"/v4/{path}").status_code == 401, path


def test_both_doors_lead_to_the_same_signal(client: FlaskClient, executor: Executor) -> None:
    body = {"ticker": "LNT", "signal_id": "one"}
    assert post_alert(client, **body).status_code == 201
    assert executor.post("webhook", **body, order_action="buy", order_contracts=100).json["duplicate"] is True
