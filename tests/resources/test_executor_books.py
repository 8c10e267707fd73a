"""What an outside executor reports reaches the desk's books: its orders, fills, positions and results."""

import logging
import threading
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from domain.enums import StopLevel
from extensions import db, transaction
from models import DailyResult, Fill, Order, OrderEvent, Position, Signal, SignalEvent, Stop
from services.account_lock import lock_accounts
from services.catalog.orphaned_positions import list_stranded
from services.execution import leg_timeouts, submit_orders
from services.execution.due import look
from services.interventions.edit_signal import cancel_signal
from services.ledger.books import read_books
from services.reports import drift
from services.reports.account_views import count_differences
from services.reports.unmonitored_accounts import list_unwatched
from tests.support import book_rows
from tests.support.desk import open_desk
from tests.support.factories import (
    PASSPHRASE,
    dump_tables,
    exact,
    get_signal,
    make_pair,
    make_stock,
    post_alert,
    store_alert,
    together,
)

D = Decimal


@pytest.fixture(autouse=True)
def registered(app: Flask) -> None:
    make_stock(app, "LNT", account="external")
    make_pair(app, "MA-V", "3", account="external")


def put_back(client: FlaskClient, **body: Any) -> Any:
    return client.put("/v3/webhook", json={"passphrase": PASSPHRASE, **body})


def report(client: FlaskClient, **body: Any) -> Any:
    return client.put("/v3/signal/updateorder", json={"passphrase": PASSPHRASE, **body})


def told(client: FlaskClient, **body: Any) -> Any:
    answer = report(client, **body)
    assert answer.status_code == 200, answer.text
    return exact(answer)


def sent(client: FlaskClient, order_id: int = 1001, order_id2: int | None = None, **alert: Any) -> int:
    rowid = store_alert(client, **alert)
    ids = {"order_id1": order_id} | ({} if order_id2 is None else {"order_id2": order_id2})
    assert put_back(client, rowid=rowid, order_status="created", **ids).status_code == 200
    return rowid


def sent_pair(client: FlaskClient, **alert: Any) -> int:
    return sent(client, 944, 945, **{"ticker": "MA-3*V", "order_contracts": 20, "order_price": -2.0, **alert})


def read(app: Flask, query: Any) -> list[tuple[Any, ...]]:
    with app.app_context():
        return [tuple(row) for row in db.session.execute(query)]


def orders(app: Flask) -> list[tuple[Any, ...]]:
    columns = (Order.leg, Order.symbol, Order.side, Order.quantity, Order.status, Order.filled_quantity)
    return read(app, sa.select(*columns).order_by(Order.id))


def fills(app: Flask) -> list[tuple[Any, ...]]:
    return read(app, sa.select(Fill.quantity, Fill.price).order_by(Fill.id))


def held(app: Flask) -> dict[str, tuple[Decimal, Decimal]]:
    query = sa.select(Position.symbol, Position.quantity, Position.average_price)
    return {symbol: (quantity, price) for symbol, quantity, price in read(app, query)}


def test_a_reported_fill_is_an_order_a_fill_and_a_position(app, client):
    rowid = sent(client, order_price=50)
    assert orders(app) == [(1, "LNT", "buy", 100, "ACCEPTED", 0)]
    told(client, order_id=1001, stk_price=50.25)
    assert orders(app) == [(1, "LNT", "buy", 100, "FILLED", 100)]
    assert (fills(app), held(app)) == ([(100, D("50.25"))], {"LNT": (100, D("50.25"))})
    (leg,) = get_signal(client, rowid)["legs"]
    assert (leg["order_id"], leg["average_price"], leg["status"]) == (1001, D("50.25"), "FILLED")
    moves = sa.select(SignalEvent.from_status, SignalEvent.to_status).order_by(SignalEvent.id)
    assert read(app, moves) == [("waiting", "created"), ("created", "filled")]


def test_what_an_exit_earns_stands_in_the_day_s_result(app, client):
    sent(client, 1)
    told(client, order_id=1, stk_price=50)
    sent(client, 2, order_action="sell", order_comment="out")
    told(client, order_id=2, stk_price=51.5)
    assert held(app) == {"LNT": (0, 0)}
    assert read(app, sa.select(DailyResult.realised, DailyResult.traded)) == [(150, 200)]


