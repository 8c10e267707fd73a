"""Stops, the checks and their limits, and the journal."""

import pytest
import sqlalchemy as sa

from models import CheckRule, Stop
from tests.dashboard.support import plain_text, scalars
from tests.dashboard.trading import count_stops, journal, send, set_stop
from tests.support.factories import ADMIN_PASSWORD, make_pair, make_stock


def stop(client, **fields):
    return send(client, "/controls", "stop", **{"level": "entries", "scope": "desk", "name": "", **fields})


def release(client, number, **fields):
    return send(client, "/controls", "release", **{"subject": str(number), "password": ADMIN_PASSWORD, **fields})


def rules(app):
    return scalars(app, sa.select(CheckRule).order_by(CheckRule.check_name))


def test_a_desk_without_a_stop_says_so(member):
    text = plain_text(member.get("/controls"))
    assert "No stop is in force. The desk trades." in text
    assert "Nothing was done by hand so far." in text
    assert "Nothing is opened or made larger. Exits and working orders go on." in text


def test_no_entries_is_set_without_a_password(app, member):
    assert stop(member, reason="CPI at 14:30").status_code == 303
    assert count_stops(app) == 1
    text = plain_text(member.get("/controls"))
    assert "Stopped: no entries for the whole desk." in text
    assert "by admin since" in text
    assert "Reason CPI at 14:30" in text
    assert journal(app) == [("user admin", "stop entries", "desk", "CPI at 14:30")]


@pytest.mark.parametrize("level", ["cancel", "flatten"])
@pytest.mark.parametrize(("password", "status"), [("", 400), ("wrong", 401), (ADMIN_PASSWORD, 303)])
def test_to_cancel_or_flatten_the_password_is_needed(app, member, level, password, status):
    response = stop(member, level=level, password=password)
    assert response.status_code == status
    assert count_stops(app) == (status == 303)
    if status == 401:
        assert "is wrong" in response.text.split('id="wrong-password">')[1].split("</p>")[0]
        assert "wrong" not in response.text.split('type="password"')[1].split(">")[0]
        assert f'value="{level}" checked' in response.text


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"level": "all"}, None, "must be one of: entries, cancel, flatten"),
        ({"scope": "world"}, "scope", "must be one of: desk, account, stock, pair"),
        ({"scope": "stock", "name": "NOPE"}, "name", "no stock is called NOPE"),
        ({"scope": "account"}, "name", "must name the account"),
        ({"name": "LNT"}, "name", "must be empty for the whole desk"),
        ({"name": "x" * 130}, "name", "at most 129 are allowed"),
        ({"name": "a\x00"}, "name", "cannot be shown"),
        ({"reason": ""}, "reason", "is needed"),
        ({"reason": "<" * 201}, "reason", "at most 200 are allowed"),
    ],
)
def test_a_wrong_stop_gets_its_message_and_is_not_set(app, member, fields, field, message):
    response = stop(member, **fields, **({"password": ADMIN_PASSWORD} if "level" in fields else {}))
    assert response.status_code == 400
    place = response.text.split(f'id="wrong-{field}">')[1].split("</p>")[0] if field else response.text
    assert message in place.replace("&#39;", "'")
    assert count_stops(app) == 0


def test_a_stop_covers_what_is_named(app, member):
    make_pair(app, "LNT-FTS")
    assert stop(member, scope="pair", name=" lnt-fts ").status_code == 303
    assert "Stopped: no entries for the pair LNT-FTS" in plain_text(member.get("/controls"))


def test_names_are_offered(app, member):
    make_pair(app, "LNT-FTS")
    page = member.get("/controls").text
    for name, what in (("paper", "account"), ("LNT-FTS", "pair"), ("FTS", "stock")):
        assert f'<option value="{name}">{what}</option>' in page


def test_a_stop_is_released_with_reason_and_password(app, member):
    number = set_stop(app, "flatten")
    page = plain_text(member.get("/controls"))
    assert "not begun; a worker carries it out as soon as it runs" in page
    assert release(member, number, password="wrong").status_code == 401
    assert release(member, number, reason="").status_code == 400
    assert count_stops(app) == 1
    assert release(member, number, reason="the news was nothing").status_code == 303
    assert count_stops(app) == 0
    assert "What it covered trades again." in plain_text(member.get("/controls"))
    assert scalars(app, sa.select(Stop.release_reason)) == ["the news was nothing"]


def test_a_stop_that_was_released_meanwhile_is_said_so(app, member):
    number = set_stop(app)
    release(member, number)
    response = release(member, number)
    assert response.status_code == 409
    assert f"Stop {number} was released by user admin before." in plain_text(response)


@pytest.mark.parametrize("number", ["99", "x", "", "-1", "9" * 20, "¹"])
def test_a_stop_that_is_not_there_is_404(app, member, number):
    set_stop(app)
    assert release(member, number).status_code == 404
    assert count_stops(app) == 1


def test_a_message_belongs_to_the_form_it_came_from(app, member):
    first, second = set_stop(app), set_stop(app, reason="another")
    page = release(member, first, password="wrong").text
    assert 'id="wrong-password"' in page.split(f'data-key="stop-{first}"')[1].split("</form>")[0]
    assert 'id="wrong-password"' not in page.split(f'data-key="stop-{second}"')[1].split("</form>")[0]


