"""DELETE of a stock, a pair or a signal that is in use: refused by name, and nothing is changed."""

import threading
import time

import pytest
import sqlalchemy as sa

from brokers.paper.instructions import Kind
from domain.enums import Activity, Side
from extensions import transaction
from models import Instrument, Pair, Signal
from services.catalog import pairs, stocks
from tests.support.book_rows import add, filled_signal, order, position
from tests.support.desk import Desk
from tests.support.factories import dump_tables, make_pair, make_stock, post_alert, store_alert, together

OK = (200, {"message": "Item deleted"})


@pytest.fixture
def admin(client, admin_headers):
    """A client whose every request carries the fresh token of an admin."""
    client.environ_base["HTTP_AUTHORIZATION"] = admin_headers["Authorization"]
    return client


@pytest.fixture
def desk(app, context, tmp_path):
    desk = Desk(app, tmp_path)
    yield desk
    desk.close()


def answer(response):
    return response.status_code, response.json


def refused(app, client, url):
    """Return the words of a 409 that has changed nothing."""
    before = dump_tables(app, "counters")
    response = client.delete(url)
    assert response.status_code == 409, response.text
    assert dump_tables(app, "counters") == before
    return response.json["message"]


def test_a_stock_that_is_held_stays(app, admin):
    make_stock(app, "LNT")
    add(app, position("LNT", "-2.5"), position("FTS", "5"))
    assert refused(app, admin, "/v3/stock/lnt") == "LNT is in use and was not deleted: -2.5 LNT held at paper."
    with app.app_context(), transaction() as session:
        session.execute(sa.text("update positions set quantity = '0' where symbol = 'LNT'"))
    assert answer(admin.delete("/v3/stock/LNT")) == OK


def test_a_stock_of_which_an_order_works_stays(app, admin):
    make_stock(app, "LNT")
    (number,) = add(app, order("LNT", "sell", "3", status="ACCEPTED", client_order_id="abc"))
    said = refused(app, admin, "/v3/stock/LNT")
    assert said == "LNT is in use and was not deleted: order abc (sell 3 LNT) is ACCEPTED at paper."
    with app.app_context(), transaction() as session:
        session.execute(sa.text("update orders set status = 'CANCELED' where id = :id"), {"id": number})
    assert answer(admin.delete("/v3/stock/LNT")) == OK


def test_a_stock_for_which_a_signal_waits_stays(app, admin):
    make_stock(app, "LNT")
    rowid = store_alert(admin, ticker="LNT")
    said = refused(app, admin, "/v3/stock/LNT")
    assert said == f"LNT is in use and was not deleted: signal {rowid} (buy LNT) is 'waiting' at paper."
    assert admin.delete(f"/v3/signal/{rowid}").status_code == 200
    assert answer(admin.delete("/v3/stock/LNT")) == OK


def test_a_signal_that_works_at_an_outside_executor_keeps_its_stock(app, admin):
    make_stock(app, "LNT", account="external")
    rowid = store_alert(admin, ticker="LNT")
    with app.app_context(), transaction() as session:
        session.get(Signal, rowid).status = "created"
    assert f"signal {rowid} (buy LNT) is 'created' at external" in refused(app, admin, "/v3/stock/LNT")
    with app.app_context(), transaction() as session:
        session.get(Signal, rowid).status = "filled"
    assert answer(admin.delete("/v3/stock/LNT")) == OK


def test_a_stock_that_is_held_as_a_leg_names_the_book_and_the_pair(app, admin):
    make_pair(app, "LNT-FTS")
    make_pair(app, "FTS-MA", activity=Activity.PASSIVE)
    add(app, position("FTS", "-7", name="LNT-FTS"))
    assert refused(app, admin, "/v3/stock/FTS") == (
        "FTS is in use and was not deleted: -7 FTS held at paper in the book of LNT-FTS; "
        "it is a leg of the pair LNT-FTS; it is a leg of the pair FTS-MA."
    )


def test_what_is_left_in_the_book_of_a_pair_that_is_gone_keeps_the_stock(app, admin):
    make_stock(app, "FTS")
    add(app, position("FTS", "-7", name="LNT-FTS"), order("FTS", name="LNT-FTS", status="QUEUED"))
    said = refused(app, admin, "/v3/stock/FTS")
    assert "-7 FTS held at paper in the book of LNT-FTS" in said
    assert "is QUEUED at paper" in said


def test_a_pair_that_is_held_worked_or_waited_for_stays(app, admin):
    make_pair(app, "LNT-FTS")
    rowid = store_alert(admin, ticker="LNT-FTS")
    add(
        app,
        position("LNT", "10", name="LNT-FTS"),
        position("FTS", "-10", name="LNT-FTS"),
        order("FTS", "buy", "1", name="LNT-FTS", leg=2, status="UNKNOWN", client_order_id="abc"),
        position("LNT", "3"),  # singly, which is not the pair's
    )
    assert refused(app, admin, "/v3/pair/lnt-fts") == (
        "LNT-FTS is in use and was not deleted: -10 FTS held at paper in the book of LNT-FTS; "
        "10 LNT held at paper in the book of LNT-FTS; order abc (buy 1 FTS) is UNKNOWN at paper; "
        f"signal {rowid} (buy LNT-FTS) is 'waiting' at paper."
    )


def test_a_long_list_is_cut_and_counted(app, admin):
    make_stock(app, "LNT")
    add(app, *(order("LNT", status="ACCEPTED", client_order_id=f"id-{n}") for n in range(8)))
    said = refused(app, admin, "/v3/stock/LNT")
    assert said.count("order id-") == 5
    assert said.endswith("; and 3 more.")


