"""The worker's thread that follows accounts, and the events that wake it."""

import logging
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy.exc import OperationalError

from brokers.alpaca import account_events
from brokers.alpaca.settings import BrokerageSettings
from domain.account_opening.status import StatusEvent
from services.account_opening import brokerage, follow_accounts
from services.worker import account_follower, housekeeping
from services.worker.account_follower import AccountFollower
from tests.conftest import free_port
from tests.services.account_opening.desk import WORKER, brokerage_app, hurry, let_pass, open_one, rows, statuses

ONE, TWO = (f"0d18ae51-3c94-4511-b209-101e1666416{digit}" for digit in "12")


def wait_for(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_worker_follows_in_a_thread(context, alpaca, monkeypatch):
    monkeypatch.setattr(account_follower, "FOLLOW_EVERY", 0.02)
    open_one()
    alpaca.move(rows()[0].alpaca_id, status="ACTIVE")
    let_pass(61)
    follower = AccountFollower(context, WORKER)
    follower.begin()
    wait_for(lambda: statuses() == ["ACTIVE"])
    follower.end(5)
    assert not follower._thread.is_alive


def test_an_event_wakes_the_thread(context, alpaca):
    housekeeping.heartbeat(WORKER)
    open_one()
    follower = AccountFollower(context, WORKER)
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
    assert not follower._thread.is_alive


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
    event = 'data: {"account_id": "%s", "event_ulid": "%s", "at": "2026-03-02T14:30:00Z", "status_to": "%s"}\n\n'
    answers = [
        (200, ":heartbeat\n\n" + event % (ONE, "01A", "ACTIVE")),
        (302, ""),
        (
            200,
            'data: nonsense\n\ndata: []\n\ndata: {"account_id": "one"}\n\n' + event % (TWO.upper(), "01B", "new words"),
        ),
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
    at = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    assert heard == [StatusEvent(alpaca_id=ONE, status="ACTIVE", at=at), StatusEvent(alpaca_id=TWO)]


def test_trouble_is_told_once_and_its_end_too(context, alpaca, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    follower = AccountFollower(context, WORKER)
    open_one()
    hurry(context, f"http://127.0.0.1:{free_port()}", 2)
    for _ in range(3):
        let_pass(61)
        follower.step()
    hurry(context, alpaca.url, 5)
    for _ in range(2):
        let_pass(61)
        follower.step()
    told = [record.getMessage() for record in caplog.records if record.name == "services.worker.account_follower"]
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
def test_no_error_ends_the_thread(context, monkeypatch, caplog, error, text):
    def fail():
        raise error

    monkeypatch.setattr(follow_accounts, "follow_next", fail)
    AccountFollower(context, WORKER).step()
    assert text in caplog.text


def test_without_a_key_there_is_no_thread(alpaca, database_url, tmp_path):
    with brokerage_app(alpaca.url, database_url, tmp_path, APCA_BROKER_API_KEY="") as app, app.app_context():
        follower = AccountFollower(app, WORKER)
        follower.begin()
        assert not follower._thread.is_alive
        assert not brokerage.is_configured()
