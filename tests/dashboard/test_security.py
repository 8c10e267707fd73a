"""Headers and form tokens."""

import pytest

from tests.dashboard.support import form_token, is_logged_in, log_in_page
from tests.support.factories import ADMIN_PASSWORD, post_alert

PAGES = ["/", "/login", "/guide", "/signals", "/signals/99", "/nothing", "/v3/docs"]


@pytest.fixture
def database_url(sqlite_url):
    """What is tested here is the same on both databases."""
    return sqlite_url


def policy(response):
    rules = (rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; "))
    return dict(rules)


@pytest.mark.parametrize("path", PAGES)
def test_pages_carry_what_guards_them(client, path):
    response = client.get(path)
    rules = policy(response)
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["form-action"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in response.headers


def test_behind_tls_browsers_are_told_to_stay_there(make_desk):
    client = make_desk(SECURE_COOKIES="true").test_client()
    assert "max-age=31536000" in client.get("/login").headers["Strict-Transport-Security"]


def test_answers_to_programs_are_neither_guessed_nor_kept(client):
    for response in (post_alert(client), client.get("/v3/nothing"), client.get("/healthz")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"


def test_files_are_kept_for_good_under_the_address_of_their_content(client):
    page = client.get("/login").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with client.get(address) as known, client.get("/static/app.css") as any_version:
        assert "immutable" in known.headers["Cache-Control"]
        assert "immutable" not in any_version.headers["Cache-Control"]


def test_a_form_without_its_token_is_refused(member):
    assert member.post("/logout").status_code == 403
    assert is_logged_in(member)


@pytest.mark.parametrize("token", ["", "0" * 64, "ü", "x" * 5000])
def test_a_form_with_a_wrong_token_is_refused(member, token):
    assert member.post("/logout", data={"csrf_token": token}).status_code == 403
    assert is_logged_in(member)


def test_a_token_belongs_to_one_session(member, other_client):
    log_in_page(other_client)
    assert member.post("/logout", data={"csrf_token": form_token(other_client, "/")}).status_code == 403


def test_the_token_before_the_log_in_is_bound_to_a_cookie(client, other_client):
    data = {"username": "admin", "password": ADMIN_PASSWORD, "csrf_token": form_token(other_client)}
    assert client.post("/login", data=data).status_code == 403
    assert not is_logged_in(client)


def test_a_cookie_of_the_wrong_shape_is_replaced(client):
    client.set_cookie("form", "x")
    assert log_in_page(client).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:1"},
    ],
)
def test_a_form_from_another_site_is_refused_even_with_its_token(member, headers):
    data = {"csrf_token": form_token(member, "/")}
    assert member.post("/logout", data=data, headers=headers).status_code == 403
    assert is_logged_in(member)


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Origin": "null"}, {"Origin": "http://localhost"}, {}],
)
def test_a_form_of_ours_passes(member, headers):
    data = {"csrf_token": form_token(member, "/")}
    assert member.post("/logout", data=data, headers=headers).status_code == 303


def test_alerts_need_no_form_token(client):
    assert post_alert(client).status_code == 201
