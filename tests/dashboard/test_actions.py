"""What holds for all pages of execution: who may see and do, form tokens, hostile texts, banners, the signal's forms."""

import pytest
import sqlalchemy as sa
from markupsafe import escape

from models import Order, PositionDifference, Signal
from tests.dashboard.support import add_signal, form_token, log_in_page, plain_text, scalars
from tests.dashboard.trading import HOSTILE, add_drifted_pair, add_order, drift_state, journal, send, set_stop, trade
from tests.support import book_rows
from tests.support.factories import ADMIN_PASSWORD, USER_PASSWORD, count_rows, make_user
from tests.support.keyed_broker import LIVE_KEYS, OTHER_KEYS, RENEWED_KEYS, add

pytestmark = pytest.mark.usefixtures("front_door")

PAGES = ["/orders", "/orders?show=all", "/orders/1", "/positions", "/controls", "/accounts"]


@pytest.fixture
def reader(app, other_client):
    """A visitor who is logged in and no admin."""
    make_user(app)
    log_in_page(other_client, "reader", USER_PASSWORD)
    return other_client


def typed(keys):
    return {"key_id": keys["key_id"], "secret_key": keys["secret_key"]}


def deeds(app):
    """Return every form that changes the desk, ready to be sent."""
    with app.app_context():
        add("anna")
        add("real", "live", LIVE_KEYS)
    order, manual = add_order(app, status="QUEUED"), add_order(app, symbol="V", status="MANUAL")
    waiting, critical = add_signal(app), add_signal(app, status="critical err")
    add_drifted_pair(app)
    number, state, mine = set_stop(app), drift_state(app), {"password": ADMIN_PASSWORD, "reason": "the news"}
    return [
        (f"/orders/{order}", {"deed": "cancel", **mine}),
        (f"/orders/{manual}", {"deed": "resolve", **mine}),
        (f"/signals/{waiting}", {"deed": "cancel", **mine}),
        (f"/signals/{critical}", {"deed": "settle", **mine}),
        (
            "/positions",
            {"deed": "heal", "subject": state, "state": state, "pair": "LNT-FTS", "account": "paper", **mine},
        ),
        ("/accounts", {"deed": "add", "name": "bert", "environment": "paper", **typed(OTHER_KEYS), **mine}),
        ("/accounts", {"deed": "keys", "subject": "anna", **typed(RENEWED_KEYS), **mine}),
        ("/accounts", {"deed": "check", "subject": "anna", **mine}),
        ("/accounts", {"deed": "live", "subject": "real", "on": "on", **mine}),
        ("/accounts", {"deed": "drop", "subject": "real", **mine}),
        ("/accounts", {"deed": "remove", "subject": "anna", **mine}),
        ("/controls", {"deed": "stop", "level": "flatten", "scope": "desk", **mine}),
        ("/controls", {"deed": "release", "subject": str(number), **mine}),
        ("/controls", {"deed": "rule", "check": "max_notional", "scope": "desk", "limit": "1", **mine}),
    ]


@pytest.mark.parametrize("path", PAGES)
def test_visitors_are_sent_to_the_log_in_even_where_signals_are_open(app, client, path):
    add_order(app)
    assert client.get("/signals").status_code == 200
    response = client.get(path)
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/login?next=/")


def test_only_who_is_logged_in_is_shown_the_way_to_execution(app, member, other_client):
    for label in ("Orders", "Positions", "Accounts", "Controls"):
        assert f">{label}</a>" in member.get("/guide").text
        assert f">{label}</a>" not in other_client.get("/guide").text


def test_a_reader_sees_all_and_may_do_nothing(app, reader):
    trade(app)
    for path in [*PAGES, "/orders/1", "/signals/1", "/signals/2", "/"]:
        page = reader.get(path).text
        assert reader.get(path).status_code == 200
        assert 'name="deed"' not in page
        assert "#cancel" not in page


def test_deeds_of_readers_are_refused_and_those_of_admins_done(app, reader, member):
    forms = deeds(app)
    before = count_rows(app, "web_sessions", "rate_limits")
    for path, fields in forms:
        assert send(reader, path, **fields).status_code == 403, (path, fields)
    assert count_rows(app, "web_sessions", "rate_limits") == before
    begun = ["add account", "add account", "stop entries"]
    assert [entry[1] for entry in journal(app)] == begun
    for path, fields in forms:
        assert send(member, path, **fields).status_code == 303, (path, fields)
    done = ["cancel", "resolve", "cancel", "settle", "heal"]
    done += ["add account", "set keys", "live trading on", "remove keys", "remove account"]
    done += ["stop flatten", "release", "limit set"]
    assert [entry[1] for entry in journal(app)] == [*begun, *done]


@pytest.mark.parametrize("token", [None, "0" * 64])
def test_no_form_works_without_its_token(app, member, token):
    before = None
    for path, fields in deeds(app):
        before = before or count_rows(app, "web_sessions", "rate_limits")
        data = fields if token is None else {**fields, "csrf_token": token}
        assert member.post(path, data=data).status_code == 403
    assert count_rows(app, "web_sessions", "rate_limits") == before


def test_visitors_who_send_a_form_are_sent_to_the_log_in(app, client):
    for path, fields in deeds(app):
        response = client.post(path, data={**fields, "csrf_token": form_token(client)})
        assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert len(journal(app)) == 3  # what was there before


