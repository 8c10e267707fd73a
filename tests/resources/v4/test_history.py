"""The history of the account that an executor trades."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests.resources.v4.executor import Executor
from tests.support.factories import dump_tables, exact

MONEY = {
    "AvailableFunds": 31000, "BuyingPower": 103295, "GrossPositionValue": 103809, "MaintMarginReq": 31600, "NetLiquidation": 62588,
    "DailyPnL": -1, "RealizedPnL": -1, "UnrealizedPnL": -1000.5,
}  # fmt: skip


def test_records_are_added_changed_and_listed_newest_first(
    client: FlaskClient, executor: Executor, user_headers: dict[str, str]
) -> None:
    first = executor.post("regpnl", **MONEY)
    assert (first.status_code, first.json["message"]) == (201, "'record' created successfully.")
    second = executor.post("regpnl", NetLiquidation=1, timestamp="2026-11-30 14:30:00").json["rowid"]
    page = exact(client.get("/v4/pnl/0", headers=user_headers))
    assert [row["rowid"] for row in page["signals"]] == [second, first.json["rowid"]]
    assert page["signals"] == page["pnls"] == exact(client.get("/v4/pnls/0", headers=user_headers))["pnls"]
    assert page["pnls"][1].items() >= MONEY.items()
    assert (
        page["pnls"][0].items()
        >= {"timestamp": "2026-11-30 14:30:00", "NetLiquidation": 1, "BuyingPower": None}.items()
    )
    changed = executor.put("regpnl", rowid=second, timestamp="2026-11-30 15:00:00", BuyingPower=2)
    assert changed.status_code == 200
    figures = {"timestamp": "2026-11-30 15:00:00", "NetLiquidation": 1, "BuyingPower": 2}
    assert exact(changed).items() >= figures.items()
    assert executor.put("regpnl", rowid=second, BuyingPower=3).json["timestamp"] == "2026-11-30 15:00:00"
    assert len(client.get("/v4/pnl/1", headers=user_headers).json["pnls"]) == 1


def test_strangers_see_that_there_are_records_and_no_money(
    client: FlaskClient, executor: Executor, user_headers: dict[str, str]
) -> None:
    for _ in range(7):
        executor.post("regpnl", **MONEY)
    for path in ("pnl/0", "pnls/0", "pnl/100"):
        rows = executor.get(path)["signals"]
        assert len(rows) == 5
        assert {value for row in rows for name, value in row.items() if name in MONEY} == {None}
    assert len(client.get("/v4/pnl/0", headers=user_headers).json["pnls"]) == 7
    assert client.get("/v4/pnl/0", headers={"Authorization": "Bearer x"}).status_code == 401


def test_what_breaks_a_rule_is_named(app: Flask, executor: Executor) -> None:
    rowid = executor.post("regpnl", **MONEY).json["rowid"]
    before = dump_tables(app)
    rows: list[tuple[str, dict[str, Any]]] = [
        ("NetLiquidation", {"NetLiquidation": "much"}),
        ("DailyPnL", {"DailyPnL": 10**13}),
        ("BuyingPower", {"BuyingPower": True}),
        ("timestamp", {"timestamp": "yesterday"}),
    ]
    for method, more in (("POST", {}), ("PUT", {"rowid": rowid})):
        answers = [
            executor.post("regpnl", **wrong) if method == "POST" else executor.put("regpnl", **more, **wrong)
            for _, wrong in rows
        ]
        told = [(answer.status_code, list(answer.json["message"])) for answer in answers]
        assert told == [(400, [field]) for field, _ in rows]
    for wrong in (None, 0, -1, 1.5, "x", True):
        assert list(executor.put("regpnl", rowid=wrong).json["message"]) == ["rowid"]
    assert executor.put("regpnl", rowid=10**9).status_code == 404
    assert [executor.call("GET", f"pnl/{text}").status_code for text in ("-1", "x", "1.5")] == [400] * 3
    assert dump_tables(app) == before


def test_only_who_knows_the_passphrase_writes(app: Flask, executor: Executor) -> None:
    before = dump_tables(app, "counters", "rate_limits")
    for method in ("POST", "PUT"):
        wrong = executor.call(method, "regpnl", passphrase="guess", rowid=1)
        assert (wrong.status_code, wrong.json["message"]) == (401, {"passphrase": "incorrect passphrase."})
        assert list(executor.call(method, "regpnl", rowid=1).json["message"]) == ["passphrase"]
    assert dump_tables(app, "counters", "rate_limits") == before
