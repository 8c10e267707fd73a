"""Sessions live in the database under the hash of their cookie, and end when they should."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from domain.enums import Role
from extensions import transaction
from models import User, WebSession
from services.identity import users
from tests.dashboard.support import form_token, is_logged_in, log_in_page, log_out_page, scalars, session_cookie
from tests.support.factories import USER_PASSWORD, make_user

WITHOUT_SESSION = ["/v3/signals/1", "/v3/openapi.json", "/v3/docs", "/v3/nothing", "/healthz", "/static/app.css"]


def stored_ids(app):
    return scalars(app, sa.select(WebSession.sid_hash))


def test_only_the_hash_of_the_cookie_is_stored(app, member):
    cookie = session_cookie(member)
    assert stored_ids(app) == [hashlib.sha256(cookie.encode()).hexdigest()]
    assert cookie.encode() not in scalars(app, sa.select(WebSession.data))[0]


def test_the_session_says_who_is_logged_in(member):
    assert is_logged_in(member)
    assert "admin" in member.get("/").text


def test_visitors_who_are_not_logged_in_leave_no_row(app, client):
    client.get("/")
    client.get("/login")
    assert stored_ids(app) == []


def test_a_log_in_changes_the_id(app, member):
    before = session_cookie(member)
    log_out_page(member)
    log_in_page(member)
    assert session_cookie(member) != before
    assert len(stored_ids(app)) == 1


def test_a_log_in_over_another_one_ends_that(app, member):
    make_user(app)
    before = session_cookie(member)
    data = {"username": "reader", "password": USER_PASSWORD, "csrf_token": form_token(member, "/")}
    assert member.post("/login", data=data).status_code == 303
    assert session_cookie(member) != before
    assert "reader" in member.get("/").text
    assert len(stored_ids(app)) == 1


def test_an_id_chosen_by_the_visitor_is_not_taken(app, client):
    client.set_cookie("session", "chosen-by-an-attacker")
    log_in_page(client)
    assert session_cookie(client) != "chosen-by-an-attacker"
    assert hashlib.sha256(b"chosen-by-an-attacker").hexdigest() not in stored_ids(app)


def test_a_log_out_ends_the_session_everywhere(app, member, other_client):
    cookie = session_cookie(member)
    response = log_out_page(member)
    assert response.status_code == 303
    assert "session=;" in response.headers["Set-Cookie"]
    assert stored_ids(app) == []
    other_client.set_cookie("session", cookie)
    assert not is_logged_in(other_client)


def test_a_session_is_good_in_every_process(member, other_client):
    other_client.set_cookie("session", session_cookie(member))
    assert is_logged_in(other_client)


def test_reading_pages_writes_no_session(app, member):
    before = scalars(app, sa.select(WebSession.expires_at))
    assert "Set-Cookie" not in member.get("/").headers
    assert scalars(app, sa.select(WebSession.expires_at)) == before


@pytest.mark.parametrize("change", ["password", "role", "user"])
def test_a_change_of_the_user_ends_the_session(app, client, change):
    make_user(app)
    log_in_page(client, "reader", USER_PASSWORD)
    assert is_logged_in(client)
    with app.app_context():
        if change == "user":
            users.delete_user("reader")
        else:
            users.change_user("reader", "another password of the reader", Role.ADMIN if change == "role" else None)
    assert not is_logged_in(client)
    assert stored_ids(app) == []


def test_an_expired_session_is_over_and_the_next_log_in_removes_it(app, member, other_client):
    with app.app_context(), transaction() as session:
        session.execute(sa.update(WebSession).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert not is_logged_in(member)
    log_in_page(other_client)
    assert len(stored_ids(app)) == 1


def test_the_session_lasts_as_long_as_the_setting_says(make_desk):
    app = make_desk(SESSION_HOURS="3")
    log_in_page(app.test_client())
    left = scalars(app, sa.select(WebSession.expires_at))[0] - datetime.now(UTC)
    assert timedelta(hours=2, minutes=59) < left <= timedelta(hours=3)


def test_what_cannot_be_read_is_no_session(app, member):
    with app.app_context(), transaction() as session:
        session.execute(sa.update(WebSession).values(data=b"\x80\x04cos\nsystem\n."))
    assert not is_logged_in(member)


@pytest.mark.parametrize("path", WITHOUT_SESSION)
def test_programs_and_files_get_no_cookie_and_cost_no_session(app, member, monkeypatch, path):
    def refuse(*args):
        raise AssertionError("a session was opened")

    monkeypatch.setattr("services.identity.web_sessions.load", refuse)
    with member.get(path) as response:
        headers = response.headers
    assert "Set-Cookie" not in headers
    assert "Cookie" not in headers.get("Vary", "")


def test_unfinished_work_of_a_page_is_not_saved_with_the_session(app, client):
    @app.post("/careless")
    def careless():
        from flask import session

        from extensions import db

        db.session.add(User(username="ghost", password_hash="x"))
        db.session.flush()
        session["seen"] = True
        return "done"

    response = client.post("/careless", data={"csrf_token": form_token(client)})
    assert response.text == "done"
    assert len(stored_ids(app)) == 1
    assert scalars(app, sa.select(User.username).where(User.username == "ghost")) == []


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    cookie = log_in_page(client).headers["Set-Cookie"]
    assert cookie.startswith("session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


def test_behind_tls_cookies_are_secure_and_bound_to_the_host(make_desk):
    client = make_desk(SECURE_COOKIES="true").test_client()
    page = client.get("/login", base_url="https://localhost")
    assert page.headers["Set-Cookie"].startswith("__Host-form=")
    token = form_token_over_tls(page)
    data = {"username": "admin", "password": "the desk of a careful trader", "csrf_token": token}
    cookie = client.post("/login", data=data, base_url="https://localhost").headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def form_token_over_tls(page):
    return page.text.split('name="csrf_token" value="')[1][:64]
