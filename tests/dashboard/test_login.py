"""Log-in and log-out by form."""

import pytest

from tests.dashboard.support import form_token, is_logged_in, log_in_page, plain_text
from tests.support.factories import ADMIN_PASSWORD, USER_PASSWORD, make_user

GENERIC = "The user name or the password is wrong."


@pytest.fixture
def database_url(sqlite_url):
    """What is tested here is the same on both databases."""
    return sqlite_url


def test_a_right_password_leads_to_the_dashboard(client):
    response = log_in_page(client)
    assert response.status_code == 303
    assert response.headers["Location"] == "/"
    assert is_logged_in(client)


@pytest.mark.parametrize(("username", "password"), [("admin", "not this one"), ("nobody", ADMIN_PASSWORD), ("", "")])
def test_a_refusal_does_not_tell_what_was_wrong(client, username, password):
    response = log_in_page(client, username, password)
    assert response.status_code == 401
    assert GENERIC in plain_text(response)
    assert f'value="{username}"' in response.text
    assert password not in response.text or not password
    assert not is_logged_in(client)


@pytest.mark.parametrize("username", ["admin\x00", "a" * 5000, "\ud800admin", "ad\nmin", "admin' or 1=1 --", "管理员"])
def test_strange_names_are_refused_like_all_others(client, username):
    data = {"username": username.encode("utf-8", "surrogatepass").decode("latin-1"), "password": "x"}
    response = client.post("/login", data={**data, "csrf_token": form_token(client)})
    assert response.status_code == 401
    assert GENERIC in plain_text(response)


def test_the_name_is_shown_again_as_text(client):
    response = log_in_page(client, '"><script>alert(1)</script>', "x")
    assert "<script>alert(1)" not in response.text


def test_after_many_failures_the_form_says_how_long_to_wait(client):
    for _ in range(10):
        assert log_in_page(client, "admin", "wrong").status_code == 401
    response = log_in_page(client)
    assert response.status_code == 429
    seconds = int(response.headers["Retry-After"])
    assert 0 < seconds <= 301
    assert f"Try again in {seconds} s." in plain_text(response)


@pytest.mark.parametrize("wanted", ["/signals", "/signals?ticker=LNT-FTS&status=filled", "/signals/7", "/guide"])
def test_the_visitor_goes_on_to_the_wanted_page(client, wanted):
    assert log_in_page(client, next=wanted).headers["Location"] == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\x00//evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
    ],
)
def test_nobody_is_sent_to_another_site(client, wanted):
    assert log_in_page(client, next=wanted).headers["Location"] == "/"


def test_who_is_logged_in_is_not_asked_again(member):
    response = member.get("/login?next=/guide")
    assert (response.status_code, response.headers["Location"]) == (303, "/guide")
    assert member.get("/login?next=//evil.example").headers["Location"] == "/"


def test_a_log_out_after_the_end_of_the_session_is_harmless(client):
    assert client.post("/logout").status_code == 303


def test_users_without_the_admin_role_see_the_pages_too(app, client):
    make_user(app)
    log_in_page(client, "reader", USER_PASSWORD)
    assert "reader" in client.get("/").text