def test_a_report_that_is_repeated_changes_nothing(app, client):
    sent_pair(client)
    for order_id, price in ((944, 300.1), (945, 100.756)):
        told(client, order_id=order_id, stk_price=price)
        before = dump_tables(app)
        assert report(client, order_id=order_id, stk_price=price).status_code == 200
        assert dump_tables(app) == before
    assert held(app) == {"MA": (20, D("300.1")), "V": (-60, D("100.756"))}


def test_a_partial_amount_books_what_is_new_and_the_rest_at_the_price_that_makes_the_average_right(app, client):
    sent(client, order_contracts=100)
    told(client, order_id=1001, stk_price=50, partial=True, order_contracts=40)
    assert orders(app)[0][4:] == ("PARTIALLY_FILLED", 40)
    told(client, order_id=1001, stk_price=51, partial=True, order_contracts=60)
    assert fills(app) == [(40, 50), (20, 53)]
    row = told(client, order_id=1001, stk_price=52)
    assert (row["order_status"], row["stk_price1"], row["fill_price"]) == ("filled", 52, 52)
    assert fills(app)[2] == (40, D("53.5"))
    assert (held(app), orders(app)[0][4:]) == ({"LNT": (100, 52)}, ("FILLED", 100))


def test_an_older_partial_amount_changes_nothing(app, client):
    sent(client, order_contracts=100)
    told(client, order_id=1001, stk_price=51, partial=True, order_contracts=60)
    before = dump_tables(app)
    row = told(client, order_id=1001, stk_price=50, partial=True, order_contracts=40)
    assert (row["order_status"], row["order_contracts"], row["stk_price1"]) == ("part.filled", 60, 51)
    assert dump_tables(app) == before


def test_a_partial_amount_without_a_price_is_booked_at_the_alert_s_until_the_price_is_told(app, client):
    sent(client, order_contracts=100, order_price=49)
    told(client, order_id=1001, partial=True, order_contracts=40)
    assert read(app, sa.select(Fill.quantity, Fill.price, Fill.synthetic)) == [(40, 49, True)]
    told(client, order_id=1001, stk_price=50)
    assert held(app) == {"LNT": (100, 50)}


def test_a_cancel_ends_the_order_and_a_fill_that_crossed_it_is_booked(app, client):
    sent(client)
    told(client, order_id=1001, cancel=True)
    assert orders(app)[0][4] == "CANCELED"
    told(client, order_id=1001, stk_price=50)
    assert (orders(app)[0][4], held(app)) == ("FILLED", {"LNT": (100, 50)})


def test_a_cancel_of_what_is_partly_filled_ends_the_order_although_the_signal_stays(app, client):
    rowid = sent(client)
    told(client, order_id=1001, stk_price=50, partial=True, order_contracts=40)
    for _ in range(2):
        answer = report(client, order_id=1001, cancel=True)
        assert (answer.status_code, answer.json["error"]) == (409, "illegal_transition")
        assert (orders(app)[0][4:], get_signal(client, rowid)["order_status"]) == (("CANCELED", 40), "part.filled")
    assert held(app) == {"LNT": (40, 50)}


def test_a_leg_that_ends_unfilled_while_the_other_is_held_is_never_silent(app, client, caplog):
    rowid = sent_pair(client)
    told(client, order_id=944, stk_price=300)
    with caplog.at_level(logging.CRITICAL):
        assert report(client, order_id=945, cancel=True).status_code == 409
    row = get_signal(client, rowid)
    assert (row["order_status"], orders(app)[1][4]) == ("critical err", "CANCELED")
    assert "one leg without the other" in row["status_msg"]
    assert any("one leg without the other" in line.message for line in caplog.records)
    assert report(client, order_id=945, cancel=True).status_code == 409, "and a repeat does not make it canceled"
    assert get_signal(client, rowid)["order_status"] == "critical err"
    assert told(client, order_id=945, stk_price=100)["order_status"] == "filled"


def test_a_leg_that_is_filled_in_part_keeps_its_pair_from_being_filled(app, client):
    sent_pair(client)
    told(client, order_id=944, stk_price=300, partial=True, order_contracts=5)
    assert told(client, order_id=945, stk_price=100)["order_status"] == "filled(...)"
    assert told(client, order_id=944, stk_price=301)["order_status"] == "filled"
    assert held(app) == {"MA": (20, 301), "V": (-60, 100)}


