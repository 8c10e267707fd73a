"""Lists of signals: who sees how many, filters, and pages without gaps."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.enums import Activity
from extensions import transaction
from models import Signal
from tests.support.factories import bearer, exact, make_pair, make_stock, store_alert


def rowids(response):
    assert response.status_code == 200, response.text
    return [signal["rowid"] for signal in exact(response)["signals"]]


@pytest.fixture
def signals(app, client):
    """30 signals: rowids by ticker."""
    make_stock(app, "LNT")
    make_stock(app, "BF.A")
    make_stock(app, "OLD", activity=Activity.PASSIVE)
    make_pair(app, "MA-V", "3")
    tickers = ["LNT", "NYSE:LNT", "BF.A", "MA-3*V", "OLD", "A+B"]
    stored = {ticker: [] for ticker in tickers}
    for n in range(30):
        ticker = tickers[n % len(tickers)]
        stored[ticker].append(store_alert(client, ticker=ticker, signal_id=str(n)))
    return stored


def newest(*lists):
    return sorted((rowid for one in lists for rowid in one), reverse=True)


def test_a_list_is_newest_first_and_as_long_as_asked_for(signals, client, user_headers):
    everything = newest(*signals.values())
    assert rowids(client.get("/v3/signals/0", headers=user_headers)) == everything
    assert rowids(client.get("/v3/signals/7", headers=user_headers)) == everything[:7]
    assert rowids(client.get("/v3/signals/1000000", headers=user_headers)) == everything


def test_anyone_sees_five_rows_and_twenty_that_wait(signals, client):
    everything = newest(*signals.values())
    for n in ("0", "5", "6", "100"):
        response = client.get(f"/v3/signals/{n}")
        assert rowids(response) == everything[:5]
        assert response.json["notoken_limit"] == 5
    assert rowids(client.get("/v3/signals/2")) == everything[:2]
    waiting = newest(signals["LNT"], signals["NYSE:LNT"], signals["BF.A"], signals["MA-3*V"])
    assert rowids(client.get("/v3/signals/status/waiting/0")) == waiting[:20]
    assert rowids(client.get("/v3/signals/status/canceled/0")) == newest(signals["OLD"])[:5]
    assert len(rowids(client.get("/v3/signals/ticker/LNT/0"))) == 5
    assert len(rowids(client.get("/v3/signals"))) == 5


def test_a_stale_token_is_enough_to_see_all(signals, client, stale_headers):
    assert len(rowids(client.get("/v3/signals/0", headers=stale_headers))) == 30


def test_a_bad_token_is_not_taken_for_none(signals, client):
    for path in ("/v3/signals", "/v3/signals/1", "/v3/signals/status/waiting/1", "/v3/signals/ticker/LNT/1"):
        assert client.get(path, headers=bearer("nonsense")).status_code == 401


def test_lists_by_status(signals, client, user_headers):
    waiting = newest(signals["LNT"], signals["NYSE:LNT"], signals["BF.A"], signals["MA-3*V"])
    assert rowids(client.get("/v3/signals/status/waiting/0", headers=user_headers)) == waiting
    assert rowids(client.get("/v3/signals/status/error/2", headers=user_headers)) == newest(signals["A+B"])[:2]
    for status in ("filled(...)", "part.filled", "critical err", "critical%20err"):
        assert rowids(client.get(f"/v3/signals/status/{status}/0", headers=user_headers)) == []
    assert client.get("/v3/signals/status/done/0").status_code == 400
    assert client.get("/v3/signals/status/%00/0").status_code in (400, 404)


def test_lists_by_stock_or_pair(signals, client, user_headers):
    def by_name(name):
        return rowids(client.get(f"/v3/signals/ticker/{name}/0", headers=user_headers))

    assert by_name("LNT") == by_name("lnt") == newest(signals["LNT"], signals["NYSE:LNT"])
    assert by_name("MA-V") == by_name("ma-v") == newest(signals["MA-3*V"])
    assert by_name("BF.A") == by_name("BF%20A") == by_name("bf+a".replace("+", "%20")) == newest(signals["BF.A"])
    assert by_name("OLD") == newest(signals["OLD"])
    assert by_name("MA") == by_name("V") == by_name("NONE") == []


def test_a_name_that_cannot_be_one_is_a_bad_request(client):
    for name in ("A$B", "%00", "%25", "A:B:LNT", "A--B", "x" * 200, "%F0%9F%8C%B7", "*", "-", "%20"):
        for path in (f"/v3/signals/ticker/{name}/5", f"/v3/signals?ticker={name}"):
            response = client.get(path)
            assert response.status_code in (400, 404) or (name == "%20" and response.status_code == 200), path
            if response.status_code == 400:
                assert set(response.json["message"]) <= {"ticker_name", "ticker"}


def test_a_number_of_rows_is_whole_and_not_negative(client, user_headers):
    lists = ("/v3/signals/{}", "/v3/signals/status/waiting/{}", "/v3/signals/ticker/LNT/{}")
    bad = ("-1", "x", "1.5", "1e3", "+1", "%D9%A3", "%EF%BC%91", "9" * 30, "%20")
    answers = {(path, n): client.get(path.format(n), headers=user_headers) for path in lists for n in bad}
    assert {response.status_code for response in answers.values()} == {400}
    assert answers[lists[0], "-1"].json == {
        "message": {"number_of_items": "must be a whole number, 0 or more"},
        "error": "invalid",
    }


def test_a_row_of_a_list_has_every_field_of_a_signal_but_its_orders_and_checks(signals, client):
    row = exact(client.get("/v3/signals/1"))["signals"][0]
    signal = exact(client.get(f"/v3/signal/{row['rowid']}"))
    assert row == {name: value for name, value in signal.items() if name not in ("legs", "trace")}


def test_pages_have_neither_gaps_nor_repeats_while_signals_arrive(signals, client, user_headers):
    before = newest(*signals.values())
    seen, after, pages = [], "", 0
    while after is not None:
        response = client.get(f"/v3/signals?limit=7{after and f'&after={after}'}", headers=user_headers)
        seen += rowids(response)
        after = response.json["next_after"]
        pages += 1
        store_alert(client, signal_id=f"while reading {pages}")
        store_alert(client, ticker="OLD", signal_id=f"while reading too {pages}")
    assert seen == before
    assert pages == 5


def test_pages_hold_together_where_signals_came_at_the_same_moment(app, signals, client, user_headers):
    moment = datetime.now(UTC)
    with app.app_context(), transaction() as session:
        session.query(Signal).update({"received_at": moment})
    seen, after = [], ""
    while after is not None:
        response = client.get(f"/v3/signals?limit=4{after and f'&after={after}'}", headers=user_headers)
        seen += rowids(response)
        after = response.json["next_after"]
    assert seen == newest(*signals.values())


def test_pages_of_a_filtered_list(signals, client, user_headers):
    wanted = newest(signals["LNT"], signals["NYSE:LNT"])
    first = client.get("/v3/signals?ticker=LNT&status=waiting&limit=6", headers=user_headers)
    assert rowids(first) == wanted[:6]
    rest = client.get(
        f"/v3/signals?ticker=LNT&status=waiting&limit=6&after={first.json['next_after']}", headers=user_headers
    )
    assert rowids(rest) == wanted[6:]
    assert rest.json["next_after"] is None


def test_a_page_needs_a_token_and_a_signal_to_start_after(signals, client, user_headers):
    assert client.get("/v3/signals?after=3").json["message"] == {"after": "needs a token"}
    assert client.get("/v3/signals?limit=5").json["next_after"] is None
    assert client.get("/v3/signals?after=999999", headers=user_headers).json["message"] == {
        "after": "there is no such signal"
    }


def test_lists_between_two_times(app, signals, client, user_headers):
    everything = newest(*signals.values())
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    with app.app_context(), transaction() as session:
        for n, rowid in enumerate(everything):
            session.get(Signal, rowid).received_at = noon - timedelta(minutes=n)

    def between(**times):
        return rowids(client.get("/v3/signals", query_string={"limit": 50, **times}, headers=user_headers))

    assert between(**{"from": "2026-11-20 12:00:00"}) == everything[:1]
    assert between(**{"from": "2026-11-20 11:56:00", "to": "2026-11-20 11:58:00"}) == everything[3:5]
    assert between(to="2026-11-20T11:31:01Z") == everything[29:]
    assert between(**{"from": "2026-11-20T07:00:00-05:00"}) == everything[:1]
    assert between(**{"from": "2027-01-01"}) == []


def test_a_wrong_filter_is_named(client, user_headers):
    rows = {
        "limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "limit=-1": "limit", "limit=": "limit", "limit=1.5": "limit",
        "limit=1&limit=2": "limit", "after=0": "after", "after=x": "after", "after=99999999999999999999": "after",
        "status=done": "status", "status=": "status", "from=yesterday": "from", "to=0001-01-01": "to", "ticker=A$B": "ticker",
    }  # fmt: skip
    answers = {query: client.get(f"/v3/signals?{query}", headers=user_headers) for query in rows}
    assert {query: (a.status_code, list(a.json["message"])) for query, a in answers.items()} == {
        query: (400, [name]) for query, name in rows.items()
    }
    assert client.get("/v3/signals?something=else").status_code == 200
