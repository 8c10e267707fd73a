"""What is told of each order by its id and symbol: shares as told, not as estimated, and never twice."""

import logging
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from extensions import db
from models import Fill, Order, Position
from tests.resources.v4.executor import Executor
from tests.support.factories import dump_tables, exact, get_signal, make_pair, store_alert

D = Decimal


def sent(client: FlaskClient, executor: Executor, **alert: Any) -> int:
    """Store an alert and let the executor send it."""
    rowid = store_alert(client, **alert)
    executor.send(next(row for row in executor.waiting() if row["rowid"] == rowid))
    return rowid


def sent_pair(client: FlaskClient, executor: Executor, **alert: Any) -> int:
    return sent(client, executor, **{"ticker": "MA-3*V", "order_contracts": 20, "order_price": -2.0, **alert})


def orders(app: Flask) -> list[tuple[Any, ...]]:
    with app.app_context():
        query = sa.select(Order.leg, Order.quantity, Order.status, Order.filled_quantity).order_by(Order.id)
        return [tuple(row) for row in db.session.execute(query)]


def held(app: Flask) -> dict[str, tuple[Decimal, Decimal]]:
    with app.app_context():
        query = sa.select(Position.symbol, Position.quantity, Position.average_price)
        return {symbol: (quantity, price) for symbol, quantity, price in db.session.execute(query)}


def test_less_than_all_is_filled_in_part(app: Flask, client: FlaskClient, executor: Executor) -> None:
    sent(client, executor)
    row = executor.filled(944, "LNT", 50, 40)
    assert (row["order_status"], row["status_msg"], row["price1"]) == ("part.filled", "remained: 60", 50)
    assert (orders(app), held(app)) == ([(1, 100, "PARTIALLY_FILLED", 40)], {"LNT": (40, 50)})
    row = executor.filled(944, "LNT", 51, 100)
    assert (row["order_status"], row["fill_price"], row["status_msg"]) == ("filled", 51, None)
    with app.app_context():
        fills = db.session.execute(sa.select(Fill.quantity, Fill.price).order_by(Fill.id)).all()
    assert [tuple(fill) for fill in fills] == [(40, 50), (60, D("51.66666667"))]
    assert held(app)["LNT"][0] == 100


def test_one_leg_and_a_part_of_the_other_is_filled_in_part(client: FlaskClient, executor: Executor) -> None:
    sent_pair(client, executor)
    executor.filled(944, "MA", 300.1, 20)
    row = executor.filled(945, "V", 100, 59)
    assert (row["order_status"], row["status_msg"]) == ("part.filled", "remained(V): 1")
    assert executor.filled(945, "V", 100.756, 60)["order_status"] == "filled"


def test_a_report_that_is_repeated_or_late_changes_nothing(app: Flask, client: FlaskClient, executor: Executor) -> None:
    sent_pair(client, executor)
    for report in ((944, "MA", 300, 8), (944, "MA", 300.1, 20), (945, "V", 100, 30), (945, "V", 100.756, 60)):
        executor.filled(*report)
        before = dump_tables(app)
        executor.filled(*report)
        executor.filled(report[0], report[1], 299, report[3] - 1)
        assert dump_tables(app) == before


def test_leg_2_counts_with_the_shares_that_are_told(app: Flask, client: FlaskClient, executor: Executor) -> None:
    """7 × 0.8 is 5.6: the desk would have ordered 6 of leg 2, and the executor has ordered 5."""
    make_pair(app, "KO-PEP", "0.8", account="external")
    sent(client, executor, ticker="KO-0.8*PEP", order_contracts=7, order_price=10)
    executor.filled(944, "KO", 60, 7)
    assert executor.filled(945, "PEP", 170, 4)["order_status"] == "part.filled"
    row = executor.filled(945, "PEP", 170, 5)
    assert (row["order_status"], row["fill_price"]) == ("filled", -76)
    assert orders(app)[1] == (2, 5, "FILLED", 5)
    assert held(app) == {"KO": (7, 60), "PEP": (-5, 170)}
    row = executor.filled(945, "PEP", 170, 6)
    assert (row["order_status"], held(app)["PEP"]) == ("filled", (-6, 170)), "it was 6 after all"


