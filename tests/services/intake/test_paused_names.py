"""An alert for a paused stock or pair ends at once, unless there is something that it may close."""

import pytest

from domain.enums import Activity
from tests.support import book_rows
from tests.support.factories import get_signal, make_pair, make_stock, post_alert

PAUSED = [Activity.PASSIVE, Activity.WATCH]
CANCELED, WAITING = ("canceled", "passive ticker"), ("waiting", None)


def alert(client, ticker="LNT", **fields):
    response = post_alert(client, ticker=ticker, **fields)
    assert response.status_code == 201, response.text
    signal = get_signal(client, response.json["rowid"])
    return signal["order_status"], signal["status_msg"]


@pytest.fixture(params=PAUSED)
def paused(app, request):
    make_stock(app, "LNT", activity=request.param)
    return app


def test_it_ends_at_once_where_nothing_is_held(paused, client):
    book_rows.add(paused, book_rows.position("LNT", "0"), book_rows.order("LNT", status="FILLED"))
    assert alert(client) == CANCELED


@pytest.mark.parametrize("quantity", ["10", "-0.00000001"])
def test_it_waits_for_the_worker_where_a_position_is_held(paused, client, quantity):
    book_rows.add(paused, book_rows.position("LNT", quantity))
    assert alert(client) == WAITING


@pytest.mark.parametrize("status", ["QUEUED", "UNKNOWN", "ACCEPTED", "CANCEL_PENDING"])
def test_it_waits_for_the_worker_where_an_order_is_open(paused, client, status):
    book_rows.add(paused, book_rows.order("LNT", status=status))
    assert alert(client) == WAITING


def test_what_another_name_or_account_holds_is_not_its_own(paused, client):
    other = book_rows.account_id(paused, "external")
    book_rows.add(
        paused,
        book_rows.position("LNT", "10", account_id=other),
        book_rows.position("LNT", "10", name="LNT-FTS"),
        book_rows.order("LNT", status="ACCEPTED", name="LNT-FTS"),
        book_rows.order("LNT", status="ACCEPTED", account_id=other),
    )
    assert alert(client) == CANCELED


def test_a_paused_pair_waits_where_a_leg_of_it_is_held(app, client):
    make_pair(app, "LNT-FTS", "2")
    make_pair(app, "LNT-FTS", "2", activity=Activity.PASSIVE)
    assert alert(client, "LNT-2*FTS", order_comment="flat") == CANCELED
    book_rows.add(app, book_rows.position("FTS", "-20", name="LNT-FTS"))
    assert alert(client, "LNT-2*FTS") == WAITING


def test_an_outside_executor_is_handed_nothing_that_is_paused(app, client):
    make_stock(app, "LNT", activity=Activity.PASSIVE, account="external")
    book_rows.add(app, book_rows.position("LNT", "10", account_id=book_rows.account_id(app, "external")))
    assert alert(client) == CANCELED
