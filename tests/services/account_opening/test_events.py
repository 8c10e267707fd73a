"""What Alpaca's events say of an account is taken, in the order of time, also after its end."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from brokers.alpaca.account_forms import status_event
from brokers.alpaca.accounts import BrokerageClient
from domain.account_opening.status import StatusEvent
from extensions import database_time, transaction
from models import Worker
from services.account_opening import account_rows, follow_accounts
from services.worker import housekeeping
from services.worker.account_follower import AccountFollower
from tests.services.account_opening.desk import follow, let_pass, open_one, rows, statuses

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def account(alpaca):
    """An account that was opened a minute ago."""
    open_one()
    let_pass(60)
    (row,) = rows()
    return row.alpaca_id


def hear(alpaca_id, status=None, age=0.0, where="simulator"):
    """Take an event of so many seconds ago."""
    at = database_time() - timedelta(seconds=age)
    account_rows.hear(StatusEvent(alpaca_id=alpaca_id, status=status, at=at), where)
    return statuses()


@pytest.mark.parametrize("status", ["REJECTED", "ACCOUNT_CLOSED"])
def test_an_account_that_is_opened_again_after_its_end_is_followed_again(alpaca, account, status):
    alpaca.move(account, status=status)
    assert (follow(), statuses()) == (1, [status])
    let_pass(10)
    alpaca.move(account, status="ACTIVE", equity="5")
    assert hear(account, "ACTIVE") == ["ACTIVE"]
    assert follow(0) == 1
    assert (statuses(), rows()[0].equity) == (["ACTIVE"], 5)
    assert follow(601) == 1


def test_an_older_event_overwrites_no_newer_one(account):
    assert hear(account, "ACTIVE", 5) == ["ACTIVE"]
    assert hear(account, "APPROVED", 6) == ["ACTIVE"]
    assert hear(account, "APPROVED", 5.5) == ["ACTIVE"]
    assert hear(account, "ACCOUNT_CLOSED", 4) == ["ACCOUNT_CLOSED"]
    assert hear(account, "ACTIVE", 5) == ["ACCOUNT_CLOSED"]
    assert hear(account, "ACTIVE", 3) == ["ACTIVE"]


def test_an_event_is_not_overwritten_by_what_was_asked_for_before_it(alpaca, account, monkeypatch):
    real = BrokerageClient.get

    def late(client, alpaca_id):
        report = real(client, alpaca_id)
        assert hear(account, "ACTIVE") == ["ACTIVE"]
        return report

    with monkeypatch.context() as patch:
        patch.setattr(BrokerageClient, "get", late)
        assert follow() == 1
    assert statuses() == ["ACTIVE"]
    assert follow(11) == 1  # soon, to be sure
    assert statuses() == ["SUBMITTED"]  # Alpaca itself says so, and for long


def test_what_was_asked_for_earlier_overwrites_nothing_that_was_asked_for_later(alpaca, account, monkeypatch):
    real = BrokerageClient.get

    def late(client, alpaca_id):
        report = real(client, alpaca_id)
        monkeypatch.undo()
        alpaca.move(account, status="ACTIVE")
        assert follow(20) == 1  # another worker meanwhile
        return report

    monkeypatch.setattr(BrokerageClient, "get", late)
    assert follow() == 1
    assert statuses() == ["ACTIVE"]


def test_an_event_without_a_status_lets_the_account_be_looked_at(alpaca, account):
    follow()
    assert not follow_accounts.follow_next()
    alpaca.move(account, status="ACTION_REQUIRED")
    assert hear(account) == ["SUBMITTED"]
    assert (follow(0), statuses()) == (1, ["ACTION_REQUIRED"])


def test_an_event_from_the_future_is_one_of_now(alpaca, account):
    assert hear(account, "ACTIVE", -7200) == ["ACTIVE"]
    assert rows()[0].status_at <= database_time()
    let_pass(10)
    assert hear(account, "ACCOUNT_CLOSED") == ["ACCOUNT_CLOSED"]


def test_events_of_other_accounts_and_places_change_nothing(account):
    assert hear(account, "ACTIVE", where="sandbox") == ["SUBMITTED"]
    assert hear("0d18ae51-3c94-4511-b209-101e1666416b", "ACTIVE") == ["SUBMITTED"]


ID = "0d18ae51-3c94-4511-b209-101e1666416b"


@pytest.mark.parametrize(
    "event",
    [
        {"account_id": ID.upper()},
        {"account_id": ID, "status_to": "ACTIVE"},
        {"account_id": ID, "status_to": "ACTIVE", "at": "soon"},
        {"account_id": ID, "status_to": "", "at": "2026-03-02T14:30:00Z"},
        {"account_id": ID, "status_to": {"a": 1}, "at": "2026-03-02T14:30:00Z"},
        {"account_id": ID, "status_to": "DROP\nTABLE", "at": "2026-03-02T14:30:00Z"},
    ],
)
def test_what_an_event_says_oddly_only_wakes(event):
    assert status_event(event) == StatusEvent(alpaca_id=ID)


@pytest.mark.parametrize(
    "event", [None, [], {}, {"account_id": None}, {"account_id": "1"}, {"account_id": "\x00" * 36}]
)
def test_what_names_no_account_is_no_event(event):
    with pytest.raises(ValueError, match="not an event"):
        status_event(event)


def test_an_event_is_not_lost_while_the_database_is_away(app, account, monkeypatch, caplog):
    follower = AccountFollower(app, "worker:1")
    follower._hear(StatusEvent(alpaca_id=account, status="ACTIVE", at=database_time()))
    with monkeypatch.context() as patch:
        patch.setattr(account_rows, "transaction", away)
        follower.step()
    assert "database: server closed the connection" in caplog.text
    assert statuses() == ["SUBMITTED"]
    follower.step()
    assert statuses() == ["ACTIVE"]


def away():
    raise OperationalError("select", {}, Exception("server closed the connection"))


def age(**workers):
    """Say when workers began and were last heard from, in seconds ago."""
    with transaction() as session:
        now = database_time()
        for name, (began, seen) in workers.items():
            row = session.get(Worker, name)
            row.started_at, row.seen_at = now - timedelta(seconds=began), now - timedelta(seconds=seen)


def test_of_several_workers_the_eldest_that_lives_hears_the_events():
    for name in ("one", "two", "three"):
        housekeeping.heartbeat(name)

    def eldest():
        return [name for name in ("one", "two", "three", "nobody") if housekeeping.is_eldest(name)]

    age(one=(30, 1), two=(20, 1), three=(10, 1))
    assert eldest() == ["one"]
    age(one=(300, 31))
    assert eldest() == ["two"]
    housekeeping.say_goodbye("two")
    assert eldest() == ["three"]
    age(three=(10, 31))
    assert eldest() == []


def test_two_workers_open_one_stream_and_the_second_takes_over(app, alpaca):
    first, second = AccountFollower(app, "one"), AccountFollower(app, "two")
    housekeeping.heartbeat("one")
    housekeeping.heartbeat("two")
    age(one=(20, 1), two=(10, 1))
    try:
        for follower in (first, second):
            follower._tend_events()
        assert (first._events is not None, second._events is not None) == (True, False)
        housekeeping.say_goodbye("one")
        for follower in (first, second):
            follower._listener_due = 0.0
            follower._tend_events()
        assert (first._events is not None, second._events is not None) == (False, True)
    finally:
        for follower in (first, second):
            follower._stop_listening()
