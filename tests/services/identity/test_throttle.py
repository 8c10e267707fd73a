"""Limits on failed tries, counted by all processes together."""

import time
from types import SimpleNamespace

import pytest
from limits import parse

from domain.errors import TooMany
from services.identity import throttle
from tests.support.apps import closing_app
from tests.support.factories import (
    ADMIN_PASSWORD,
    count_rows,
    make_alert_body,
    make_config,
    make_user,
    post_alert,
    together,
)

LIMIT = parse("3/minute")


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=time.time())
    monkeypatch.setattr(throttle, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


def fails(app, who="somebody"):
    with app.app_context():
        return throttle.count_failure(LIMIT, who)


def is_held_up(app, who="somebody"):
    with app.app_context():
        try:
            throttle.check_failures(LIMIT, who)
        except TooMany as e:
            return 0 < e.retry_after <= 61
        return False


def test_two_processes_count_together(app, other_app):
    assert [fails(app), fails(other_app), fails(app)] == [True, True, True]
    assert is_held_up(app)
    assert is_held_up(other_app)
    assert fails(other_app) is False
    assert not is_held_up(other_app, "somebody else")


def test_a_window_ends(app, clock):
    for _ in range(5):
        fails(app)
    assert is_held_up(app)
    clock.now += 61
    assert not is_held_up(app)
    assert fails(app) is True


def test_ended_windows_are_forgotten(app, clock):
    fails(app)
    clock.now += 30
    fails(app, "somebody else")
    clock.now += 31
    with app.app_context():
        assert throttle.forget_ended_windows() == 1
    assert count_rows(app)["rate_limits"] == 1


def test_no_failure_is_lost_between_processes(app, other_app):
    def fail_often(one):
        with one.app_context():
            return [throttle.count_failure(parse("1000/minute"), "crowd") for _ in range(10)]

    together(*(lambda one=one: fail_often(one) for one in (app, other_app) * 3))
    with app.app_context():
        assert throttle.SqlStorage().get(parse("1000/minute").key_for("crowd")) == 60


def test_names_and_addresses_of_any_length_are_counted(app):
    for who in ("x" * 100_000, "\x00", "🌷", "\ud800"):
        assert [fails(app, who) for _ in range(4)] == [True, True, True, False]


def test_failed_log_ins_count_in_every_process(app, client, other_client):
    for one in (client, other_client) * 5:
        assert one.post("/v3/login", json={"username": "admin", "password": "guess"}).status_code == 401
    for one in (client, other_client):
        assert one.post("/v3/login", json={"username": "admin", "password": ADMIN_PASSWORD}).status_code == 429


def test_an_address_that_tries_many_names_must_wait(app, client, other_client):
    make_user(app)
    tries = [
        c.post("/v3/login", json={"username": f"user{n}", "password": "guess"})
        for n in range(10)
        for c in (client, other_client)
    ]
    assert {response.status_code for response in tries} == {401}
    assert client.post("/v3/login", json={"username": "reader", "password": "guess"}).status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert (
        client.post("/v3/login", json={"username": "reader", "password": "guess"}, environ_base=elsewhere).status_code
        == 401
    )


def test_wrong_passphrases_count_in_every_process(app, client, other_client):
    statuses = [post_alert(one, passphrase="guess").status_code for one in (client, other_client) * 6]
    assert statuses == [401] * 10 + [429] * 2
    assert post_alert(client).status_code == post_alert(other_client, order_contracts=5).status_code == 201


@pytest.mark.parametrize(
    ("proxies", "header", "address"),
    [
        ("0", None, "127.0.0.1"),
        ("0", "192.0.2.7", "127.0.0.1"),
        ("1", "192.0.2.7", "192.0.2.7"),
        ("1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("1", None, "127.0.0.1"),
        ("2", "192.0.2.7, 203.0.113.9", "192.0.2.7"),
        ("2", "198.51.100.1, 192.0.2.7, 203.0.113.9", "192.0.2.7"),
    ],
)
def test_an_address_is_what_the_counted_proxies_report(sqlite_url, tmp_path, caplog, proxies, header, address):
    """What a sender writes in front of it is not believed."""
    with closing_app(make_config(sqlite_url, tmp_path, TRUSTED_PROXIES=proxies)) as app:
        headers = {"X-Forwarded-For": header} if header else {}
        app.test_client().post("/v3/webhook", json=make_alert_body(passphrase="guess"), headers=headers)
    assert f"alert from {address} refused" in caplog.text
