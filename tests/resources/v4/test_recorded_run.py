"""The calls of a program beside Interactive Brokers, in its order, carry a pair from `waiting` to `filled`."""

from decimal import Decimal
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.resources.v4.executor import Executor
from tests.support.factories import exact, get_signal, store_alert

D = Decimal
ROW = {
    "rowid", "timestamp", "ticker", "order_action", "order_contracts", "order_price", "mar_pos", "mar_pos_size",
    "pre_mar_pos", "pre_mar_pos_size", "order_comment", "order_status", "ticker_type", "ticker1", "ticker2",
    "hedge_param", "order_id1", "order_id2", "price1", "price2", "fill_price", "slip", "error_msg", "status_msg",
}  # fmt: skip


def enter(client: FlaskClient, **more: Any) -> int:
    """Let the chart say that 20 of the spread are bought."""
    position = {"mar_pos": "long", "mar_pos_size": 20, "pre_mar_pos": "flat", "pre_mar_pos_size": 0}
    return store_alert(client, **{"ticker": "MA-3*V", "order_contracts": 20, "order_price": -2.0, **position, **more})


def test_a_pair_goes_from_waiting_to_filled(
    app: Flask, client: FlaskClient, executor: Executor, admin_headers: dict[str, str]
) -> None:
    rowid = enter(client)

    (row,) = executor.waiting()
    assert executor.waiting("rerouted") == []
    assert row.keys() == ROW
    assert (row["rowid"], row["order_status"], row["ticker1"], row["ticker2"]) == (rowid, "waiting", "MA", "V")
    assert executor.is_sound(row)
    sent = executor.send(row)
    assert (sent["order_status"], sent["order_id1"], sent["order_id2"]) == ("created", 944, 945)
    assert "timestamp" not in sent
    assert executor.waiting() == []

    part = executor.filled(944, "MA", 300.0, 8)
    assert (part["order_status"], part["status_msg"]) == ("part.filled", "remained(MA): 12; remained(V): 60")
    whole = executor.filled(944, "MA", 300.1, 20)
    assert (whole["order_status"], whole["price1"], whole["fill_price"]) == ("filled(...)", D("300.1"), None)
    assert whole["order_contracts"] == 20
    last = executor.filled(945, "V", 100.756, 60)
    assert (last["order_status"], last["fill_price"], last["slip"]) == ("filled", D("-2.168"), D("0.168"))
    assert last["status_msg"] is None
    for report in ((944, "MA", 300.1, 20.0), (945, "V", 100.756, 60.0)):  # those of a day come again and again
        assert executor.filled(*report)["order_status"] == "filled"

    for symbol, held, cost, gain in (("MA", 20, 300.148, -12), ("V", -60, 100.74, 4)):
        told = {"symbol": symbol, "active_pos": held, "active_cost": cost, "active_pnl": gain}
        assert executor.put("ticker/updatepnl", **told).status_code == 200
    money = {"AvailableFunds": 31000.0, "NetLiquidation": 62588.0, "DailyPnL": -1.0}
    assert executor.post("regpnl", **money).status_code == 201
    (latest,) = executor.get("pnl/1")["signals"]
    changed = executor.put("regpnl", rowid=latest["rowid"], timestamp="2026-11-30 14:30:00", DailyPnL=-8.0)
    assert (exact(changed)["NetLiquidation"], exact(changed)["DailyPnL"]) == (62588, -8)

    assert {status for *_, status in executor.calls} == {200, 201}
    assert executor.get(f"signal/{rowid}")["order_status"] == "filled"
    desk = get_signal(client, rowid)
    assert (desk["fill_price"], desk["slip"], desk["account"]) == (D("-2.168"), D("0.168"), "external")
    positions = exact(client.get("/v3/positions", headers=admin_headers))["positions"]
    held_of = {row["symbol"]: (row["quantity"], row["average_price"]) for row in positions}
    assert held_of == {"MA": (20, D("300.1")), "V": (-60, D("100.756"))}


def test_a_rerouted_signal_comes_back_and_is_sent(client: FlaskClient, executor: Executor) -> None:
    rowid = enter(client)
    (row,) = executor.waiting()
    refused = {**row, "order_status": "rerouted", "status_msg": "+route", "error_msg": "| 944/200 - No definition"}
    assert executor.put("webhook", **refused).status_code == 200
    (again,) = executor.waiting("rerouted")
    assert (again["rowid"], again["status_msg"], again["error_msg"]) == (rowid, "+route", "| 944/200 - No definition")
    assert executor.send(again)["order_status"] == "created"


def test_an_exit_closes_what_the_entry_opened(
    client: FlaskClient, executor: Executor, admin_headers: dict[str, str]
) -> None:
    enter(client)
    executor.send(executor.waiting()[0])
    executor.filled(944, "MA", 300.1, 20)
    executor.filled(945, "V", 100.756, 60)
    flat = {"mar_pos": "flat", "mar_pos_size": 0, "pre_mar_pos": "long", "pre_mar_pos_size": 20}
    enter(client, order_action="sell", order_price=-1.5, **flat)
    (row,) = executor.waiting()
    assert executor.is_sound(row)
    executor.send(row)
    executor.filled(946, "MA", 302, 20)
    last = executor.filled(947, "V", 101, 60)
    assert (last["order_status"], last["fill_price"], last["slip"]) == ("filled", -1, D("0.5"))
    assert client.get("/v3/positions", headers=admin_headers).json["positions"] == []
    (result,) = exact(client.get("/v3/pnl?group=account", headers=admin_headers))["lines"]
    assert result["realised"] == D("23.36")  # 20 × 1.9 earned, 60 × 0.244 lost