def test_a_partial_amount_that_is_repeated_after_the_other_leg_was_filled_changes_nothing(app, client):
    sent_pair(client)
    told(client, order_id=944, stk_price=300, partial=True, order_contracts=5)
    told(client, order_id=945, stk_price=100)
    before = dump_tables(app)
    row = told(client, order_id=944, stk_price=300, partial=True, order_contracts=5)
    assert row["order_status"] == "filled(...)"
    assert dump_tables(app) == before


def test_amounts_of_a_leg_without_a_price_are_shown_and_booked_once_a_price_is_told(app, client, caplog):
    sent_pair(client)
    with caplog.at_level(logging.CRITICAL):
        for amount in (5, 8):
            assert told(client, order_id=944, partial=True, order_contracts=amount)["order_contracts"] == amount
    assert "without a price" in caplog.text
    assert held(app) == {}
    told(client, order_id=944, stk_price=300, partial=True, order_contracts=8)
    assert held(app) == {"MA": (8, 300)}


def test_a_partial_amount_of_leg_2_is_in_its_own_shares(app, client):
    sent_pair(client)
    told(client, order_id=945, stk_price=100, partial=True, order_contracts=45)
    assert orders(app)[1][3:] == (60, "PARTIALLY_FILLED", 45)
    answer = report(client, order_id=945, stk_price=100, partial=True, order_contracts=61)
    assert (answer.status_code, answer.json["message"]) == (
        400,
        {"order_contracts": "must be at most the 60 that were ordered"},
    )


def test_prices_that_are_put_back_with_filled_are_booked_too(app, client):
    rowid = store_alert(client, ticker="MA-3*V", order_contracts=20)
    assert put_back(client, rowid=rowid, order_status="filled", stk_price1=300.1, stk_price2=100).status_code == 200
    assert held(app) == {"MA": (20, D("300.1")), "V": (-60, 100)}


def test_a_price_that_comes_after_filled_is_booked(app, client):
    rowid = sent(client)
    assert put_back(client, rowid=rowid, order_status="filled").status_code == 200
    assert held(app) == {}
    assert told(client, order_id=1001, stk_price=50)["order_status"] == "filled"
    assert held(app) == {"LNT": (100, 50)}


def test_an_order_that_the_executor_replaces_leaves_what_it_filled(app, client):
    rowid = sent(client)
    told(client, order_id=1001, stk_price=50, partial=True, order_contracts=40)
    assert put_back(client, rowid=rowid, order_id1=1002).status_code == 200
    assert [order[3:] for order in orders(app)] == [(100, "REPLACED", 40), (60, "ACCEPTED", 0)]
    assert told(client, order_id=1002, stk_price=51)["order_status"] == "filled"
    assert held(app) == {"LNT": (100, D("50.6"))}


def test_an_order_id_that_is_used_again_makes_an_order_of_its_own(app, client):
    sent(client, 5)
    told(client, order_id=5, stk_price=50)
    sent(client, 5, order_comment="another")
    told(client, order_id=5, stk_price=52)
    assert (fills(app), held(app)) == ([(100, 50), (100, 52)], {"LNT": (200, 51)})


def test_a_signal_that_was_sent_before_its_orders_were_on_record_is_booked(app, client):
    rowid = sent_pair(client)
    told(client, order_id=944, stk_price=300)
    with app.app_context():  # as an older version left it: prices on the signal, and nothing in the books
        for table in (Fill, Position, DailyResult):
            db.session.execute(sa.delete(table))
        db.session.execute(sa.text("delete from order_events"))
        db.session.execute(sa.delete(Order))
        db.session.commit()
    assert told(client, order_id=945, stk_price=100)["rowid"] == rowid
    assert held(app) == {"MA": (20, 300), "V": (-60, 100)}


def test_amounts_that_cannot_be_are_refused_and_change_nothing(app, client):
    sent(client, order_contracts=10**11)
    before = dump_tables(app)
    answer = report(client, order_id=1001, stk_price=999999999999)
    assert (answer.status_code, list(answer.json["message"])) == (400, ["stk_price"])
    assert dump_tables(app) == before


def test_a_report_that_comes_twice_at_the_same_moment_is_booked_once(app, client):
    sent(client)
    clients = [app.test_client() for _ in range(4)]
    answers = together(*(partial(report, each, order_id=1001, stk_price=50) for each in clients))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert (fills(app), held(app)) == ([(100, 50)], {"LNT": (100, 50)})


