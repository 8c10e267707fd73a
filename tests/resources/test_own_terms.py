"""Fields of an alert that say how it is traded: what is read of them, what is refused, what is shown."""

from decimal import Decimal

import pytest

from domain.alert import OwnTerms
from extensions import db
from models import Signal
from tests.support.factories import get_signal, make_alert_body, make_stock, post_alert, store_alert

NUMBERS = ["limit_price", "stop_price", "trail_percent", "trail_price", "take_profit", "stop_loss", "notional"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("abc", "must be a number"),
        ("NaN", "must be a number"),
        (True, "must be a number"),
        ({"limit_price": 1}, "must be a number"),
        (0, "must be greater than 0"),
        ("-1.5", "must be greater than 0"),
        (10**13, "must be at most 999999999999 in size"),
        ("{{plot_0}}", "still holds {{plot_0}}, which the sender has not filled in"),
    ],
)
def test_what_is_no_price_is_refused_by_name(app, client, name, value, rule):
    response = post_alert(client, **{name: value})
    assert (response.status_code, list(response.json["message"])) == (400, [name])
    assert response.json["message"][name] == rule


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"trail_percent": 100}, {"trail_percent": "must be below 100"}),
        ({"trail_percent": 1, "trail_price": 2}, {"trail_price": "does not go together with trail_percent"}),
        ({"trail_price": 2, "limit_price": 5}, {"limit_price": "does not go together with a trailing stop"}),
        ({"trail_price": 2, "stop_price": 5}, {"stop_price": "does not go together with a trailing stop"}),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(app, client, fields, wrong):
    response = post_alert(client, **fields)
    assert (response.status_code, response.json["message"]) == (400, wrong)


def test_they_are_kept_with_the_signal_and_not_named_as_ignored(app, client):
    make_stock(app, "LNT")
    response = post_alert(client, ticker="LNT", limit_price="49.50", notional=1000, stop_loss="")
    assert "ignored" not in response.json
    with app.app_context():
        signal = db.session.get(Signal, response.json["rowid"])
        assert OwnTerms.of(signal.order_terms) == OwnTerms(limit_price=Decimal("49.5"), notional=Decimal(1000))


def test_an_alert_without_them_keeps_none(app, client):
    make_stock(app, "LNT")
    rowid = store_alert(client, ticker="LNT")
    with app.app_context():
        assert db.session.get(Signal, rowid).order_terms is None


def test_what_an_own_executor_trades_says_that_the_desk_does_not_use_them(app, client):
    make_stock(app, "LNT", account="external")
    signal = get_signal(client, store_alert(client, ticker="LNT", limit_price=49))
    assert [step["text"] for step in signal["trace"] if step["check"] == "fields"] == [
        "limit_price: up to the executor that trades LNT; the desk does not use it."
    ]


def test_what_if_shows_the_order_that_they_make(app, client, user_headers):
    make_stock(app, "LNT")
    body = {
        name: value for name, value in make_alert_body(ticker="LNT", trail_percent=2).items() if name != "passphrase"
    }
    answer = client.post("/v3/whatif", json=body, headers=user_headers)
    (order,) = answer.json["orders"]
    assert (order["order_type"], order["trail_percent"], order["trail_price"]) == ("TRAILING_STOP", 2, None)


def test_a_stock_cannot_be_registered_with_a_trailing_stop(client, admin_headers):
    answer = client.post("/v3/regstock", json={"symbol": "LNT", "order_type": "TRAILING_STOP"}, headers=admin_headers)
    assert answer.status_code == 400
    assert "said by an alert" in answer.json["message"]["order_type"]
