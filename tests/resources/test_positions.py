"""Positions and their worth, results by group, and the brokers' own view."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from models import AccountState, BrokerAccount, ForeignOrder, PositionDifference
from tests.support import book_rows as rows
from tests.support.factories import exact, make_pair, make_stock

D = Decimal


def get(client, path, headers, **query):
    response = client.get(path, query_string=query, headers=headers)
    assert response.status_code == 200, response.text
    return exact(response)


def test_a_position_is_worth_what_closing_it_brings(app, client, user_headers):
    make_pair(app, "MA-V", "3")
    rows.add(
        app,
        rows.position("MA", "10", "300.5", name="MA-V", realised=D("12.25"), commission=D(2)),
        rows.position("V", "-30", "100", name="MA-V"),
        rows.position("LNT", "1.5", "50"),
        rows.quote("MA", "301", "301.1"),
        rows.quote("V", "100.5", "100.6", at=datetime.now(UTC) - timedelta(minutes=2)),
    )
    lnt, ma, v = get(client, "/v3/positions", user_headers)["positions"]
    age = ma["quote"].pop("age")
    assert 5 <= age < 60
    assert (ma["quote"].pop("at")[:4], ma.pop("changed_at")[-1]) == (str(datetime.now(UTC).year), "Z")
    assert ma == {
        "account": "paper", "name": "MA-V", "symbol": "MA", "currency": "USD", "quantity": 10, "average_price": D("300.5"),
        "realised": D("12.25"), "commission": 2, "quote": {"bid": 301, "ask": D("301.1"), "middle": D("301.05"), "source": "a test"},
        "market_value": 3010, "unrealised": 5,
    }  # fmt: skip
    assert (v["market_value"], v["unrealised"]) == (-3018, -18)
    assert 120 <= v["quote"]["age"] < 180
    assert (lnt["quote"], lnt["market_value"], lnt["unrealised"], lnt["currency"]) == (None, None, None, None)


def test_a_quote_of_another_account_is_no_quote(app, client, user_headers):
    rows.add(app, rows.position("LNT"), rows.quote("LNT", account_id=rows.account_id(app, "external")))
    assert get(client, "/v3/positions", user_headers)["positions"][0]["unrealised"] is None


def test_a_quote_without_the_needed_side_gives_no_worth(app, client, user_headers):
    rows.add(app, rows.position("LNT"), rows.quote("LNT", "0", "51"))
    (lnt,) = get(client, "/v3/positions", user_headers)["positions"]
    assert (lnt["quote"]["ask"], lnt["quote"]["middle"], lnt["market_value"], lnt["unrealised"]) == (
        51,
        None,
        None,
        None,
    )


def test_positions_are_filtered_and_paged(app, client, user_headers):
    external = rows.account_id(app, "external")
    rows.add(
        app,
        rows.position("A"),
        rows.position("A", name="A-B"),
        rows.position("B", "-1", name="A-B"),
        rows.position("B", "0", "0"),
        rows.position("C", "0.00000000"),
        rows.position("A", account_id=external),
    )

    def by(**query):
        found = get(client, "/v3/positions", user_headers, **query)["positions"]
        return [(row["account"], row["name"], row["symbol"]) for row in found]

    held = [("paper", "A", "A"), ("paper", "A-B", "A"), ("paper", "A-B", "B"), ("external", "A", "A")]
    held.sort(key=lambda row: rows.account_id(app, row[0]))
    assert by() == held
    assert by(account="external") == [("external", "A", "A")]
    assert by(name="a-b") == [("paper", "A-B", "A"), ("paper", "A-B", "B")]
    assert sorted(by(symbol="A")) == [("external", "A", "A"), ("paper", "A", "A"), ("paper", "A-B", "A")]
    everything = by(flat="true")
    assert len(everything) == 6
    assert set(everything) - set(held) == {("paper", "B", "B"), ("paper", "C", "C")}
    seen, after = [], None
    while after is not None or not seen:
        page = get(client, "/v3/positions", user_headers, limit=2, flat="true", **({"after": after} if after else {}))
        seen += [(row["account"], row["name"], row["symbol"]) for row in page["positions"]]
        after = page["next_after"]
    assert seen == everything


@pytest.fixture
def results(app):
    """Three days of two stocks and a pair, on two accounts."""
    make_pair(app, "MA-V", "3")
    make_stock(app, "LNT")
    external = rows.account_id(app, "external")
    rows.add(
        app,
        rows.result("2026-11-18", "LNT", "0.1", commission=D("0.01"), traded=D(10)),
        rows.result("2026-11-19", "LNT", "0.2", commission=D("0.02"), traded=D(5)),
        rows.result("2026-11-19", "MA", "100.00000001", name="MA-V", commission=D(1), traded=D(20)),
        rows.result("2026-11-20", "V", "-150", name="MA-V", commission=D(3), traded=D(60)),
        rows.result("2026-11-20", "LNT", "7", account_id=external, traded=D(1)),
        rows.position("LNT", "10", "50"),
        rows.position("MA", "2", "300", name="MA-V"),
        rows.position("V", "-6", "100", name="MA-V"),
        rows.quote("LNT", "51", "52"),
        rows.quote("MA", "310", "311"),
    )


def lines(client, headers, **query):
    """Return {key: (realised, commission, net, traded, unrealised, without_quote)}, and the same of the totals."""
    answer = get(client, "/v3/pnl", headers, **query)
    names = ("realised", "commission", "net", "traded", "unrealised", "without_quote")
    return tuple(
        {line["key"]: tuple(line[name] for name in names) for line in answer[part]} for part in ("lines", "totals")
    )


TOTAL = (D("-42.69999999"), D("4.03"), D("-46.72999999"), 96, None, ["V"])


def test_results_by_account(results, client, user_headers):
    assert lines(client, user_headers) == (
        {
            "paper": (D("-49.69999999"), D("4.03"), D("-53.72999999"), 95, None, ["V"]),
            "external": (7, 0, 7, 1, 0, []),
        },
        {"total": TOTAL},
    )


def test_results_by_instrument_pair_and_day(results, client, user_headers):
    assert lines(client, user_headers, group="instrument") == (
        {
            "LNT": (D("7.3"), D("0.03"), D("7.27"), 16, 10, []),
            "MA": (D("100.00000001"), 1, D("99.00000001"), 20, 20, []),
            "V": (-150, 3, -153, 60, None, ["V"]),
        },
        {"total": TOTAL},
    )
    pair = (D("-49.99999999"), 4, D("-53.99999999"), 80, None, ["V"])
    assert lines(client, user_headers, group="pair") == ({"MA-V": pair}, {"total": pair})
    assert lines(client, user_headers, group="day") == (
        {
            "2026-11-18": (D("0.1"), D("0.01"), D("0.09"), 10, None, []),
            "2026-11-19": (D("100.20000001"), D("1.02"), D("99.18000001"), 25, None, []),
            "2026-11-20": (-143, 3, -146, 61, None, []),
        },
        {"total": TOTAL},
    )


def test_results_of_some_days_an_account_or_a_name(results, client, user_headers):
    def total(**query):
        return lines(client, user_headers, **query)[1].get("total", ())[:2]

    assert total(**{"from": "2026-11-19", "to": "2026-11-19"}) == (D("100.20000001"), D("1.02"))
    assert total(**{"from": "2026-11-20"}) == (-143, 3)
    assert total(to="2026-11-18") == (D("0.1"), D("0.01"))
    assert total(account="external") == (7, 0)
    assert total(name="ma-v") == (D("-49.99999999"), 4)
    assert lines(client, user_headers, name="NONE") == ({}, {})


def test_a_book_that_earned_nothing_in_that_time_still_shows_what_is_held(results, client, user_headers):
    shown, _ = lines(client, user_headers, group="instrument", name="LNT", **{"from": "2027-01-01"})
    assert shown == {"LNT": (0, 0, 0, 0, 10, [])}


def test_money_of_two_currencies_is_never_added_up(app, client, user_headers):
    make_stock(app, "SAP", currency="EUR")
    make_stock(app, "LNT")
    rows.add(
        app,
        rows.result("2026-11-18", "LNT", "5"),
        rows.result("2026-11-18", "SAP", "7"),
        rows.result("2026-11-18", "GONE", "1"),
    )
    answer = get(client, "/v3/pnl", user_headers)
    assert [(line["key"], line["currency"], line["realised"]) for line in answer["lines"]] == [
        ("paper", None, 1),
        ("paper", "EUR", 7),
        ("paper", "USD", 5),
    ]
    assert [(line["currency"], line["realised"]) for line in answer["totals"]] == [(None, 1), ("EUR", 7), ("USD", 5)]


def test_real_money_and_play_money_have_totals_of_their_own(app, client, user_headers):
    (live,) = rows.add(app, BrokerAccount(name="real", broker="alpaca", environment="live"))
    rows.add(app, rows.result("2026-11-18", realised="5"), rows.result("2026-11-18", realised="-2", account_id=live))
    answer = get(client, "/v3/pnl", user_headers, group="day")
    for part in ("lines", "totals"):
        assert {(line["real_money"], line["realised"]) for line in answer[part]} == {(True, -2), (False, 5)}
    assert answer["totals"][0]["real_money"] is True


def test_sums_are_exact_where_floats_are_not(app, client, user_headers):
    rows.add(
        app, *(rows.result(f"2026-{month:02}-{day:02}", "LNT", "0.1") for month in range(1, 4) for day in range(1, 11))
    )
    assert lines(client, user_headers)[1]["total"][0] == 3


def test_the_brokers_own_view(app, client, user_headers):
    now = datetime.now(UTC)
    rows.add(
        app,
        AccountState(account_id=1, cash=D("1000.5"), currency="USD", buying_power=D(2000), equity=D(1500), is_open=True, heard_at=now - timedelta(seconds=30), reconciled_at=now - timedelta(minutes=5), trouble="timed out"),
        PositionDifference(account_id=1, symbol="LNT", ours=D(10), theirs=D("9.5"), first_seen_at=now, seen_at=now),
        ForeignOrder(account_id=1, broker_order_id="f-1", symbol="LNT", side="buy", quantity=D(5), status="ACCEPTED", seen_at=now - timedelta(days=3)),
        ForeignOrder(account_id=1, broker_order_id="f-2", client_order_id="by hand", symbol="MA", side="sell", quantity=D(7), filled_quantity=D(7), status="FILLED", seen_at=now - timedelta(hours=23)),
        ForeignOrder(account_id=1, broker_order_id="f-3", symbol="MA", side="sell", quantity=D(7), status="CANCELED", seen_at=now - timedelta(hours=25)),
    )  # fmt: skip
    accounts = {account["account"]: account for account in get(client, "/v3/reconciliation", user_headers)["accounts"]}
    paper = accounts["paper"]
    assert 30 <= paper["heard_age"] < 90
    assert 300 <= paper["reconciled_age"] < 360
    assert {name: paper[name] for name in ("broker", "route", "cash", "currency", "buying_power", "equity", "open", "trouble", "blocked")} == {
        "broker": "paper", "route": "desk", "cash": D("1000.5"), "currency": "USD", "buying_power": 2000, "equity": 1500, "open": True, "trouble": "timed out", "blocked": None,
    }  # fmt: skip
    (difference,) = paper["differences"]
    assert (difference["symbol"], difference["ours"], difference["theirs"]) == ("LNT", 10, D("9.5"))
    assert [
        (order["broker_order_id"], order["client_order_id"], order["status"]) for order in paper["foreign_orders"]
    ] == [
        ("f-2", "by hand", "FILLED"),
        ("f-1", None, "ACCEPTED"),
    ]
    external = accounts["external"]
    assert {external[name] for name in ("cash", "equity", "open", "heard_at", "heard_age", "reconciled_age")} == {None}
    assert (external["differences"], external["foreign_orders"]) == ([], [])
    assert get(client, "/v3/reconciliation", user_headers, account="paper")["accounts"][0]["account"] == "paper"
    assert len(get(client, "/v3/reconciliation", user_headers, account="external")["accounts"]) == 1


def test_a_wrong_filter_is_named(app, client, user_headers):
    table = {
        "/v3/positions": "limit=0 limit=501 after=5 after=1:A after=x:A:B after=1:a:b account=nobody account= name=A--B symbol=* flat=maybe",
        "/v3/pnl": "group=week from=2026-11-31 from=yesterday to=20261120 to=2026-W01-1 account=nobody name=A$B",
        "/v3/reconciliation": "account=nobody account=",
    }
    for path, queries in table.items():
        for query in queries.split(" "):
            response = client.get(f"{path}?{query}", headers=user_headers)
            assert response.status_code == 400, (path, query)
            assert list(response.json["message"]) == [query.partition("=")[0]], (path, query)
        assert client.get(f"{path}?something=else", headers=user_headers).status_code == 200
    with app.app_context():
        assert rows.db.session.query(BrokerAccount).count() == 2