def test_leg_2_first_counts_as_told_too(app: Flask, client: FlaskClient, executor: Executor) -> None:
    make_pair(app, "KO-PEP", "0.8", account="external")
    sent(client, executor, ticker="KO-0.8*PEP", order_contracts=7)
    assert executor.filled(945, "PEP", 170, 5)["order_status"] == "filled(...)"
    assert executor.filled(944, "KO", 60, 7)["order_status"] == "filled"


def test_more_of_leg_2_than_the_hedge_asks_for_is_booked(app: Flask, client: FlaskClient, executor: Executor) -> None:
    """An executor that brings leg 2 in step with its account trades another amount than the hedge ratio says."""
    sent_pair(client, executor)
    executor.filled(944, "MA", 300, 20)
    assert executor.filled(945, "V", 100, 75)["order_status"] == "filled"
    assert (orders(app)[1], held(app)["V"]) == ((2, 75, "FILLED", 75), (-75, 100))


def test_leg_2_larger_than_any_estimate_is_booked_as_told(app: Flask, client: FlaskClient, executor: Executor) -> None:
    make_pair(app, "X-Y", "1.5", account="external")
    sent(client, executor, ticker="X-1.5*Y", order_contracts="666666666666.4")
    executor.filled(945, "Y", 1, 1000)
    assert held(app) == {"Y": (-1000, 1)}


def test_more_of_leg_1_than_was_ordered_is_refused(app: Flask, client: FlaskClient, executor: Executor) -> None:
    sent(client, executor)
    before = dump_tables(app)
    answer = executor.fill(944, "LNT", 50, 100.5)
    assert (answer.status_code, answer.json["message"]) == (
        400,
        {"filled_qty": "must be at most the 100 that were ordered"},
    )
    assert dump_tables(app) == before


def test_the_order_is_found_by_its_id_and_its_symbol(app: Flask, client: FlaskClient, executor: Executor) -> None:
    """The program begins to count anew from time to time, so another signal may have the same number."""
    first = sent_pair(client, executor)
    other = sent(client, Executor(client, 945))
    assert executor.filled(945, "V", 100, 60)["rowid"] == first
    assert executor.filled(945, "LNT", 50, 100)["rowid"] == other
    before = dump_tables(app)
    for order_id, symbol in ((944, "V"), (945, "MA"), (944, "AAPL"), (1, "MA"), (944, "NONE")):
        answer = executor.fill(order_id, symbol, 1, 1)
        assert (answer.status_code, answer.json["error"]) == (404, "not_found"), (order_id, symbol)
    assert dump_tables(app) == before


def test_symbols_may_be_written_as_brokers_write_them(client: FlaskClient, executor: Executor) -> None:
    share, currency = sent(client, executor, ticker="BF.A"), sent(client, executor, ticker="FX:EURUSD")
    assert executor.filled(944, "BF A", 60, 100)["rowid"] == share
    assert executor.filled(945, "EUR", 1.1, 100)["rowid"] == currency


def test_an_order_without_a_told_amount_is_filled_whole(client: FlaskClient, executor: Executor) -> None:
    sent(client, executor)
    answer = executor.put("signal/updateorder", order_id=944, symbol="LNT", price=50)
    assert (answer.status_code, answer.json["order_status"]) == (200, "filled")


def test_a_partial_amount_is_shown_as_in_v3(client: FlaskClient, executor: Executor) -> None:
    sent(client, executor)
    more = {"order_id": 944, "symbol": "LNT", "price": 50, "filled_qty": 40, "partial": True, "order_contracts": 40}
    row = exact(executor.put("signal/updateorder", **more))
    assert (row["order_status"], row["order_contracts"]) == ("part.filled", 40)


def test_the_cancel_of_leg_1_is_that_of_its_pair(app: Flask, client: FlaskClient, executor: Executor) -> None:
    sent_pair(client, executor)
    answer = executor.cancel(944, "MA")
    assert (answer.status_code, answer.json["order_status"], answer.json["price1"]) == (200, "canceled", None)
    assert [order[2] for order in orders(app)] == ["CANCELED", "CANCELED"]