def test_a_report_waits_for_whoever_decides_for_the_account(app, client):
    """Both book a fill of the same stock; whoever comes second must see what the first one booked."""
    sent(client)
    account = book_rows.account_id(app, "external")
    answers: list[Any] = []
    with app.app_context(), transaction() as session:
        lock_accounts(session, [account])
        position = book_rows.position("LNT", "5", "40", account_id=account)
        session.add(position)
        session.flush()
        thread = threading.Thread(target=lambda: answers.append(report(app.test_client(), order_id=1001, stk_price=50)))
        thread.start()
        thread.join(0.5)
        assert not answers
    thread.join()
    assert [answer.status_code for answer in answers] == [200]
    assert held(app)["LNT"][0] == 105


def test_a_leg_that_is_filled_after_its_pair_was_canceled_is_never_silent(app, client, caplog):
    rowid = sent_pair(client)
    told(client, order_id=944, cancel=True)
    assert get_signal(client, rowid)["order_status"] == "canceled"
    with caplog.at_level(logging.CRITICAL):
        row = told(client, order_id=945, stk_price=100)
    assert (row["order_status"], row["status_msg"]) == (
        "filled(...)",
        "one leg without the other: leg 1: canceled",
    )
    assert any("one leg without the other" in line.message for line in caplog.records)
    assert held(app) == {"V": (-60, 100)}


def test_a_leg_that_was_never_named_gets_no_order_by_the_reports_of_the_other(app, client):
    sent(client, 944, ticker="MA-3*V", order_contracts=20)
    for price in (300, 301):
        told(client, order_id=944, stk_price=price)
    assert [order[:2] for order in orders(app)] == [(1, "MA")]


def test_a_price_of_shares_that_are_booked_does_not_change_the_books(app, client):
    rowid = sent_pair(client)
    told(client, order_id=944, stk_price=300)
    assert told(client, order_id=944, stk_price=301)["stk_price1"] == 301
    assert (held(app)["MA"], len(fills(app))) == ((20, 300), 1)
    (leg, _) = get_signal(client, rowid)["legs"]
    causes = sa.select(OrderEvent.cause).where(OrderEvent.order_id == leg["order"]).order_by(OrderEvent.seq)
    assert read(app, causes)[-1] == ("reported again at 301; the books keep 300",)


def test_a_price_with_more_decimals_than_are_kept_is_booked_once(app, client):
    sent_pair(client)
    told(client, order_id=944, stk_price="300.12345678912")
    before = dump_tables(app)
    assert report(client, order_id=944, stk_price="300.12345678912").status_code == 200
    assert dump_tables(app) == before


def test_a_leg_that_is_larger_than_any_order_can_be_is_left_to_the_signal(app, client):
    make_pair(app, "X-Y", "1.5", account="external")
    sent(client, 11, 12, ticker="X-1.5*Y", order_contracts="666666666666.4")
    assert told(client, order_id=12, stk_price=1)["order_status"] == "filled(...)"
    assert [order[:2] for order in orders(app)] == [(1, "X")]
    assert told(client, order_id=11, stk_price=2)["order_status"] == "filled"
    assert held(app) == {"X": (D("666666666666.4"), 2)}


# What the desk's workers do not do with them


def statuses(app: Flask) -> list[str]:
    return [order[4] for order in orders(app)]


def test_no_worker_sends_expires_looks_up_or_cancels_an_executor_s_order(app, client, tmp_path: Path):
    sent_pair(client)
    told(client, order_id=944, stk_price=300, partial=True, order_contracts=5)
    external = book_rows.account_id(app, "external")
    with app.app_context(), open_desk(app, tmp_path) as desk:
        before = dump_tables(app, "account_states")
        desk.work()
        desk.look_up()
        desk.poll()
        assert submit_orders.reap("worker") == submit_orders.expire_orders("worker") == 0
        assert leg_timeouts.tend([desk.account_id], "worker") == 0
        assert dump_tables(app, "account_states") == before
        due = look([external, desk.account_id])
        assert (due.sending, due.asking) == (frozenset(), frozenset())