def test_hostile_texts_are_shown_and_nothing_else(app, member):
    order = add_order(app, status="REJECTED", reason=HOSTILE, cancel_reason=HOSTILE)
    book_rows.add(app, book_rows.event(order, 2, "REJECTED", cause=HOSTILE, actor=HOSTILE))
    book_rows.add(app, PositionDifference(account_id=1, symbol=HOSTILE[:60], ours=1, theirs=2))
    send(member, "/controls", "stop", level="entries", scope="desk", reason=HOSTILE)
    text = str(escape(HOSTILE))
    for path in ("/orders?show=all", f"/orders/{order}", "/controls"):
        page = member.get(path)
        assert page.status_code == 200
        assert text in page.text
        assert HOSTILE not in page.text
    assert str(escape(HOSTILE[:60])) in member.get("/positions").text


def test_a_hostile_reason_comes_back_as_text(app, member):
    order = add_order(app, status="FILLED")
    page = send(member, f"/orders/{order}", "cancel", reason=HOSTILE).text
    assert "<script>document" not in page
    assert "<img" not in page


@pytest.mark.parametrize(
    "path", ["/", "/signals", "/orders", "/positions", "/accounts", "/controls", "/guide", "/nothing-here"]
)
def test_what_lasts_stands_on_every_page(app, member, other_client, path):
    set_stop(app)
    book_rows.add(app, PositionDifference(account_id=1, symbol="LNT", ours=1, theirs=2))
    text = plain_text(member.get(path))
    if path == "/nothing-here":  # an error may mean that the database is away, and its page reads nothing
        assert "Stopped:" not in text
        return
    assert "Stopped: no entries for the whole desk, by anna since" in text
    assert "1 symbol differs." in text
    assert "Stopped:" not in plain_text(other_client.get(path))


def test_many_stops_take_no_more_than_a_few_lines(app, member):
    for number in range(5):
        set_stop(app, reason=str(number))
    text = plain_text(member.get("/guide"))
    assert text.count("Stopped:") == 3
    assert "2 more stops are in force." in text


def test_the_dashboard_tells_orders_positions_result_and_stops(app, member, other_client):
    trade(app)
    text = plain_text(member.get("/"))
    assert "Open orders 4 Open positions 4 Result today +210.27 USD Stops 2" in text
    assert "Open orders" not in plain_text(other_client.get("/"))


def test_an_idle_dashboard_says_so(member):
    assert "Open orders 0 Open positions 0 Result today nothing traded Stops none" in plain_text(member.get("/"))


def test_a_waiting_signal_is_canceled_at_once(app, member):
    rowid = add_signal(app)
    assert "the signal ends at once" in plain_text(member.get(f"/signals/{rowid}"))
    assert send(member, f"/signals/{rowid}", "cancel", reason="a wrong alert").status_code == 303
    text = plain_text(member.get(f"/signals/{rowid}"))
    assert "canceled by hand: a wrong alert" in text
    assert "Cancel signal" not in text
    assert journal(app) == [("user admin", "cancel", f"signal {rowid}", "a wrong alert")]
    assert send(member, f"/signals/{rowid}", "cancel").status_code == 409


def test_a_working_signal_is_canceled_through_its_broker(app, member):
    rowid = add_signal(app, status="created")
    order = add_order(app, status="ACCEPTED", signal_id=rowid)
    assert "The broker is asked" in plain_text(member.get(f"/signals/{rowid}"))
    assert send(member, f"/signals/{rowid}", "cancel", reason="too late").status_code == 303
    assert scalars(app, sa.select(Order.status).where(Order.id == order)) == ["CANCEL_PENDING"]
    assert "Cancel signal" not in member.get(f"/signals/{rowid}").text


def test_a_signal_of_another_executor_is_canceled_here_alone(app, member):
    rowid = add_signal(app, external=True, status="created")
    assert "Your own executor works on it" in plain_text(member.get(f"/signals/{rowid}"))
    assert send(member, f"/signals/{rowid}", "cancel").status_code == 303
    assert scalars(app, sa.select(Signal.status)) == ["canceled"]


@pytest.mark.parametrize("external", [False, True])
def test_a_filled_signal_cannot_be_canceled(app, member, external):
    rowid = add_signal(app, status="filled", external=external)
    assert 'name="deed"' not in member.get(f"/signals/{rowid}").text
    response = send(member, f"/signals/{rowid}", "cancel")
    assert response.status_code == 409
    assert "cannot go from 'filled' to 'canceled'" in plain_text(response)
    assert journal(app) == []


def test_a_critical_signal_is_settled_once_its_orders_have_ended(app, member):
    rowid = add_signal(app, status="critical err")
    working = add_order(app, status="ACCEPTED", signal_id=rowid)
    assert "Settle signal" not in member.get(f"/signals/{rowid}").text
    assert send(member, f"/signals/{rowid}", "settle").status_code == 409
    with app.app_context():
        from extensions import transaction

        with transaction() as session:
            session.execute(sa.update(Order).where(Order.id == working).values(status="CANCELED"))
    assert "Settle signal" in member.get(f"/signals/{rowid}").text
    assert send(member, f"/signals/{rowid}", "settle", reason="sold by hand").status_code == 303
    assert "settled by user admin: sold by hand" in plain_text(member.get(f"/signals/{rowid}"))


def test_the_orders_of_a_signal_lead_to_their_pages(app, member, other_client):
    rowid = add_signal(app, status="critical err")
    order = add_order(app, status="FILLED", signal_id=rowid, purpose="unwind", generation=2)
    assert f'href="/orders/{order}"' in member.get(f"/signals/{rowid}").text
    assert "unwind, order 2 of leg 1" in plain_text(member.get(f"/signals/{rowid}"))
    assert f'href="/orders/{order}"' not in other_client.get(f"/signals/{rowid}").text


@pytest.mark.parametrize(
    ("path", "deed"), [("/signals/99", "cancel"), ("/signals/x", "settle"), ("/signals/¹", "cancel")]
)
def test_a_signal_that_is_not_there_is_404(member, path, deed):
    assert send(member, path, deed).status_code == 404