def test_wrong_passwords_are_throttled_like_log_ins(app, member):
    number = set_stop(app)
    for _ in range(10):
        assert release(member, number, password="wrong").status_code == 401
    response = release(member, number)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 301
    assert count_stops(app) == 1


def test_the_journal_is_listed_page_by_page(app, member):
    for number in range(35):
        set_stop(app, reason=f"reason {number}.")
    first = member.get("/controls")
    assert "reason 34." in first.text.split("<h2>Journal")[1]
    older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "reason 0." in member.get(older).text.split("<h2>Journal")[1]
    assert member.get("/controls?after=x").status_code == 400


def check(page, name):
    return plain_text(type("Part", (), {"text": page.text.split(f'data-key="check-{name}"')[1].split("</tr>")[0]}))


def test_checks_are_shown_as_they_are(app, member):
    page = member.get("/controls")
    assert "refuse" in check(page, "registered")
    assert "from built in" in check(page, "registered")
    assert "no limit set" in check(page, "max_notional")
    assert "60 seconds" in check(page, "quote_age")
    assert "every check is as it is built in" in plain_text(page)


def test_of_a_pair_the_limits_of_its_stocks_are_shown(app, member):
    make_pair(app, "LNT-FTS")
    form = {"check": "max_quantity", "scope": "stock", "name": "FTS", "limit": "15"}
    assert send(member, "/controls", "rule", reason="thin market", **form).status_code == 303
    shown = check(member.get("/controls?scope=pair&of=LNT-FTS"), "max_quantity")
    assert "15 for the leg FTS" in shown
    assert "no limit set" not in shown
    assert "no limit set" in check(member.get("/controls"), "max_quantity")


def test_the_choice_of_reversals_is_shown_and_can_be_made(app, member):
    assert "refuse" not in check(member.get("/controls"), "reversal")
    form = {"check": "reversal", "scope": "desk", "choice": "refuse"}
    assert send(member, "/controls", "rule", reason="all or nothing", **form).status_code == 303
    assert "refuse" in check(member.get("/controls"), "reversal")


def test_a_limit_is_set_for_a_pair_and_cleared_again(app, member):
    make_pair(app, "LNT-FTS")
    form = {"check": "max_notional", "scope": "pair", "name": "lnt-fts", "limit": "25000.5", "mode": "warn"}
    assert send(member, "/controls", "rule", reason="small pair", **form).status_code == 303
    (rule,) = rules(app)
    assert (rule.scope_name, f"{rule.limit_value:f}", rule.mode, rule.changed_by) == (
        "LNT-FTS",
        "25000.5",
        "warn",
        "user admin",
    )
    shown = check(member.get("/controls?scope=pair&of=LNT-FTS"), "max_notional")
    assert "25,000.5 money, both legs" in shown
    assert "pair LNT-FTS" in shown
    assert "no limit set" in check(member.get("/controls"), "max_notional")
    assert journal(app)[0][3].endswith("small pair")
    again = member.get("/controls?scope=pair&of=LNT-FTS&check=max_notional").text.split('id="rule"')[1]
    assert 'value="25000.5"' in again
    assert '<option value="warn" selected>' in again
    cleared = send(member, "/controls", "clear", **{**form, "limit": "", "mode": ""})
    assert cleared.status_code == 303
    assert rules(app) == []
    assert send(member, "/controls", "clear", **form).status_code == 409


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"check": "nope"}, "check", "must be one of"),
        ({"scope": "world"}, "scope", "must be one of: desk"),
        ({"scope": "stock", "name": "NOPE"}, "name", "no stock NOPE is registered"),
        ({"scope": "stock", "name": "A+B"}, "name", "is not a name"),
        ({"limit": "1e3"}, "limit", "must be a number"),
        ({"limit": "NaN"}, "limit", "must be a number"),
        ({"limit": "-1"}, "limit", "must be between 0"),
        ({"limit": "٣"}, "limit", "must be a number"),
        ({"limit": "", "mode": ""}, "mode", "one of mode, limit and choice is needed"),
        ({"mode": "maybe"}, "mode", "must be one of: off, warn, refuse"),
        ({"choice": "cash"}, "choice", "must be one of: lenient, strict"),
        ({"reason": ""}, "reason", "is needed"),
    ],
)
def test_a_wrong_rule_gets_its_message_and_is_not_set(app, member, fields, field, message):
    make_stock(app, "LNT")
    form = {"check": "max_notional", "scope": "desk", "name": "", "limit": "10", "mode": "", "choice": "", **fields}
    response = send(member, "/controls", "rule", **form)
    assert response.status_code == 400
    assert message in response.text.split(f'id="wrong-{field}">')[1].split("</p>")[0].replace("&#39;", "'")
    assert rules(app) == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("scope=pair&of=NO-SUCH", "no pair NO-SUCH is registered"),
        ("scope=world", "must be one of: desk"),
        ("scope=stock", "a name is needed"),
        ("scope=stock&of=%00", "is not a name"),
        ("scope=account&of=%3Cb%3E", "no account &lt;b&gt; is registered"),
    ],
)
def test_checks_of_an_unknown_name_are_not_shown(member, query, message):
    response = member.get(f"/controls?{query}")
    assert response.status_code == 200
    assert message in response.text.split('id="wrong-look">')[1].split("</p>")[0]
    assert "No checks are shown" in response.text