def test_a_stop_leaves_an_executor_s_orders_and_positions_alone_and_says_so(app, client, tmp_path: Path):
    from services.execution import stops

    sent(client)
    told(client, order_id=1001, stk_price=50, partial=True, order_contracts=40)
    with app.app_context(), open_desk(app, tmp_path) as desk:
        form = stops.StopForm(level=StopLevel.FLATTEN, scope=stops.Scope.DESK, reason="news")
        stops.set_stop(form, "user anna")
        stops.carry_out([desk.account_id], "worker")
        desk.work()
        progress = db.session.execute(sa.select(Stop.progress)).scalar_one()
    assert statuses(app) == ["PARTIALLY_FILLED"]
    assert "40 LNT at external" in progress
    assert "your own executor" in progress


def test_canceling_and_deleting_an_executor_s_signal_leaves_no_order_that_waits_for_a_worker(
    app, client, admin_headers
):
    rowid = sent(client)
    with app.app_context():
        cancel_signal(rowid, "not wanted", "user anna")
    assert statuses(app) == ["CANCELED"]
    told(client, order_id=1001, stk_price=50)
    assert statuses(app) == ["FILLED"], "it was filled all the same"
    assert client.delete(f"/v3/signal/{rowid}", headers=admin_headers).status_code == 409
    other = sent(client, 7, order_comment="other")
    assert put_back(client, rowid=other, order_status="error").status_code == 200
    assert client.delete(f"/v3/signal/{other}", headers=admin_headers).status_code == 200
    assert statuses(app) == ["FILLED"]


def test_an_executor_s_order_that_a_person_ends_asks_no_broker(app, client, admin_headers):
    sent(client)
    ((order_id,),) = read(app, sa.select(Order.id))
    answer = client.post(f"/v3/order/{order_id}/cancel", json={"reason": "it is gone there"}, headers=admin_headers)
    assert answer.status_code in (200, 202), answer.text
    assert statuses(app) == ["CANCELED"]


def test_the_lane_engine_sees_what_an_executor_holds_and_works(app, client):
    sent_pair(client)
    told(client, order_id=944, stk_price=300, partial=True, order_contracts=5)
    external = book_rows.account_id(app, "external")
    with app.app_context():
        from extensions import database_time, reading

        with reading() as session:
            book = read_books(session, [external], ["MA-V"], ["MA", "V"], database_time())[external]
    assert book.held["MA"]["MA-V"].quantity == 5
    assert {symbol: [(each.side, each.rest) for each in book.working[symbol]] for symbol in ("MA", "V")} == {
        "MA": [("buy", 15)],
        "V": [("sell", 60)],
    }


def test_a_stock_stays_at_the_account_where_an_executor_holds_it(app, client):
    sent(client)
    told(client, order_id=1001, stk_price=50)
    with pytest.raises(Exception, match="close that first, or name external"):
        make_stock(app, "LNT", account="paper")


def test_no_heal_is_proposed_for_what_an_executor_trades(app, client, admin_headers):
    sent_pair(client)
    told(client, order_id=944, stk_price=300)
    told(client, order_id=945, stk_price=100, partial=True, order_contracts=30)
    report(client, order_id=945, cancel=True)
    with app.app_context():
        (found,) = drift.report()
    assert (found.drift.within, found.drift.proposal, found.drift.note) == (False, None, drift.NOT_OURS)
    body = {"pair": "MA-V", "account": "external", "state": found.state, "reason": "drifted"}
    assert client.post("/v3/drift/heal", json=body, headers=admin_headers).status_code == 409


def test_an_executor_s_open_orders_do_not_call_for_a_worker(app, client):
    from services.reports.signal_queries import desk_state

    sent(client)
    with app.app_context():
        assert desk_state().open_orders == 0


def test_what_an_executor_holds_raises_no_alarm(app, client):
    sent_pair(client)
    told(client, order_id=944, stk_price=300)
    with app.app_context():
        assert [account.name for account in list_unwatched()] == []
        assert list_stranded() == []
        assert count_differences() == 0
        unbalanced = sa.select(Signal.id).where(Signal.unbalanced_at.is_not(None))
        assert db.session.execute(unbalanced).all() == []


def test_the_next_alert_of_an_executor_s_stock_is_taken_as_ever(app, client):
    sent(client)
    told(client, order_id=1001, stk_price=50, partial=True, order_contracts=40)
    answer = post_alert(client, order_action="sell", order_contracts=40)
    assert (answer.status_code, answer.json["order_status"]) == (201, "waiting")
