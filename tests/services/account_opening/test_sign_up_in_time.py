"""A sign-up holds its web thread for a while at most, and what it had no time for is made up for by the next one."""

import pytest

from brokers.alpaca.accounts import BrokerageClient
from brokers.errors import BrokerError, BrokerUnavailable, OutcomeUnknown
from domain.errors import BrokerAway
from services.account_opening import follow_accounts, open_account
from services.account_opening.open_account import sign_up
from tests.services.account_opening.attempts import die_in, refused
from tests.services.account_opening.desk import OWNER, application, let_pass, rows, statuses

pytestmark = pytest.mark.usefixtures("context")
CALLS = ("find_by_email", "open_account")


class SlowAlpaca:
    """Answers after ten seconds of a clock that only it moves; what it is told is lost on the way back."""

    def __init__(self, monkeypatch):
        self.now, self.begun, self.lost = 1000.0, [], {}
        monkeypatch.setattr(open_account, "monotonic", lambda: self.now)
        for name in CALLS:
            monkeypatch.setattr(BrokerageClient, name, self._slow(name, getattr(BrokerageClient, name)))

    def _slow(self, name, real):
        def call(client, argument):
            self.begun.append((name, self.now - 1000))
            self.now += 10
            found = real(client, argument)
            if name in self.lost:
                raise self.lost[name]
            return found

        return call


@pytest.fixture
def slow(monkeypatch):
    return SlowAlpaca(monkeypatch)


def away(text):
    with pytest.raises(BrokerAway, match=text):
        sign_up(OWNER, application(), None)


def lose(slow, *names):
    errors: dict[str, BrokerError] = {
        "open_account": OutcomeUnknown("no answer"),
        "find_by_email": BrokerUnavailable("no answer"),
    }
    slow.lost = {name: errors[name] for name in names}


def test_what_a_hanging_alpaca_did_is_found_by_the_next_sign_up(alpaca, slow):
    lose(slow, *CALLS)
    away("not known yet.*safe")
    assert slow.begun == [("open_account", 0), ("find_by_email", 10)]
    assert (statuses(), len(alpaca.customers)) == (["OPENING"], 1)
    lose(slow)
    slow.now = 1000.0
    assert refused() == rows()[0].id
    assert (statuses(), alpaca.asked(), len(alpaca.customers)) == (["SUBMITTED"], 1, 1)


def test_a_repeat_begins_no_third_call_late(alpaca, slow, monkeypatch):
    with monkeypatch.context() as patch:
        die_in(patch, BrokerageClient, "open_account")
    slow.begun.clear()
    let_pass(61)
    lose(slow, "open_account")
    away("not known yet.*safe")
    assert slow.begun == [("find_by_email", 0), ("open_account", 10)]
    assert (statuses(), len(alpaca.customers)) == (["OPENING"], 1)
    let_pass(31)
    assert follow_accounts.follow_next()
    assert (statuses(), rows()[0].alpaca_id) == (["SUBMITTED"], alpaca.customers[0].id)
    slow.now = 1000.0
    assert refused() == rows()[0].id
    assert (alpaca.asked(), len(alpaca.customers)) == (1, 1)


@pytest.mark.parametrize("is_repeat", [False, True])
def test_an_application_is_not_sent_late_and_leaves_the_email_free(alpaca, slow, monkeypatch, is_repeat):
    if is_repeat:
        with monkeypatch.context() as patch:
            die_in(patch, BrokerageClient, "open_account")
        let_pass(61)

    def wait(*arguments, **more):
        slow.now += 13  # for the database
        return real(*arguments, **more)

    real = open_account._reserve
    with monkeypatch.context() as patch:
        patch.setattr(open_account, "_reserve", wait)
        away(r"nothing was sent; try again later \(no time was left")
    assert (slow.begun, alpaca.asked()) == ([], 0)
    assert statuses() == (["OPENING"] if is_repeat else [])
    slow.now = 1000.0
    sign_up(OWNER, application(), None)
    assert (statuses(), alpaca.asked()) == (["SUBMITTED"], 1)
