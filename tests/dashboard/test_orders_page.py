"""The list of orders, one order, and its forms."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from models import Order
from tests.dashboard.support import add_signal, plain_text, scalars
from tests.dashboard.trading import add_order, journal, send
from tests.support import book_rows

_ROW = re.compile(r'<tr data-key="o(\d+)">')


def rows_of(response):
    return [int(number) for number in _ROW.findall(response.text)]


def order_status(app, order_id):
    return scalars(app, sa.select(Order.status).where(Order.id == order_id))[0]


def pair_orders(app, **fields):
    """Store a signal of LNT-FTS with the orders of both legs; returns the numbers of all three."""
    signal = add_signal(app, name="LNT-FTS", ticker_type="pair", symbol1="LNT", symbol2="FTS", status="created")
    legs = [
        add_order(app, symbol=symbol, name="LNT-FTS", leg=leg, side=side, signal_id=signal, status="ACCEPTED", **fields)
        for leg, symbol, side in ((1, "LNT", "buy"), (2, "FTS", "sell"))
    ]
    return signal, *legs


def test_open_orders_alone_are_listed_unless_all_are_asked_for(app, member):
    done, working = add_order(app), add_order(app, status="ACCEPTED")
    assert rows_of(member.get("/orders")) == [working]
    assert "1 open order shown" in plain_text(member.get("/orders"))
    assert rows_of(member.get("/orders?show=all")) == [working, done]
    assert rows_of(member.get("/orders?status=FILLED")) == [done]


def test_a_line_tells_what_the_order_is_and_how_far_it_came(app, member):
    order_id = add_order(
        app,
        symbol="FTS",
        name="LNT-FTS",
        leg=2,
        side="sell",
        quantity="1250",
        status="PARTIALLY_FILLED",
        filled_quantity=Decimal(40),
        average_price=Decimal("48.91333333"),
        purpose="unwind",
        generation=2,
    )
    line = member.get("/orders").text.split(f'data-key="o{order_id}"')[1].split("</tr>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", line))
    for part in (
        "LNT-FTS",
        "leg 2",
        "FTS",
        "sell",
        "1,250",
        "40",
        "48.9133",
        "PARTIALLY_FILLED",
        "unwind, order 2 of leg 2",
    ):
        assert part in text
    assert f'href="/orders/{order_id}#cancel"' in line


def test_an_order_leads_to_its_signal(app, member):
    signal, leg1, _ = pair_orders(app)
    assert f'href="/signals/{signal}">{signal}</a>' in member.get("/orders").text
    assert f'href="/signals/{signal}">signal {signal}</a>' in member.get(f"/orders/{leg1}").text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=lnt-fts", "pair"),
        ("symbol=FTS", "leg2"),
        ("symbol=aapl", "single"),
        ("account=external", "none"),
        ("name=XYZ", "none"),
    ],
)
def test_filters_find_orders(app, member, query, expected):
    single = add_order(app, symbol="AAPL", status="ACCEPTED")
    _, leg1, leg2 = pair_orders(app)
    found = {"pair": [leg2, leg1], "leg2": [leg2], "single": [single], "none": []}[expected]
    response = member.get(f"/orders?{query}")
    assert response.status_code == 200
    assert rows_of(response) == found


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("show=some", "show", "must be one of: open, all"),
        ("status=nope", "status", "must be one of: QUEUED"),
        ("name=LNT%2BFTS", "name", "is not a name"),
        ("symbol=%00", "symbol", "control character"),
        ("account=mine", "account", "must be one of: "),
    ],
)
def test_a_wrong_filter_gets_its_message_beside_the_field(app, member, query, field, message):
    add_order(app, status="ACCEPTED")
    response = member.get(f"/orders?{query}")
    assert response.status_code == 400
    assert message in response.text.split(f'id="wrong-{field}">')[1].split("</p>")[0]
    assert rows_of(response) == []


@pytest.mark.parametrize("after", ["x", "-1", "1e3", "9" * 30])
def test_a_page_that_cannot_be_is_said_so(member, after):
    assert member.get(f"/orders?after={after}").status_code == 400


def test_older_orders_are_on_further_pages(app, member):
    numbers = book_rows.add(app, *(book_rows.order() for _ in range(60)))[::-1]
    first = member.get("/orders?show=all")
    assert rows_of(first) == numbers[:50]
    older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert rows_of(member.get(older)) == numbers[50:]


def test_an_empty_list_is_put_in_words(app, member):
    assert "No order is open." in plain_text(member.get("/orders"))
    assert "No orders yet." in plain_text(member.get("/orders?show=all"))
    assert "No open order fits these filters." in plain_text(member.get("/orders?symbol=LNT"))


def test_the_page_of_an_order_tells_facts_fills_and_moves(app, member):
    order_id = add_order(app, filled_quantity=Decimal(10), average_price=Decimal("50.5"), broker_order_id="b-77")
    at = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    book_rows.add(
        app,
        book_rows.fill(order_id, "6", "50.1", commission=Decimal("0.35"), realised=Decimal("-3"), at=at),
        book_rows.fill(order_id, "4", "51.1", commission=Decimal("0.25"), synthetic=True),
        book_rows.event(order_id, 2, "FILLED", from_status="ACCEPTED", cause="filled at the broker", actor="worker w1"),
    )
    text = plain_text(member.get(f"/orders/{order_id}"))
    for part in (
        "Broker's id b-77",
        "Purpose signal: as the alert asked",
        "Generation 1",
        "Filled 10 of 10",
        "Commission 0.60",
        "Realised -3.00",
        "14:30:00",
        "50.10",
        "synthetic",
        "ACCEPTED FILLED filled at the broker worker w1",
    ):
        assert part in text
    assert "Cancel it" not in text


@pytest.mark.parametrize("order_id", ["99", "0", "-1", "x", "1.5", "9" * 18, "9" * 40, "%00", "¹"])
def test_an_order_that_is_not_there_is_404(app, member, order_id):
    add_order(app)
    assert member.get(f"/orders/{order_id}").status_code == 404
    assert send(member, f"/orders/{order_id}", "cancel").status_code == 404


def test_canceling_a_leg_ends_both(app, member):
    _, leg1, leg2 = pair_orders(app)
    assert "both legs are canceled" in plain_text(member.get(f"/orders/{leg1}"))
    response = send(member, f"/orders/{leg1}", "cancel", reason="the spread has gone")
    assert (response.status_code, response.headers["Location"]) == (303, f"/orders/{leg1}")
    assert [order_status(app, leg) for leg in (leg1, leg2)] == ["CANCEL_PENDING"] * 2
    text = plain_text(member.get(f"/orders/{leg1}"))
    assert "The end of the order was asked for; the broker decides." in text
    assert "the spread has gone (user admin)" in text
    assert "Cancel order" not in text
    assert [entry[1:] for entry in journal(app)] == [("cancel", journal(app)[0][2], "the spread has gone")]


def test_a_queued_order_is_canceled_at_once_and_the_news_is_told_once(app, member):
    order_id = add_order(app, status="QUEUED")
    send(member, f"/orders/{order_id}", "cancel")
    assert order_status(app, order_id) == "CANCELED"
    assert "The order is canceled." in plain_text(member.get(f"/orders/{order_id}"))
    assert "The order is canceled." not in plain_text(member.get(f"/orders/{order_id}"))


def test_a_page_that_updates_itself_leaves_the_news_to_the_next_one(app, member):
    order_id = add_order(app, status="QUEUED")
    send(member, f"/orders/{order_id}", "cancel")
    assert "The order is canceled." not in plain_text(member.get("/", headers={"Sec-Fetch-Dest": "empty"}))
    assert "The order is canceled." in plain_text(member.get(f"/orders/{order_id}"))


def test_an_order_that_ended_meanwhile_is_said_so(app, member):
    order_id = add_order(app, status="FILLED")
    response = send(member, f"/orders/{order_id}", "cancel")
    assert response.status_code == 409
    assert "The order has ended before: it is FILLED." in plain_text(response)
    assert journal(app) == []


def test_a_manual_order_is_resolved_by_a_person(app, member):
    order_id = add_order(app, status="MANUAL")
    assert "It is not there" in plain_text(member.get(f"/orders/{order_id}"))
    assert send(member, f"/orders/{order_id}", "resolve", reason="looked twice").status_code == 303
    assert order_status(app, order_id) == "REJECTED"
    assert "It is not there" not in plain_text(member.get(f"/orders/{order_id}"))
    assert send(member, f"/orders/{order_id}", "resolve").status_code == 409


def test_a_person_says_which_of_the_broker_s_orders_a_manual_one_is(app, member):
    order_id = add_order(app, status="MANUAL")
    page = f"/orders/{order_id}"
    refused = send(member, page, "identify", reason="seen there", broker_order_id="")
    assert (refused.status_code, order_status(app, order_id)) == (400, "MANUAL")
    assert "is needed" in refused.text.split('id="wrong-broker_order_id">')[1].split("</p>")[0]
    assert send(member, page, "identify", reason="seen there", broker_order_id="B-17").status_code == 303
    assert order_status(app, order_id) == "UNKNOWN"
    assert "it is the broker's order B-17, which is looked up now" in plain_text(member.get(page))
    assert journal(app)[-1][3] == "is the broker's order B-17: seen there"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "is needed"),
        ("   ", "is needed"),
        ("x" * 201, "at most 200 are allowed"),
        ("a\nb", "line break"),
        ("a\x00b", "cannot be shown"),
    ],
)
def test_without_a_good_reason_nothing_is_done(app, member, reason, message):
    order_id = add_order(app, status="QUEUED")
    response = send(member, f"/orders/{order_id}", "cancel", reason=reason)
    assert response.status_code == 400
    assert message in response.text.split('id="wrong-reason">')[1].split("</p>")[0]
    assert order_status(app, order_id) == "QUEUED"


@pytest.mark.parametrize("deed", ["", "delete", "heal"])
def test_an_unknown_form_is_refused(app, member, deed):
    order_id = add_order(app, status="QUEUED")
    assert send(member, f"/orders/{order_id}", deed).status_code == 400
    assert order_status(app, order_id) == "QUEUED"
