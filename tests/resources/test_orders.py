"""Orders, fills and events: filters, pages without gaps, and one order with all that happened to it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from models import JournalEntry, Order
from tests.support import book_rows as rows
from tests.support.factories import exact, store_alert

NOON = rows.NOON


def get(client, path, headers, **query):
    response = client.get(path, query_string=query, headers=headers)
    assert response.status_code == 200, response.text
    return exact(response)


def numbers(client, headers, **query):
    return [order["order"] for order in get(client, "/v3/orders", headers, **query)["orders"]]


@pytest.fixture
def book(app):
    """24 orders: their numbers by symbol; the last is the newest."""
    kinds = (
        {"symbol": "LNT"},
        {"symbol": "FTS", "side": "sell", "name": "LNT-FTS"},
        {"symbol": "BF.A", "status": "REJECTED"},
        {"symbol": "MA", "status": "ACCEPTED", "account_id": rows.account_id(app, "external"), "purpose": "unwind"},
    )
    stored = {kind["symbol"]: [] for kind in kinds}
    for n in range(24):
        kind = kinds[n % 4]
        (number,) = rows.add(app, rows.order(**kind, created_at=NOON - timedelta(minutes=24 - n)))
        stored[kind["symbol"]].append(number)
    return stored


def newest(*lists):
    return sorted((number for one in lists for number in one), reverse=True)


def test_orders_are_listed_newest_first(book, client, user_headers):
    assert numbers(client, user_headers) == newest(*book.values())
    assert numbers(client, user_headers, limit=3) == newest(*book.values())[:3]


def test_an_order_list_has_every_field(app, client, user_headers):
    (number,) = rows.add(app, rows.order("MA", "sell", "2.5", name="MA-V", leg=2, limit_price=Decimal("1.25"), reason="x", average_price=Decimal("1.5"), broker_order_id="b-1", created_at=NOON, not_after=NOON + timedelta(seconds=120), sent_at=NOON, cancel_requested_at=NOON, cancel_reason="by hand", is_exit=True))  # fmt: skip
    assert get(client, "/v3/orders", user_headers)["orders"] == [
        {
            "order": number, "client_order_id": order_of(app, number).client_order_id, "broker_order_id": "b-1", "signal": None,
            "leg": 2, "generation": 1, "name": "MA-V", "purpose": "signal", "is_exit": True, "attached": False, "account": "paper",
            "symbol": "MA", "asset_class": "STK", "currency": "USD", "side": "sell", "quantity": Decimal("2.5"), "order_type": "MARKET",
            "time_in_force": "DAY", "limit_price": Decimal("1.25"), "stop_price": None, "trail_percent": None, "trail_price": None, "extended_hours": False, "status": "FILLED", "reason": "x", "filled_quantity": 0,
            "average_price": Decimal("1.5"), "created_at": "2026-11-20T12:00:00.000000Z", "not_after": "2026-11-20T12:02:00.000000Z",
            "sent_at": "2026-11-20T12:00:00.000000Z", "send_attempts": 0, "lookups": 0,
            "cancel_requested_at": "2026-11-20T12:00:00.000000Z", "cancel_reason": "by hand",
        }
    ]  # fmt: skip


def order_of(app, number):
    with app.app_context():
        return rows.db.session.get(Order, number)


def test_orders_are_filtered(book, client, user_headers):
    def by(**query):
        return numbers(client, user_headers, **query)

    everything = newest(*book.values())
    assert by(symbol="lnt") == by(name="LNT") == newest(book["LNT"])
    assert by(name="lnt-fts") == by(side="sell") == by(symbol="FTS") == newest(book["FTS"])
    assert by(status="REJECTED") == by(symbol="BF.A") == newest(book["BF.A"])
    assert by(account="external") == by(purpose="unwind") == by(open="true") == newest(book["MA"])
    assert (
        by(account="paper")
        == by(purpose="signal")
        == by(open="false")
        == newest(book["LNT"], book["FTS"], book["BF.A"])
    )
    assert by(open="true", symbol="LNT") == by(status="REJECTED", side="sell") == by(symbol="NONE") == []
    assert by(open="true", symbol="MA", limit=2) == newest(book["MA"])[:2]
    assert by(**{"from": "2026-11-20 11:59:00"}) == everything[:1]
    assert by(**{"from": "2026-11-20 11:50:00", "to": "2026-11-20 11:52:00"}) == everything[8:10]
    assert by(to="2026-11-20T11:37:00Z") == everything[23:]
    assert by(to="9999-12-31T23:59:59Z") == everything
    assert by(**{"from": "9999-12-31"}) == []


def test_a_clock_that_was_set_back_hides_no_order(app, client, user_headers):
    hours = (0, 100, 50, 60, 49, 120)  # the second order was made by a clock that ran ahead, by two days
    made = [rows.add(app, rows.order(created_at=NOON + timedelta(hours=h / 2.5)))[0] for h in hours]
    since = (NOON + timedelta(hours=19)).isoformat()
    until = (NOON + timedelta(hours=30)).isoformat()
    assert numbers(client, user_headers, **{"from": since}) == newest(made[1:])
    assert numbers(client, user_headers, **{"from": since, "to": until}) == newest(made[2:5])


def test_long_ago_is_found_among_days(app, client, user_headers):
    made = [rows.add(app, rows.order(created_at=NOON - timedelta(days=30 - n)))[0] for n in range(30)]
    since, until = (NOON - timedelta(days=20)).isoformat(), (NOON - timedelta(days=18)).isoformat()
    assert numbers(client, user_headers, **{"from": since, "to": until}) == newest(made[10:12])


def test_pages_of_orders_have_neither_gaps_nor_repeats_while_orders_arrive(app, book, client, user_headers):
    before = newest(*book.values())
    seen, after = [], None
    while after is not None or not seen:
        page = get(client, "/v3/orders", user_headers, limit=7, **({"after": after} if after else {}))
        seen += [order["order"] for order in page["orders"]]
        after = page["next_after"]
        rows.add(app, rows.order())
    assert seen == before


def test_an_order_is_shown_by_its_number_and_by_its_client_order_id(app, client, user_headers):
    rowid = store_alert(client)
    (number,) = rows.add(app, rows.order(signal_id=rowid, moves=2, filled_quantity=Decimal(10)))
    fills = rows.add(app, rows.fill(number, "4", "50.5", at=NOON, realised=Decimal("1.5"), commission=Decimal("0.1")), rows.fill(number, "6", "50"))  # fmt: skip
    rows.add(
        app, rows.event(number), rows.event(number, 2, "CLAIMED", from_status="QUEUED", at=NOON + timedelta(seconds=1))
    )
    order = get(client, f"/v3/order/{number}", user_headers)
    assert get(client, f"/v3/order/{order['client_order_id']}", user_headers) == order
    assert (order["order"], order["signal"], order["filled_quantity"]) == (number, rowid, 10)
    assert [fill["fill"] for fill in order["fills"]] == fills
    assert {k: order["fills"][0][k] for k in ("order", "signal", "symbol", "side", "quantity", "price", "commission", "realised")} == {
        "order": number, "signal": rowid, "symbol": "LNT", "side": "buy", "quantity": 4, "price": Decimal("50.5"),
        "commission": Decimal("0.1"), "realised": Decimal("1.5"),
    }  # fmt: skip
    assert [(e["event"], e["from_status"], e["to_status"], e["actor"]) for e in order["events"]] == [
        (f"{number}-1", None, "QUEUED", "worker"),
        (f"{number}-2", "QUEUED", "CLAIMED", "worker"),
    ]
    events = get(client, f"/v3/order/{number}/events", user_headers)
    assert events == {"events": order["events"][::-1], "next_after": None}
    assert get(client, f"/v3/order/{order['client_order_id']}/events", user_headers) == events
    page = get(client, f"/v3/order/{number}/fills", user_headers, limit=1)
    assert page["fills"] == [order["fills"][1]]  # of one moment: the one that came later first
    rest = get(client, f"/v3/order/{number}/fills", user_headers, limit=1, after=page["next_after"])
    assert rest == {"fills": [order["fills"][0]], "next_after": None}


def test_an_order_that_is_not_there_is_not_found(book, client, user_headers):
    for name in ("0", "999999", "9" * 18, "9" * 40, "no-such-order", "%00", "١", "x" * 300):
        for path in ("", "/events", "/fills"):
            assert client.get(f"/v3/order/{name}{path}", headers=user_headers).status_code == 404, name


@pytest.fixture
def fills(app, book):
    """A fill for each order of LNT and FTS, some at the same moment; their numbers, latest first."""
    orders = [number for pair in zip(book["LNT"], book["FTS"], strict=True) for number in pair]
    stored = []
    for n, number in enumerate(orders):
        at = NOON - timedelta(minutes=30 - n // 3)
        stored += [(at, rows.add(app, rows.fill(number, "1", str(n + 1), at=at))[0], number)]
    (external,) = rows.add(
        app, rows.fill(book["MA"][0], account_id=rows.account_id(app, "external"), at=NOON - timedelta(days=3))
    )
    return [*((fill, order) for _, fill, order in sorted(stored, reverse=True)), (external, book["MA"][0])]


def test_fills_are_listed_by_their_time_and_filtered(book, fills, client, user_headers):
    def by(**query):
        return [fill["fill"] for fill in get(client, "/v3/fills", user_headers, **query)["fills"]]

    def of(symbol):
        return [fill for fill, order in fills if order in book[symbol]]

    assert by() == [fill for fill, _ in fills]
    assert by(symbol="LNT") == by(name="lnt") == of("LNT")
    assert by(name="LNT-FTS") == of("FTS")
    assert by(account="external") == by(to="2026-11-19") == of("MA") == [fills[-1][0]]
    assert by(order=fills[0][1]) == [fills[0][0]]
    assert by(order=2**53) == by(symbol="BF.A") == []
    assert by(**{"from": "2026-11-20 11:31:00", "to": "2026-11-20 11:32:00"}) == [fill for fill, _ in fills[6:9]]


def test_pages_of_fills_hold_together_where_they_came_at_the_same_moment(book, fills, client, user_headers):
    for query in ({}, {"symbol": "FTS"}):
        wanted = [fill for fill, order in fills if not query or order in book["FTS"]]
        seen, after = [], None
        while after is not None or not seen:
            page = get(client, "/v3/fills", user_headers, limit=2, **query, **({"after": after} if after else {}))
            seen += [fill["fill"] for fill in page["fills"]]
            after = page["next_after"]
        assert seen == wanted


def test_events_of_all_orders_are_listed_newest_first(app, client, user_headers):
    rowid = store_alert(client)
    first, second = (rows.add(app, rows.order(signal_id=signal))[0] for signal in (rowid, None))
    for seq in range(1, 6):
        rows.add(app, *(rows.event(order, seq, at=NOON + timedelta(minutes=seq // 2)) for order in (first, second)))

    def keys(**query):
        return [event["event"] for event in get(client, "/v3/events", user_headers, **query)["events"]]

    newest_first = [f"{order}-{seq}" for pair in ((5, 4), (3, 2), (1,)) for order in (second, first) for seq in pair]
    assert keys() == newest_first
    assert keys(order=first) == keys(signal=rowid) == [f"{first}-{seq}" for seq in range(5, 0, -1)]
    assert keys(**{"from": "2026-11-20 12:02:00"}) == newest_first[:4]
    assert keys(to="2026-11-20 12:01:00") == newest_first[8:]
    assert keys(signal=2**53) == []
    seen, after = [], None
    while after is not None or not seen:
        page = get(client, "/v3/events", user_headers, limit=3, **({"after": after} if after else {}))
        seen += [event["event"] for event in page["events"]]
        after = page["next_after"]
    assert seen == newest_first
    event = get(client, "/v3/events", user_headers, signal=rowid, limit=1)["events"][0]
    assert (event["order"], event["signal"], event["number"], event["account"]) == (first, rowid, 5, "paper")


def test_the_journal_is_listed_newest_first(app, client, user_headers):
    entries = rows.add(app, *(JournalEntry(actor="user admin", action="stop", subject="desk", text=str(n), at=NOON + timedelta(hours=n)) for n in range(5)))  # fmt: skip
    page = get(client, "/v3/journal", user_headers, limit=3)
    assert page["entries"][0] == {"entry": entries[4], "at": "2026-11-20T16:00:00.000000Z", "actor": "user admin", "action": "stop", "subject": "desk", "text": "4"}  # fmt: skip
    rest = get(client, "/v3/journal", user_headers, limit=3, after=page["next_after"])
    listed = [entry["entry"] for entry in page["entries"] + rest["entries"]]
    assert listed == sorted(listed, reverse=True)
    assert listed[:5] == entries[::-1]  # and before them that the user was added
    assert rest["next_after"] is None
    between = get(client, "/v3/journal", user_headers, **{"from": "2026-11-20 13:00:00", "to": "2026-11-20 15:00:00"})
    assert [entry["entry"] for entry in between["entries"]] == [entries[2], entries[1]]


def test_a_wrong_filter_is_named(client, user_headers):
    table = {
        "/v3/orders": "limit=0 limit=501 limit=x limit= after=0 after=x after=99999999999999999999 status=filled status= open=perhaps symbol=A$B symbol= name=A--B name= account=nobody side=up purpose=fun from=yesterday to=0001-01-01",
        "/v3/fills": "limit=0 after=5 symbol=* name=A$B account=nobody order=x order=0 from=x to=x",
        "/v3/events": "limit=0 after=5 after=x-1 after=1-1 after=1- after=-1 order=x signal=0 signal=99999999999999999999 from=x",
        "/v3/order/{}/events": "limit=0 after=5 after=9-9",
        "/v3/order/{}/fills": "limit=0 after=x after=999999",
        "/v3/journal": "limit=501 after=x from=x",
    }  # fmt: skip
    (number,) = rows.add(client.application, rows.order())
    for path, queries in table.items():
        for query in queries.split(" "):
            response = client.get(f"{path.format(number)}?{query}", headers=user_headers)
            assert response.status_code == 400, (path, query)
            assert list(response.json["message"]) == [query.partition("=")[0]], (path, query)
        assert client.get(f"{path.format(number)}?limit=1&limit=1", headers=user_headers).status_code == 400
        assert client.get(f"{path.format(number)}?something=else", headers=user_headers).status_code == 200
