"""Slippage by name and side, and how far pairs have drifted from their hedge."""

from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from extensions import transaction
from models import Order, Pair, Position
from services.reports import drift, slippage
from tests.support import book_rows as rows
from tests.support.factories import exact, make_pair, make_stock

D = Decimal


def get(client, path, headers, **query):
    response = client.get(path, query_string=query, headers=headers)
    assert response.status_code == 200, response.text
    return exact(response)


def figures(part, *names):
    return part and tuple(part[name] for name in names)


@pytest.fixture
def signals(app):
    make_pair(app, "MA-V", "3")
    make_stock(app, "LNT", currency="EUR")
    rows.add(
        app,
        rows.filled_signal("MA-V", "buy", "0.1", "100"),
        rows.filled_signal("MA-V", "buy", "-0.2", "300", status="part.filled", quantity=D(400)),
        rows.filled_signal("MA-V", "sell", "0.05", "0.5", received_at=rows.NOON + timedelta(days=1)),
        rows.filled_signal("LNT", "sell", "0", "10", received_at=rows.NOON - timedelta(days=1)),
        rows.filled_signal("LNT", "buy", None, "10"),  # without a price in the alert
        rows.filled_signal("LNT", "buy", "9", "10", filled_quantity=None),
    )


def test_slippage_is_weighted_by_what_was_filled(signals, client, user_headers):
    answer = get(client, "/v3/slippage", user_headers)
    assert answer["covers_since"] is None
    lnt, pair = answer["slippage"]
    assert pair["buy"] == {
        "signals": 2, "quantity": 400, "average": D("-0.125"), "mean": D("-0.05"), "best": D("0.1"), "worst": D("-0.2"),
        "money": -50, "money_per_share": D("-0.125"),
    }  # fmt: skip
    assert pair["sell"]["money"] == D("0.025")
    assert figures(pair["all"], "signals", "quantity", "money", "average") == (
        3,
        D("400.5"),
        D("-49.975"),
        D("-0.12478152"),
    )
    assert (pair["name"], pair["currency"], lnt["name"], lnt["currency"], lnt["buy"]) == (
        "MA-V",
        "USD",
        "LNT",
        "EUR",
        None,
    )
    assert figures(lnt["all"], "signals", "average", "money") == (1, 0, 0)


def test_slippage_of_a_name_a_side_and_a_time(signals, client, user_headers):
    def by(**query):
        return [
            (row["name"], row["all"]["signals"])
            for row in get(client, "/v3/slippage", user_headers, **query)["slippage"]
        ]

    assert by(ticker="ma-v") == [("MA-V", 3)]
    assert by(side="sell") == [("LNT", 1), ("MA-V", 1)]
    assert by(side="sell", ticker="MA-V") == [("MA-V", 1)]
    assert by(**{"from": "2026-11-20 12:00:00"}) == [("MA-V", 3)]
    assert by(**{"from": "2026-11-20 12:00:00", "to": "2026-11-21 12:00:00"}) == [("MA-V", 2)]
    assert by(to="2026-11-20 12:00:00") == [("LNT", 1)]
    assert by(ticker="NONE") == []


def test_a_report_of_too_many_signals_says_how_far_it_goes(signals, client, user_headers, monkeypatch):
    monkeypatch.setattr(slippage, "MOST_SIGNALS", 3)
    answer = get(client, "/v3/slippage", user_headers)
    assert answer["covers_since"] == "2026-11-20T12:00:00.000000Z"
    assert [row["all"]["signals"] for row in answer["slippage"]] == [3]


@pytest.fixture
def pair(app):
    """MA-V with hedge 3: 10 MA against 27 V, of which whole shares are traded."""
    make_pair(app, "MA-V", "3")
    make_pair(app, "KO-PEP", "1")
    rows.add(
        app,
        rows.position("MA", "10", "300", name="MA-V"),
        rows.position("V", "-27", "100", name="MA-V"),
        rows.position("MA", "5"),  # a book of its own
        rows.position("KO", "0", "0", name="KO-PEP"),
        rows.position("LNT", "5"),
        rows.position("OLD", "5", name="OLD-PAIR"),  # not registered any more
        rows.step("MA", "1"),
        rows.step("V", "1"),
    )


def drifts(client, headers, **query):
    return get(client, "/v3/drift", headers, **query)["pairs"]


def test_a_drifted_pair_is_shown_with_what_would_heal_it(pair, client, user_headers):
    (row,) = drifts(client, user_headers)
    assert len(row.pop("state")) == 64
    assert row == {
        "pair": "MA-V", "account": "paper", "hedge": 3,
        "leg1": {"symbol": "MA", "held": 10, "working": 0, "step": 1}, "leg2": {"symbol": "V", "held": -27, "working": 0, "step": 1},
        "target2": -30, "imbalance2": 3, "drift": 10, "within_limit": False, "orphan": False, "price2": 100,
        "price2_from": "average price", "imbalance_money": 300, "open_orders": [],
        "proposal": {"symbol": "V", "side": "sell", "quantity": 3}, "note": None,
    }  # fmt: skip
    assert drifts(client, user_headers, pair="ma-v")[0]["pair"] == "MA-V"
    assert drifts(client, user_headers, pair="KO-PEP") == drifts(client, user_headers, pair="OLD-PAIR") == []


def test_the_quote_goes_before_the_average_price(app, pair, client, user_headers):
    rows.add(app, rows.quote("V", "110", "111"))
    (row,) = drifts(client, user_headers)
    assert (row["price2"], row["price2_from"], row["imbalance_money"]) == (D("110.5"), "quote", D("331.5"))


