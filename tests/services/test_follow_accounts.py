"""Following what becomes of accounts at the brokerage."""

import logging
import threading
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy.exc import OperationalError

from brokers.alpaca import account_events
from brokers.alpaca.account_forms import brokerage_report
from brokers.alpaca.settings import BrokerageSettings
from brokers.errors import BrokerUnavailable
from extensions import database_time, transaction
from models import BrokerageAccount
from services import account_follower, brokerage, follow_accounts
from services.account_follower import AccountFollower
from services.open_account import sign_up
from tests.brokerage_desk import (
    ACTIVE_AFTER,
    APPROVED_AFTER,
    application,
    brokerage_app,
    hurry,
    let_pass,
    rows,
    simulated_alpaca,
    statuses,
)
from tests.conftest import free_port
from tests.factories import together

OWNER = 1


@pytest.fixture
def alpaca():
    with simulated_alpaca() as alpaca:
        yield alpaca


@pytest.fixture
def app(alpaca, database_url, tmp_path):
    with brokerage_app(alpaca.url, database_url, tmp_path) as app, app.app_context():
        yield app


def open_one(name="Ada Lovelace", email="ada@example.com", disclosures=None):
    form = application(email, name)
    form.disclosures.update(disclosures or {})
    return sign_up(OWNER, form, None).account_id


def follow(seconds=61):
    """Let so much time pass on our side, and follow all that is due."""
    let_pass(seconds)
    looked = 0
    while follow_accounts.follow_next():
        looked += 1
    return looked


def seconds_until_next():
    with transaction() as session:
        row = session.get(BrokerageAccount, 1)
        return (row.next_at - database_time()).total_seconds()


def test_an_account_is_followed_until_it_is_active(app, alpaca):
    open_one()
    assert follow() == 1
    assert (statuses(), rows()[0].equity) == (["SUBMITTED"], None)
    since = rows()[0].status_at
    alpaca.pass_time(APPROVED_AFTER + 1)
    assert follow() == 1
    assert statuses() == ["APPROVED"]
    assert rows()[0].status_at > since
    alpaca.pass_time(ACTIVE_AFTER)
    alpaca.move(rows()[0].alpaca_id, equity="1234.56")
    assert follow() == 1
    assert (statuses(), rows()[0].equity) == (["ACTIVE"], Decimal("1234.56"))


def test_how_often_an_account_is_looked_at(app, alpaca):
    open_one()
    assert 8 < seconds_until_next() <= 10  # it is young
    let_pass(601)
    follow(0)
    assert 58 < seconds_until_next() <= 60
    alpaca.move(rows()[0].alpaca_id, status="ACTIVE")
    follow()
    assert 595 < seconds_until_next() <= 600


@pytest.mark.parametrize(
    ("name", "disclosures", "status"),
    [
        ("Ada Pending", {}, "APPROVAL_PENDING"),
        ("Ada Lovelace", {"is_politically_exposed": True}, "ACTION_REQUIRED"),
    ],
)
def test_an_account_that_waits_for_somebody_is_followed_on(app, alpaca, name, disclosures, status):
    open_one(name, disclosures=disclosures)
    alpaca.pass_time(APPROVED_AFTER + 1)
    assert (follow(), statuses()) == (1, [status])
    alpaca.move(rows()[0].alpaca_id, status="APPROVED")
    assert (follow(), statuses()) == (1, ["APPROVED"])


@pytest.mark.parametrize("status", ["REJECTED", "ACCOUNT_CLOSED"])
def test_what_is_final_is_looked_at_no_more(app, alpaca, status):
    open_one()
    alpaca.move(rows()[0].alpaca_id, status=status)
    assert (follow(), statuses()) == (1, [status])
    assert follow(100_000) == 0


def test_a_status_that_is_newer_than_the_desk_is_stored_and_followed(app, alpaca):
    open_one()
    alpaca.move(rows()[0].alpaca_id, status="MOON_PENDING")
    assert (follow(), statuses()) == (1, ["MOON_PENDING"])
    alpaca.move(rows()[0].alpaca_id, status="ACTIVE")
    assert (follow(), statuses()) == (1, ["ACTIVE"])


def test_an_equity_that_cannot_be_read_holds_up_no_status(app, alpaca):
    open_one()
    alpaca.move(rows()[0].alpaca_id, status="ACTIVE", equity="5")
    alpaca.tell("status_503", where="/v1/trading")
    assert (follow(), statuses(), rows()[0].equity) == (1, ["ACTIVE"], None)
    assert (follow(601), rows()[0].equity) == (1, 5)


def test_an_account_that_cannot_be_asked_for_waits_its_turn(app, alpaca):
    open_one()
    open_one("Bert", "bert@example.com")
    alpaca.tell("status_503")
    with pytest.raises(BrokerUnavailable):
        follow()
    assert follow(0) == 1  # the other one
    assert follow() == 2


def test_two_workers_share_the_work(app, alpaca):
    for number in range(6):
        open_one(email=f"ada{number}@example.com")
    before = alpaca.asked("GET", "/v1/accounts/{id}")
    let_pass(61)

    def work():
        with app.app_context():
            while follow_accounts.follow_next():
                pass

    assert together(work, work) == [None, None]
    assert alpaca.asked("GET", "/v1/accounts/{id}") - before == 6


