"""The list of signals: filters, messages, pages."""

from datetime import UTC, datetime

import pytest

from domain.order_status import SignalStatus
from tests.dashboard.support import add_filled_pair, add_signal, plain_text, shown_rows


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("LNT", "LNT"),
        (" lnt ", "LNT"),
        ("LNT-FTS", "LNT-FTS"),
        ("lnt - fts", "LNT-FTS"),
        ("BF.A", "BF.A"),
        ("BF A", "BF.A"),
    ],
)
def test_tickers_are_found_as_people_write_them(app, member, typed, name):
    rows = {each: add_signal(app, name=each) for each in ("LNT", "LNT-FTS", "BF.A")}
    response = member.get("/signals", query_string={"ticker": typed})
    assert shown_rows(response) == [rows[name]]
    assert "1 signal shown" in plain_text(response)


@pytest.mark.parametrize("status", list(SignalStatus))
def test_each_status_is_found(app, member, status):
    rows = {each: add_signal(app, status=each) for each in SignalStatus}
    assert shown_rows(member.get("/signals", query_string={"status": status})) == [rows[status]]


def test_days_are_whole_and_both_belong_to_the_list(app, member):
    times = ("2026-03-01 23:59:59.999999", "2026-03-02 00:00:00", "2026-03-03 23:59:59.999999", "2026-03-04 00:00:00")
    rows = [add_signal(app, received_at=at(time)) for time in times]
    assert shown_rows(member.get("/signals?from=2026-03-02&to=2026-03-03")) == [rows[2], rows[1]]
    assert shown_rows(member.get("/signals?to=2026-03-01")) == [rows[0]]
    assert len(shown_rows(member.get("/signals?from=0001-01-01&to=9999-12-31"))) == 4


def test_filters_work_together_and_stay_in_the_form(app, member):
    pair = add_filled_pair(app)
    add_signal(app, name="MA-V", status="error")
    response = member.get("/signals?ticker=MA-V&status=filled&from=2026-01-01")
    assert shown_rows(response) == [pair]
    assert 'value="MA-V"' in response.text
    assert '<option value="filled" selected>' in response.text
    assert 'value="2026-01-01"' in response.text


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("ticker=LNT%2BFTS", "ticker", "is not a name"),
        ("ticker=" + "A" * 200, "ticker", "at most 128 are allowed"),
        ("ticker=%00", "ticker", "control character"),
        ("status=nope", "status", "must be one of: waiting, rerouted, created"),
        ("from=yesterday", "from", "must be a date as YYYY-MM-DD"),
        ("to=2026-13-01", "to", "must be a date as YYYY-MM-DD"),
        ("from=2026-03-02&to=2026-03-01", "to", "must not be before 'from'"),
        ("status=<script>", "status", "must be one of"),
    ],
)
def test_a_wrong_filter_gets_its_message_beside_the_field(app, member, query, field, message):
    add_signal(app)
    response = member.get(f"/signals?{query}")
    assert response.status_code == 400
    told = response.text.split(f'id="wrong-{field}">')[1].split("</p>")[0]
    assert message in told.replace("&#39;", "'")
    assert f'aria-describedby="wrong-{field}"' in response.text
    assert shown_rows(response) == []
    assert "<script>" not in response.text.split("<main")[1]


def test_older_leads_page_by_page_to_the_end(app, member):
    rows = [add_signal(app, age=200 - number) for number in range(120)][::-1]
    found, address, pages = [], "/signals?ticker=LNT", 0
    while address:
        response = member.get(address)
        found += shown_rows(response)
        pages += 1
        links = response.text.split('rel="next" href="')
        address = links[1].split('"')[0].replace("&amp;", "&") if len(links) > 1 else None
        assert address is None or "ticker=LNT" in address
    assert found == rows
    assert pages == 3


def test_signals_of_one_moment_are_neither_lost_nor_doubled(app, member):
    same = at("2026-03-01 12:00:00")
    rows = [add_signal(app, received_at=same) for _ in range(60)][::-1]
    first = shown_rows(member.get("/signals"))
    assert first + shown_rows(member.get(f"/signals?after={first[-1]}")) == rows


@pytest.mark.parametrize("after", ["0", "999", "x", "-1", "1e3", "9" * 18, "9" * 30])
def test_a_page_that_is_not_there_is_said_so(app, member, after):
    add_signal(app)
    response = member.get(f"/signals?after={after}")
    assert response.status_code == 400
    assert "This page of the list does not exist" in plain_text(response)


def test_the_list_says_how_many_it_shows(app, member):
    assert "No signals yet." in plain_text(member.get("/signals"))
    for _ in range(51):
        add_signal(app)
    assert "50 signals shown, there are older ones" in plain_text(member.get("/signals"))
    assert "No signal fits these filters." in plain_text(member.get("/signals?status=error"))


def test_visitors_see_the_newest_only(app, client):
    for _ in range(30):
        add_signal(app)
        add_signal(app, status="filled")
    assert len(shown_rows(client.get("/signals"))) == 5
    assert len(shown_rows(client.get("/signals?status=filled"))) == 5
    assert len(shown_rows(client.get("/signals?status=waiting"))) == 20
    assert "Log in to see more." in plain_text(client.get("/signals"))
    older = client.get("/signals?after=10")
    assert older.status_code == 400
    assert shown_rows(older) == []
    assert "Log in to see older signals." in plain_text(older)