def test_without_any_price_the_money_is_not_known(app, pair, client, user_headers):
    change(app, sa.delete(Position).where(Position.symbol == "V"))
    (row,) = drifts(client, user_headers)
    assert (row["orphan"], row["price2"], row["price2_from"], row["imbalance_money"]) == (True, None, None, None)
    assert row["proposal"] == {"symbol": "MA", "side": "sell", "quantity": 10}


def change(app, statement):
    with app.app_context(), transaction() as session:
        session.execute(statement)


def test_the_limit_is_asked_for(pair, client, user_headers):
    assert drifts(client, user_headers, limit="9.99")[0]["within_limit"] is False
    (row,) = drifts(client, user_headers, limit="10")
    assert (row["within_limit"], row["proposal"], row["note"]) == (True, None, None)


def test_open_orders_of_the_book_count_by_what_is_left_of_them(app, pair, client, user_headers):
    numbers = rows.add(
        app,
        rows.order("V", "sell", "5", name="MA-V", status="PARTIALLY_FILLED", filled_quantity=D(2)),
        rows.order("V", "buy", "9", name="V", status="ACCEPTED"),  # of another book
        rows.order("V", "buy", "9", name="MA-V", status="CANCELED"),
    )
    (row,) = drifts(client, user_headers)
    assert (row["leg2"]["working"], row["imbalance2"], row["open_orders"]) == (-3, 0, numbers[:1])
    rows.add(app, rows.order("MA", "buy", "1", name="MA-V", status="UNKNOWN"))
    (row,) = drifts(client, user_headers)
    assert (row["imbalance2"], row["proposal"], row["note"]) == (3, None, "the outcome of an order is not known")


def test_a_pair_with_open_orders_only_is_shown(app, client, user_headers):
    make_pair(app, "MA-V", "3")
    rows.add(
        app,
        rows.order("MA", "buy", "10", name="MA-V", status="ACCEPTED"),
        rows.order("V", "sell", "30", name="MA-V", status="QUEUED"),
    )
    (row,) = drifts(client, user_headers)
    assert (row["leg1"]["working"], row["leg2"]["working"], row["within_limit"], row["target2"]) == (10, -30, True, 0)
    assert row["leg1"]["step"] == D("1E-8")


def test_each_account_is_looked_at_alone(app, pair, client, user_headers):
    external = rows.account_id(app, "external")
    rows.add(app, rows.position("MA", "-1", name="MA-V", account_id=external))
    found = {
        row["account"]: (row["imbalance2"], row["orphan"], row["leg2"]["step"]) for row in drifts(client, user_headers)
    }
    assert found == {"paper": (3, False, 1), "external": (-3, True, D("1E-8"))}


def test_the_state_is_another_one_after_every_change_and_the_same_before(app, pair):
    def state():
        with app.app_context():
            return drift.report("MA-V")[0].state

    seen = [state()]
    assert state() == seen[0]
    rows.add(app, rows.quote("V", "110", "111"))
    change(app, sa.update(Position).where(Position.symbol == "V").values(quantity=D("-27.000"), realised=D(5)))
    assert state() == seen[0]  # prices and results do not matter
    (number,) = rows.add(app, rows.order("V", "sell", "5", name="MA-V", status="QUEUED"))
    seen.append(state())
    changes = (
        sa.update(Order).where(Order.id == number).values(status="ACCEPTED"),
        sa.update(Order).where(Order.id == number).values(filled_quantity=D(1)),
        sa.update(Position).where(Position.name == "MA-V", Position.symbol == "V").values(quantity=D(-28)),
        sa.update(Pair).where(Pair.name == "MA-V").values(hedge_ratio=D("3.1")),
    )
    for statement in changes:
        change(app, statement)
        seen.append(state())
    assert len(set(seen)) == 6


def test_a_fill_in_the_midst_of_the_look_is_not_taken_for_drift(app, other_app, pair, monkeypatch):
    """Holdings and orders are read one after the other; a worker may fill an order in between."""
    (number,) = rows.add(app, rows.order("V", "sell", "3", name="MA-V", status="ACCEPTED"))

    def fill_it(*args):
        change(other_app, sa.update(Order).where(Order.id == number).values(status="FILLED", filled_quantity=D(3)))
        change(
            other_app,
            sa.update(Position).where(Position.name == "MA-V", Position.symbol == "V").values(quantity=D(-30)),
        )

    with app.app_context():
        sa.event.listen(rows.db.engine, "after_cursor_execute", after_orders := once_after("FROM orders", fill_it))
        (row,) = drift.report("MA-V")
        sa.event.remove(rows.db.engine, "after_cursor_execute", after_orders)
        assert (row.leg2.held, row.leg2.working, row.drift.imbalance2) == (-27, -3, 0)
        (row,) = drift.report("MA-V")
        assert (row.leg2.held, row.leg2.working) == (-30, 0)


def once_after(text, action):
    done = []

    def listen(connection, cursor, statement, *more):
        if text in statement and not done:
            done.append(True)
            action()

    return listen


def test_a_wrong_filter_is_named(client, user_headers):
    table = {
        "/v3/slippage": "ticker=A$B ticker= side=both side= from=x to=0001-01-01",
        "/v3/drift": "pair=A--B limit=-1 limit=x limit=101 limit=NaN limit=",
    }
    for path, queries in table.items():
        for query in queries.split(" "):
            response = client.get(f"{path}?{query}", headers=user_headers)
            assert response.status_code == 400, (path, query)
            assert list(response.json["message"]) == [query.partition("=")[0]], (path, query)
        assert client.get(f"{path}?something=else", headers=user_headers).status_code == 200