def test_an_exit_still_finds_the_stock_that_could_not_be_deleted(app, admin, desk):
    make_stock(app, "LNT")
    desk.alert("LNT")
    desk.work()
    assert "10 LNT held at paper" in refused(app, admin, "/v3/stock/LNT")
    exit_of = desk.alert("LNT", Side.SELL, position="flat")
    desk.work()
    assert desk.signal(exit_of).status == "filled"
    assert answer(admin.delete("/v3/stock/LNT")) == OK


def test_a_signal_with_a_working_order_stays_and_the_order_is_named(app, admin, desk):
    make_stock(app, "LNT")
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    (working,) = desk.orders(rowid)
    assert refused(app, admin, f"/v3/signal/{rowid}") == (
        f"Order {working.client_order_id} (buy 10 LNT) of this signal is ACCEPTED; cancel it first."
    )
    url = f"/v3/order/{working.client_order_id}/cancel"
    assert admin.post(url, json={"reason": "not wanted"}).status_code == 202
    assert "is CANCEL_PENDING; try again once the broker has answered." in refused(app, admin, f"/v3/signal/{rowid}")
    desk.work()
    assert answer(admin.delete(f"/v3/signal/{rowid}")) == OK


def test_a_signal_whose_outcome_is_not_known_stays(app, admin, desk):
    make_stock(app, "LNT")
    rowid = desk.alert("LNT")
    desk.plan()
    with transaction() as session:
        session.execute(sa.text("update orders set status = 'UNKNOWN'"))
    assert "is UNKNOWN; try again once the broker has answered." in refused(app, admin, f"/v3/signal/{rowid}")


def test_a_signal_whose_order_was_not_sent_is_deleted_at_once(app, admin, desk):
    make_stock(app, "LNT")
    rowid = desk.alert("LNT")
    desk.plan()
    assert [row.status for row in desk.orders(rowid)] == ["QUEUED"]
    assert answer(admin.delete(f"/v3/signal/{rowid}")) == OK
    assert (desk.orders(rowid), admin.get(f"/v3/signal/{rowid}").status_code) == ([], 404)
    assert not desk.submit()
    entry = admin.get("/v3/journal").json["entries"][0]
    assert (entry["actor"], entry["action"], entry["subject"]) == ("user admin", "signal deleted", f"signal {rowid}")
    assert entry["text"] == "LNT, 'created'"


@pytest.fixture(params=["LNT", "LNT-FTS"])
def ticker(request, app):
    """A stock, and a pair; both are registered."""
    if request.param == "LNT":
        make_stock(app, "LNT")
    else:
        make_pair(app, "LNT-FTS")
    return request.param


def url_of(ticker):
    return f"/v3/pair/{ticker}" if "-" in ticker else f"/v3/stock/{ticker}"


def test_an_alert_that_comes_while_its_stock_is_being_deleted_does_not_wait_for_it(
    app, other_app, admin, monkeypatch, ticker
):
    """The alert is decided on by what was registered before; the deletion has looked, and has not ended yet."""
    others = other_app.test_client()
    rowid = store_alert(others, ticker=ticker)  # so that this process remembers the stock
    assert admin.delete(f"/v3/signal/{rowid}").status_code == 200
    looked, go_on = threading.Event(), threading.Event()

    def pause(*args):
        looked.set()
        assert go_on.wait(5)

    monkeypatch.setattr(pairs if "-" in ticker else stocks, "record_values", pause)

    def alert():
        assert looked.wait(5)
        threading.Timer(0.4, go_on.set).start()
        return post_alert(others, ticker=ticker, order_contracts=7)

    deleted, told = together(lambda: admin.delete(url_of(ticker)), alert)
    assert answer(deleted) == OK
    assert (told.status_code, told.json["message"]) == (201, "recorded with unknown or passive ticker!")
    assert told.json["status_msg"] == "unknown ticker"


def test_a_deletion_waits_for_an_alert_that_is_being_stored(app, other_app, admin, ticker):
    """The alert is stored and not committed yet; the deletion looks only when it is there to be seen."""
    registered = sa.select(Pair.id).where(Pair.name == ticker)
    if "-" not in ticker:
        registered = sa.select(Instrument.id).where(Instrument.symbol == ticker)
    stored, results = threading.Event(), []

    def alert():
        with other_app.app_context(), transaction() as session:
            session.execute(registered.with_for_update(read=True, key_share=True))
            waiting = filled_signal(ticker, slip=None, status="waiting", filled_quantity=None, fill_price=None)
            session.add(waiting)
            session.flush()
            stored.set()
            time.sleep(0.4)

    def delete():
        assert stored.wait(5)
        results.append(admin.delete(url_of(ticker)))

    assert together(alert, delete) == [None, None]
    assert results[0].status_code == 409
    assert "is 'waiting' at paper" in results[0].json["message"]


def test_alerts_and_deletions_at_once_end_one_way_or_the_other(app, other_app, admin, ticker):
    others = other_app.test_client()
    for number in range(8):
        make_pair(app, ticker) if "-" in ticker else make_stock(app, ticker)
        deleted, told = together(
            lambda: admin.delete(url_of(ticker)),
            lambda n=number: post_alert(others, ticker=ticker, order_contracts=n + 1),
        )
        waits = told.json["message"] == "Signal created successfully."
        assert (deleted.status_code, waits) in ((409, True), (200, False)), (deleted.text, told.text)
        with app.app_context(), transaction() as session:
            session.execute(sa.update(Signal).values(status="canceled"))
