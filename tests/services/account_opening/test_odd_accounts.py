"""One account that cannot be read holds up no other, is told of once, and is never taken for absent."""

import logging
from datetime import timedelta

import pytest

from brokers.alpaca.accounts import BrokerageClient
from brokers.errors import AccessRefused, BrokerUnavailable
from domain.errors import BrokerAway
from services.account_opening.open_account import sign_up
from services.worker.account_follower import AccountFollower
from simulators.alpaca.broker_api.customers import Customer
from tests.services.account_opening.attempts import die_in, open_elsewhere
from tests.services.account_opening.desk import OWNER, WORKER, application, follow, let_pass, open_one, rows, statuses

pytestmark = pytest.mark.usefixtures("context")
NOT_SHOWN = "Alpaca does not show this account to the desk."
UNCLEAR = "What Alpaca says of this account cannot be understood."


@pytest.fixture
def told(caplog):
    """What was logged as a warning, or worse, up to now."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def look(context, times=1):
    follower = AccountFollower(context, WORKER)
    for _ in range(times):
        let_pass(601)
        follower.step()


def distort(monkeypatch, email, **parts):
    """Let the simulator answer so for the account of an e-mail."""
    whole = Customer.wire

    def wire(customer, *arguments, **more):
        body = whole(customer, *arguments, **more)
        return {**body, **parts} if customer.contact["email_address"] == email else body

    monkeypatch.setattr(Customer, "wire", wire)


def test_an_account_that_alpaca_denies_is_told_once_and_the_others_go_on(context, alpaca, told):
    open_one()
    open_one("Bert", "bert@example.com")
    hidden, shown = alpaca.customers
    alpaca.customers.remove(hidden)  # Alpaca answers for what it does not know as for a wrong key
    alpaca.move(shown.id, status="ACTIVE")
    look(context, 3)
    assert [(row.status, row.reason) for row in rows()] == [("SUBMITTED", NOT_SHOWN), ("ACTIVE", None)]
    assert told() == [f"brokerage account 1: cannot be read: {NOT_SHOWN}"]
    alpaca.customers.append(hidden)
    look(context)
    assert [(row.status, row.reason) for row in rows()] == [("SUBMITTED", None), ("ACTIVE", None)]


def test_an_account_that_is_listed_alone_is_read_from_the_list(context, alpaca, monkeypatch, told):
    open_one()

    def refuse(*arguments):
        raise AccessRefused("Alpaca refuses the keys: request is not authorized")

    monkeypatch.setattr(BrokerageClient, "get", refuse)
    alpaca.move(rows()[0].alpaca_id, status="APPROVED")
    look(context, 2)
    assert (statuses(), told()) == (["APPROVED"], [])


def test_a_key_that_is_refused_is_told_as_such_and_marks_no_account(context, alpaca, told):
    open_one()
    alpaca.tell("unauthorized", times=4)
    look(context, 2)
    assert rows()[0].reason is None
    assert told() == ["accounts at the brokerage cannot be followed: Alpaca refuses the keys: unauthorized."]


def test_an_alpaca_that_is_away_meanwhile_tells_nothing_of_an_account(context, alpaca):
    open_one()
    alpaca.tell("unauthorized")
    alpaca.tell("status_503")
    with pytest.raises(BrokerUnavailable, match="503"):
        follow()
    assert rows()[0].reason is None


def test_what_is_no_account_is_one_accounts_trouble(context, alpaca, monkeypatch, told):
    open_one()
    open_one("Bert", "bert@example.com")
    distort(monkeypatch, "ada@example.com", status=None)
    alpaca.move(rows()[1].alpaca_id, status="ACTIVE")
    look(context, 3)
    assert [(row.status, row.reason) for row in rows()] == [("SUBMITTED", UNCLEAR), ("ACTIVE", None)]
    assert told() == [f"brokerage account 1: cannot be read: {UNCLEAR}"]


def test_the_answer_about_another_account_is_not_taken(context, alpaca, monkeypatch):
    open_one()
    ours = rows()[0].alpaca_id
    distort(monkeypatch, "ada@example.com", id="0d18ae51-3c94-4511-b209-101e1666416b", status="ACTIVE")
    look(context)
    assert [(row.alpaca_id, row.status, row.reason) for row in rows()] == [(ours, "SUBMITTED", UNCLEAR)]


@pytest.mark.parametrize("parts", [{"status": None}, {"id": 7}, {"id": None, "status": "new words"}])
def test_an_odd_account_of_somebody_else_does_not_fail_a_look_up(alpaca, monkeypatch, told, parts):
    die_in(monkeypatch, BrokerageClient, "open_account")
    let_pass(61)
    open_elsewhere(alpaca, "xada@example.com")
    distort(monkeypatch, "xada@example.com", **parts)
    sign_up(OWNER, application(), None)
    assert statuses() == ["SUBMITTED"]
    assert [text.partition(":")[0] for text in told()] == ["Alpaca lists an account that cannot be understood"]


def test_an_odd_account_beside_the_one_that_is_looked_for_is_told_of_once(context, alpaca, monkeypatch, told):
    open_elsewhere(alpaca, "xada@example.com")
    distort(monkeypatch, "xada@example.com", status="?", contact=None)
    alpaca.tell("drop_after")
    open_one()
    alpaca.tell("drop_after")
    open_one("Ada", "ada@example.com.au")
    assert statuses() == ["SUBMITTED"] * 2
    odd = [text for text in told() if "cannot be understood" in text]
    assert odd == [f"Alpaca lists an account that cannot be understood: {alpaca.customers[0].id}"]


@pytest.mark.parametrize("parts", [{"status": None}, {"id": 7}, {"contact": None}, {"contact": {"email_address": 5}}])
def test_an_account_that_may_be_ours_is_not_taken_for_absent(context, alpaca, monkeypatch, told, parts):
    alpaca.tell("drop_after")
    distort(monkeypatch, "ada@example.com", **parts)
    with pytest.raises(BrokerAway, match="not known yet"):
        sign_up(OWNER, application(), None)
    look(context, 4)
    assert [(row.status, row.lookups, row.reason) for row in rows()] == [("OPENING", 0, UNCLEAR)]
    with pytest.raises(BrokerAway, match="cannot be understood"):
        sign_up(OWNER, application(), None)
    assert (alpaca.asked(), len(alpaca.customers)) == (1, 1)
    assert told().count(f"brokerage account 1: cannot be read: {UNCLEAR}") == 1
    monkeypatch.undo()
    alpaca.customers[0].created_at = rows()[0].sent_at - timedelta(seconds=601)
    look(context)
    assert statuses() == ["SUBMITTED"]
