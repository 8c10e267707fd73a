"""The page of one signal, and pages of errors."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.dashboard.support import add_filled_pair, add_signal, form_token, is_logged_in, plain_text


@pytest.fixture
def database_url(sqlite_url):
    """What is tested here is the same on both databases."""
    return sqlite_url


def test_a_signal_is_shown_with_orders_fills_and_moves(app, client):
    text = plain_text(client.get(f"/signals/{add_filled_pair(app)}"))
    for part in (
        "Hedge ratio 3",
        "Fill price -2.168",
        "Slip +0.168",
        "Executed by this desk",
        "MARKET, DAY",
        "broker: broker-2",
        "100.756 0.35",
        "synthetic",
        "planned by the worker",
    ):
        assert part in text


def test_the_decision_trace_tells_checks_outcomes_and_values(app, client):
    page = client.get(f"/signals/{add_filled_pair(app)}").text
    text = page.split("Decision trace", 1)[1]
    assert 'outcome passed">passed' in text
    assert 'outcome failed">failed' in text
    assert "The hedge ratios are equal." in text
    assert '<span class="tip-label">registered</span> <bdi>3</bdi>' in text


def test_only_a_signal_with_made_up_fills_explains_them(app, client):
    assert "Synthetic:" in plain_text(client.get(f"/signals/{add_filled_pair(app)}"))
    assert "Synthetic:" not in plain_text(client.get(f"/signals/{add_signal(app)}"))


def test_a_signal_without_orders_says_so(app, client):
    assert "No order was made" in plain_text(client.get(f"/signals/{add_signal(app, status='error')}"))
    external = client.get(f"/signals/{add_signal(app, external=True)}")
    assert "left to your own executor" in plain_text(external)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"seen_count": 3}, "3, recognised by its id"),
        ({"seen_count": 2, "weak_key": True}, "2, recognised by equal content within 30 seconds"),
        ({}, "Deliveries 1"),
    ],
)
def test_repeats_are_told(app, client, fields, told):
    assert told in plain_text(client.get(f"/signals/{add_signal(app, **fields)}"))


@pytest.mark.parametrize("rowid", ["99", "0", "-1", "x", "1.5", "9" * 18, "9" * 40, "%00", "1%20", "¹"])
def test_a_signal_that_is_not_there_is_404(app, client, rowid):
    add_signal(app)
    response = client.get(f"/signals/{rowid}")
    assert response.status_code == 404
    assert "There is no such page" in response.text


def test_errors_have_the_look_of_all_pages(member):
    for response, status in (
        (member.get("/nothing"), 404),
        (member.post("/guide"), 405),
        (member.post("/logout"), 403),
        (member.post("/logout", data={"x": "x" * 100_000}), 413),
    ):
        assert response.status_code == status
        assert f'<p class="status-code">{status}</p>' in response.text
        assert "Log out" in response.text
    assert "POST" not in member.post("/guide").headers["Allow"]


def test_an_unexpected_error_shows_its_number_in_the_log(app, caplog):
    @app.get("/broken")
    def broken():
        raise RuntimeError("inner words that nobody should see")

    response = app.test_client().get("/broken")
    number = response.text.split("<code>")[1].split("</code>")[0]
    assert response.status_code == 500
    assert "inner words" not in response.text
    assert f"error {number}" in caplog.text


@pytest.fixture
def dead_database(monkeypatch):
    """Let every statement fail as it does while the database is away; call it to begin."""

    def refuse(*args, **kwargs):
        raise OperationalError("select", {}, Exception("the server is gone"))

    return lambda: monkeypatch.setattr(sa.orm.Session, "execute", refuse)


@pytest.mark.parametrize("path", ["/", "/signals", "/signals/1", "/nothing"])
def test_without_the_database_pages_say_so(app, member, dead_database, path):
    """Also where it is the session itself that cannot be read."""
    dead_database()
    response = member.get(path)
    assert response.status_code == 503
    assert "The database is not available" in response.text
    assert len(response.text.split("<code>")[1].split("</code>")[0]) == 12
    assert response.headers["Retry-After"] == "5"
    assert "Set-Cookie" not in response.headers


def test_a_session_outlives_a_failure_of_the_database(app, member, dead_database, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr(
            sa.orm.Session, "execute", lambda *a, **k: (_ for _ in ()).throw(OperationalError("", {}, Exception()))
        )
        assert member.get("/guide").status_code == 503
    assert is_logged_in(member)


def test_the_form_token_is_asked_for_before_anything_else(client):
    assert client.post("/login", data={"username": "admin", "password": "x"}).status_code == 403
    assert form_token(client)