def test_the_cancel_of_what_is_filled_in_part_ends_both_legs_and_says_what_is_held(
    app: Flask, client: FlaskClient, executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    balanced, lone = sent_pair(client, executor), sent_pair(client, executor, order_contracts=10)
    executor.filled(944, "MA", 300, 8)
    executor.filled(945, "V", 100, 24)
    executor.filled(946, "MA", 300, 4)
    with caplog.at_level(logging.CRITICAL):
        answers = [executor.cancel(order_id, "MA") for order_id in (944, 946)]
    assert [(answer.status_code, answer.json["error"]) for answer in answers] == [(409, "illegal_transition")] * 2
    assert [order[2] for order in orders(app)] == ["CANCELED"] * 4
    assert get_signal(client, balanced)["order_status"] == "part.filled"
    row = get_signal(client, lone)
    assert (row["order_status"], "one leg without the other" in row["status_msg"]) == ("critical err", True)
    assert len([line for line in caplog.records if "one leg without the other" in line.message]) == 1


def test_a_fill_that_crossed_the_cancel_counts(app: Flask, client: FlaskClient, executor: Executor) -> None:
    sent(client, executor)
    executor.cancel(944, "LNT")
    assert executor.filled(944, "LNT", 50, 30)["order_status"] == "part.filled"
    assert executor.filled(944, "LNT", 50, 100)["order_status"] == "filled"
    assert held(app) == {"LNT": (100, 50)}


def test_a_filled_signal_is_neither_canceled_nor_filled_at_another_price(
    app: Flask, client: FlaskClient, executor: Executor
) -> None:
    sent(client, executor)
    executor.filled(944, "LNT", 50, 100)
    before = dump_tables(app)
    assert executor.cancel(944, "LNT").status_code == 409
    assert executor.fill(944, "LNT", 51, 100).status_code == 409
    assert dump_tables(app) == before


def test_an_order_of_the_desk_takes_fills_from_its_broker_only(
    app: Flask, client: FlaskClient, executor: Executor
) -> None:
    from extensions import transaction
    from models import Signal

    rowid = store_alert(client, ticker="AAPL")
    with app.app_context(), transaction() as session:
        session.get_one(Signal, rowid).order_id1 = "42"
    before = dump_tables(app)
    for answer in (executor.fill(42, "AAPL", 50, 100), executor.cancel(42, "AAPL")):
        assert (answer.status_code, answer.json["error"]) == (409, "conflict")
    assert dump_tables(app) == before


def test_what_breaks_a_rule_is_named(app: Flask, client: FlaskClient, executor: Executor) -> None:
    sent(client, executor)
    base = {"order_id": 944, "symbol": "LNT", "price": 50, "filled_qty": 100}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("order_id", {"order_id": None}),
        ("order_id", {"order_id": True}),
        ("symbol", {"symbol": None}),
        ("symbol", {"symbol": " "}),
        ("symbol", {"symbol": 5}),
        ("symbol", {"symbol": "x" * 65}),
        ("price", {"price": None}),
        ("price", {"price": "NaN"}),
        ("filled_qty", {"filled_qty": 0}),
        ("filled_qty", {"filled_qty": -1}),
        ("filled_qty", {"filled_qty": "many"}),
        ("filled_qty", {"filled_qty": 10**13}),
        ("cancel", {"cancel": 1}),
        ("cancel", {"cancel": True, "partial": True}),
        ("partial", {"partial": "true"}),
        ("order_contracts", {"partial": True}),
        ("order_contracts", {"partial": True, "order_contracts": 101}),
    ]
    before = dump_tables(app)
    answers = [executor.put("signal/updateorder", **{**base, **wrong}) for _, wrong in rows]
    assert [(each.status_code, list(each.json["message"])) for each in answers] == [(400, [field]) for field, _ in rows]
    assert dump_tables(app) == before


def test_a_price_that_no_book_can_hold_is_named_as_v4_writes_it(
    app: Flask, client: FlaskClient, executor: Executor
) -> None:
    sent(client, executor, order_contracts=10**11)
    before = dump_tables(app)
    answer = executor.fill(944, "LNT", 999999999999, 10**11)
    assert (answer.status_code, list(answer.json["message"])) == (400, ["price"])
    assert dump_tables(app) == before


def test_a_wrong_passphrase_changes_nothing(app: Flask, client: FlaskClient, executor: Executor) -> None:
    sent(client, executor)
    before = dump_tables(app, "counters", "rate_limits")
    body = {"order_id": 944, "symbol": "LNT", "price": 50, "filled_qty": 100, "passphrase": "guess"}
    answer = executor.call("PUT", "signal/updateorder", **body)
    assert (answer.status_code, answer.json["message"]) == (401, {"passphrase": "incorrect passphrase."})
    assert dump_tables(app, "counters", "rate_limits") == before
