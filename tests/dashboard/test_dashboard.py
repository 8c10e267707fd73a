"""The dashboard: recent signals, counts, tabs, health, and what visitors see who are not logged in."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from markupsafe import escape

from tests.dashboard.support import (
    add_filled_pair,
    add_signal,
    add_worker,
    change_default_route,
    plain_text,
    shown_rows,
)
from tests.support.factories import PASSPHRASE

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{7*7}}{% raw %}",
    "</td></tr></table>",
    "&lt;b&gt;",
]


def test_signals_stand_newest_first(app, member):
    rows = [add_signal(app, age=age) for age in (300, 200, 100)]
    assert shown_rows(member.get("/")) == rows[::-1]


def test_a_line_says_what_became_of_a_signal(app, member):
    add_filled_pair(app)
    text = plain_text(member.get("/"))
    for part in ("MA-V", "buy", "filled", "20", "-2.0000", "-2.1680", "+0.1680"):
        assert part in text
    assert "as received NYSE:MA-3*NYSE:V" in text
    assert "hedge ratio 3" in text
    assert "alert -2.00 − fill -2.168 = +0.168, better than the alert" in text


@pytest.mark.parametrize(
    ("status", "look"),
    [
        ("waiting", "waiting"),
        ("rerouted", "waiting"),
        ("created", "created"),
        ("filled(...)", "filling"),
        ("part.filled", "filling"),
        ("filled", "filled"),
        ("canceled", "canceled"),
        ("error", "error"),
        ("critical err", "critical"),
    ],
)
def test_every_status_has_its_look_and_its_reason(app, member, status, look):
    rowid = add_signal(app, status=status, status_reason="told by the desk")
    page = member.get("/").text
    line = page.split(f'<tr data-key="s{rowid}">')[1].split("</tr>")[0]
    assert f'class="badge {look}"' in line
    assert "told by the desk" in line


@pytest.mark.parametrize(
    ("status", "fields", "shown"),
    [
        ("error", {"status_reason": "the ticker is not known"}, True),
        ("error", {"error_text": "leg 2 was rejected"}, True),
        ("canceled", {"status_reason": "older than its lifetime"}, True),
        ("critical err", {"status_reason": "one leg without the other"}, True),
        ("filled", {"status_reason": "all is filled"}, False),
    ],
)
@pytest.mark.parametrize("page", ["/", "/signals"])
def test_beside_a_bad_end_stands_why(app, member, page, status, fields, shown):
    add_signal(app, status=status, **fields)
    (why,) = fields.values()
    assert (f'<span class="why" title="{why}"><bdi>{why}</bdi></span>' in member.get(page).text) is shown


def test_a_status_without_a_reason_is_explained(app, member):
    add_signal(app, status="waiting")
    add_signal(app, status="waiting", external=True)
    text = plain_text(member.get("/"))
    assert "The worker has not taken it up yet." in text
    assert "It waits for your own executor to take it up." in text


def test_a_part_filled_signal_tells_how_much(app, member):
    add_signal(app, status="part.filled", filled_quantity=Decimal(40))
    assert "Part of the quantity is filled. filled 40 of 100" in plain_text(member.get("/"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_nothing_else(app, member, text):
    rowid = add_signal(app, ticker=text, name=None, comment=text, status_reason=text, error_text=text)
    for path in ("/", "/signals", f"/signals/{rowid}"):
        response = member.get(path)
        assert response.status_code == 200
        assert str(escape(text)) in response.text
        assert text not in response.text or escape(text) == text


def test_counts_are_those_of_today(app, member):
    now = datetime.now(UTC)
    yesterday = now - timedelta(days=1)
    add_signal(app, status="filled")
    add_signal(app, status="filled")
    add_signal(app, status="error", received_at=yesterday.replace(hour=12))
    counts = plain_text(member.get("/")).split("Today, UTC")[1]
    assert "2 filled 0 canceled 0 error" in counts
    assert f"/signals?status=filled&amp;from={now:%Y-%m-%d}" in member.get("/").text


def test_tabs_name_the_latest_registered_tickers(app, member):
    add_filled_pair(app)
    add_signal(app)
    add_signal(app, name="UNKNOWN", account_id=None)
    tabs = member.get("/").text.split('aria-label="Stocks and pairs"')[1].split("</nav>")[0]
    assert tabs.index("LNT") < tabs.index("MA-V")
    assert "UNKNOWN" not in tabs


def test_a_tab_shows_its_signals_alone(app, member):
    pair, single = add_filled_pair(app), add_signal(app)
    assert shown_rows(member.get("/?ticker=MA-V")) == [pair]
    assert shown_rows(member.get("/?ticker=lnt")) == [single]
    assert "No signals of ABCD." in plain_text(member.get("/?ticker=ABCD"))
    assert member.get("/?ticker=%00").status_code == 400


def test_a_silent_worker_is_seen_at_once(app, member):
    add_signal(app)
    add_worker(app, silent=300)
    text = plain_text(member.get("/"))
    assert "The worker was not heard from for 5 min." in text
    assert "1 signal waits now" in text


def test_a_worker_that_never_ran_or_stopped_is_told_apart(app, member):
    add_signal(app, status="filled")
    assert "The worker is not running." in plain_text(member.get("/"))
    add_worker(app, stopped_at=datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC))
    assert "The worker stopped at 12:34:56 UTC." in plain_text(member.get("/"))


def test_a_worker_that_was_heard_from_is_well(app, member):
    add_signal(app)
    add_worker(app, silent=3)
    response = member.get("/")
    assert 'class="dot good"' in response.text
    assert 'role="alert"' not in response.text
    assert "paper, orders by this desk" in plain_text(response)


def test_no_worker_is_missed_where_another_program_executes(app, member):
    change_default_route(app, "external")
    add_signal(app, external=True)
    response = member.get("/")
    assert 'role="alert"' not in response.text
    assert "external, left to your own executor" in plain_text(response)


def test_signals_that_need_a_person_are_pointed_out(app, member):
    add_signal(app, status="critical err", age=3600)
    add_signal(app, status="critical err", age=100_000)
    assert "1 signal needs a person" in plain_text(member.get("/"))


def test_without_signals_the_page_shows_how_to_begin(client, member):
    text = plain_text(member.get("/"))
    assert "No signals yet" in text
    assert "http://127.0.0.1:5000/v3/webhook" in text
    assert '"signal_id": "YOUR-STRATEGY|{{ticker}}|{{interval}}|{{timenow}}|{{strategy.order.id}}|' in text
    assert "YOUR-PASSPHRASE" in text
    assert PASSPHRASE not in text


def test_the_guide_shows_the_public_address(make_desk):
    client = make_desk(PUBLIC_URL="https://desk.example/").test_client()
    text = plain_text(client.get("/guide"))
    assert "https://desk.example/v3/webhook" in text
    assert "cannot reach" not in text
    assert "cannot reach" in plain_text(make_desk().test_client().get("/guide"))


def test_visitors_see_five_signals(app, client):
    rows = [add_signal(app, age=age) for age in range(30, 0, -1)]
    response = client.get("/")
    assert shown_rows(response) == rows[:-6:-1]
    assert "Log in to see more." in plain_text(response)
    assert len(shown_rows(client.get("/?ticker=LNT"))) == 5


@pytest.mark.parametrize("path", ["/", "/?ticker=LNT", "/signals", "/signals?status=waiting", "/signals/1", "/guide"])
def test_a_closed_desk_asks_visitors_to_log_in(make_desk, path):
    app = make_desk(OPEN_READS="false")
    add_signal(app)
    response = app.test_client().get(path)
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/login")
    assert "61.2" not in response.text


def test_a_closed_desk_sends_visitors_back_where_they_wanted(make_desk):
    client = make_desk(OPEN_READS="false").test_client()
    assert client.get("/").headers["Location"] == "/login"
    assert client.get("/signals?ticker=LNT-FTS").headers["Location"] == "/login?next=/signals?ticker%3DLNT-FTS"
