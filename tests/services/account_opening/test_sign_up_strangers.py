"""Signing up with an e-mail that is somebody else's, or that nothing came of: never taken over, and freed in time."""

from datetime import timedelta

import pytest

from brokers.alpaca.accounts import BrokerageClient
from domain.errors import BrokerAway
from services.account_opening import follow_accounts
from services.account_opening.open_account import sign_up
from services.identity import users
from tests.services.account_opening.attempts import die_in, open_elsewhere, refused
from tests.services.account_opening.desk import OWNER, application, let_pass, rows, statuses

pytestmark = pytest.mark.usefixtures("context")


def test_an_account_of_somebody_else_is_never_taken_over(app, alpaca):
    open_elsewhere(alpaca)
    assert refused() is None
    assert rows() == []


def test_nor_when_our_application_was_lost(app, alpaca, monkeypatch):
    open_elsewhere(alpaca)
    die_in(monkeypatch, BrokerageClient, "open_account")
    assert refused() is None
    assert (statuses(), rows()[0].alpaca_id) == (["NOT_OPENED"], None)
    let_pass(100)
    assert refused() is None
    assert alpaca.asked() == 0


def test_nor_by_the_worker(app, alpaca, monkeypatch):
    open_elsewhere(alpaca)
    die_in(monkeypatch, BrokerageClient, "open_account")
    let_pass(31)
    assert follow_accounts.follow_next()
    assert [(row.status, row.alpaca_id, row.reason) for row in rows()] == [
        ("NOT_OPENED", None, "This e-mail is registered at Alpaca already.")
    ]


def test_nor_one_that_was_opened_long_after_our_application_was_lost(app, alpaca, monkeypatch):
    die_in(monkeypatch, BrokerageClient, "open_account")
    let_pass(3600)
    open_elsewhere(alpaca, age=timedelta(0))
    assert refused() is None
    assert rows()[0].alpaca_id is None


def test_an_email_that_only_looks_alike_is_another_one(app, alpaca, monkeypatch):
    die_in(monkeypatch, BrokerageClient, "open_account")
    let_pass(61)
    open_elsewhere(alpaca, "xada@example.com", age=timedelta(0))
    sign_up(OWNER, application(), None)
    assert [(row.email, row.status) for row in rows()] == [("ada@example.com", "SUBMITTED")]
    assert rows()[0].alpaca_id == alpaca.customers[1].id


def test_an_attempt_of_which_nothing_came_keeps_the_email_from_nobody(app, alpaca, monkeypatch, other_owner):
    die_in(monkeypatch, BrokerageClient, "open_account")
    assert refused(other_owner) is None
    for seconds in (31, 61, 121):
        let_pass(seconds)
        assert follow_accounts.follow_next()
    assert statuses() == ["NOT_OPENED"]
    sign_up(other_owner, application(), None)
    assert [(row.owner_id, row.status) for row in rows()] == [(other_owner, "SUBMITTED")]


def test_an_application_that_nobody_owns_any_more_frees_the_email(app, alpaca, monkeypatch, other_owner):
    alpaca.tell("drop_before")
    with pytest.raises(BrokerAway):
        sign_up(other_owner, application(), None)
    users.delete_user("bert")
    assert refused() is None
    for _ in range(3):
        let_pass(700)
        follow_accounts.follow_next()
    sign_up(OWNER, application(), None)
    assert [(row.owner_id, row.status) for row in rows()] == [(OWNER, "SUBMITTED")]