def test_accounts_of_another_environment_are_left_alone(app, alpaca, database_url, tmp_path):
    open_one()
    let_pass(61)
    with (
        brokerage_app(alpaca.url, database_url, tmp_path, APCA_BROKER_API_ENVIRONMENT="sandbox") as sandbox,
        sandbox.app_context(),
    ):
        assert not follow_accounts.follow_next()


def test_what_the_check_of_the_identity_found_is_kept(app):
    account = {
        "id": "0D18AE51-3c94-4511-b209-101e1666416b",
        "status": "ACTION_REQUIRED",
        "created_at": "2019-09-30T23:55:31.185998123Z",
        "kyc_results": {
            "reject": {},
            "indeterminate": {"IDENTITY_VERIFICATION": {}, "TAX_IDENTIFICATION": {}},
            "additional_information": "a passport, please",
        },
        "field": "new",
    }
    report = brokerage_report(account)
    assert report.reason == "IDENTITY_VERIFICATION, TAX_IDENTIFICATION, a passport, please"
    assert report.alpaca_id == "0d18ae51-3c94-4511-b209-101e1666416b"
    assert str(report.created_at) == "2019-09-30 23:55:31.185998+00:00"
    for text, expected in (("2019-09-30T23:55:31Z", "2019-09-30 23:55:31+00:00"), ("yesterday", "None")):
        assert str(brokerage_report({**account, "created_at": text}).created_at) == expected
    for broken in (None, [], {}, {**account, "id": "1"}, {**account, "status": None}, {**account, "status": "a\nb"}):
        with pytest.raises(ValueError, match="not an account"):
            brokerage_report(broken)


def wait_for(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_worker_follows_in_a_thread(app, alpaca, monkeypatch):
    monkeypatch.setattr(account_follower, "EVERY", 0.02)
    open_one()
    alpaca.move(rows()[0].alpaca_id, status="ACTIVE")
    let_pass(61)
    follower = AccountFollower(app)
    follower.begin()
    wait_for(lambda: statuses() == ["ACTIVE"])
    follower.end(5)
    assert not follower._thread.is_alive()


def test_an_event_wakes_the_thread(app, alpaca):
    open_one()
    follower = AccountFollower(app)
    follower.begin()
    wait_for(lambda: alpaca.asked("GET", "/v1/events/accounts/status") == 1)
    time.sleep(0.2)  # until the simulator listens to itself
    started = time.monotonic()
    alpaca.move(rows()[0].alpaca_id, status="ACTIVE")  # its next look is ten seconds away
    wait_for(lambda: statuses() == ["ACTIVE"])
    assert time.monotonic() - started < 1.5
    started = time.monotonic()
    follower.end(5)
    assert time.monotonic() - started < 1
    assert not follower._thread.is_alive()


class EventServer(ThreadingHTTPServer):
    """Sends what it was given, one answer a connection; remembers what it was asked for."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), EventHandler)
        self.answers, self.paths = iter(answers), []


class EventHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.paths.append(self.path)
        status, text = next(self.server.answers, (503, ""))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


def test_a_broken_stream_goes_on_where_it_ended(monkeypatch):
    monkeypatch.setattr(account_events, "PAUSES", (0.01,))
    event = 'data: {"account_id": "%s", "event_ulid": "%s"}\n\n'
    answers = [
        (200, ":heartbeat\n\n" + event % ("one", "01A")),
        (302, ""),
        (200, "data: nonsense\n\ndata: []\n\n" + event % ("two", "01B")),
    ]
    heard = []
    with EventServer(*answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        settings = BrokerageSettings(
            environment="simulator",
            key_id="key",
            secret_key="secret",
            simulator_url=f"http://127.0.0.1:{server.server_port}",
        )
        events = account_events.AccountEvents(settings, heard.append)
        wait_for(lambda: len(server.paths) >= 4)
        wait_for(lambda: events.trouble == "no stream from Alpaca (HTTPError)")
        events.close()
        server.shutdown()
    path = "/v1/events/accounts/status"
    assert server.paths[:4] == [path, f"{path}?since_ulid=01A", f"{path}?since_ulid=01A", f"{path}?since_ulid=01B"]
    assert heard == ["one", "two"]


def test_trouble_is_told_once_and_its_end_too(app, alpaca, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    follower = AccountFollower(app)
    open_one()
    hurry(app, f"http://127.0.0.1:{free_port()}", 2)
    for _ in range(3):
        let_pass(61)
        follower.step()
    hurry(app, alpaca.url, 5)
    for _ in range(2):
        let_pass(61)
        follower.step()
    told = [record.getMessage() for record in caplog.records if record.name == "services.account_follower"]
    assert told == [
        "accounts at the brokerage cannot be followed: no answer from Alpaca (ConnectionError)",
        "accounts at the brokerage are followed again",
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OperationalError("select", {}, Exception("server closed the connection")),
            "followed: database: server closed",
        ),
        (RuntimeError("a bug"), "unexpected; trying again"),
    ],
)
def test_no_error_ends_the_thread(app, monkeypatch, caplog, error, text):
    def fail():
        raise error

    monkeypatch.setattr(follow_accounts, "follow_next", fail)
    AccountFollower(app).step()
    assert text in caplog.text


def test_without_a_key_there_is_no_thread(alpaca, database_url, tmp_path):
    with brokerage_app(alpaca.url, database_url, tmp_path, APCA_BROKER_API_KEY="") as app, app.app_context():
        follower = AccountFollower(app)
        follower.begin()
        assert follower._thread is None
        assert not brokerage.is_configured()
