"""Asking the broker of an account here and now, and what is seen of keys anywhere: nothing."""

import logging

import pytest
import sqlalchemy as sa

from brokers.errors import AccessRefused
from domain.errors import Conflict, InvalidInput
from extensions import db, transaction
from models import BrokerAccount
from services.accounts import broker_accounts
from services.accounts.broker_accounts import AccountForm
from services.accounts.check_account import check_account
from tests.support.factories import dump_tables
from tests.support.keyed_broker import LIVE_KEYS, OTHER_KEYS, RENEWED_KEYS, WRONG_KEYS, add, shows_a_key

pytestmark = pytest.mark.usefixtures("front_door", "context")


def test_the_broker_is_asked_now(front_door):
    add()
    found = check_account("anna")
    assert (found.ok, found.text) == (True, "the broker answers and takes orders")
    assert found.report.buying_power
    front_door.blocked = "trading is blocked"
    assert check_account("anna").text == "the broker answers, but takes no orders: trading is blocked"
    front_door.away = "no answer (time-out)"
    assert (check_account("anna").ok, check_account("anna").text) == (
        False,
        "the broker cannot be reached: no answer (time-out)",
    )
    front_door.away = "no answer to {keys[key_id]} with {keys[secret_key]}"
    assert check_account("anna").text == "the broker cannot be reached: no answer to *** with ***"
    front_door.away = ""
    front_door.accounts.clear()
    text = "the broker does not accept its keys: request of *** is not authorized"
    assert check_account("anna").text == text
    assert front_door.open == 0


def test_an_account_without_keys_is_not_asked(front_door):
    add()
    broker_accounts.remove_keys("anna", "they leaked", "user anna")
    assert (check_account("anna").ok, check_account("anna").text) == (False, "it has no keys")
    assert len(front_door.asked) == 1


def test_keys_that_cannot_be_decrypted_are_told(front_door):
    add()
    with transaction() as session:
        session.execute(
            sa.update(BrokerAccount)
            .where(BrokerAccount.name == "anna")
            .values(credentials="x" + BrokerAccount.credentials)
        )
    found = check_account("anna")
    assert not found.ok
    assert "its keys cannot be decrypted" in found.text
    add("again", keys=OTHER_KEYS)  # nor do they hinder others


def test_the_paper_broker_answers_and_your_own_executor_is_not_asked():
    assert check_account("paper").ok
    with pytest.raises(Conflict, match="Your own executor trades 'external'"):
        check_account("external")


def test_no_key_is_seen_again(app, front_door, caplog):
    caplog.set_level(logging.DEBUG)
    refusals = []
    add()
    add("real", "live", LIVE_KEYS)
    for act in (
        lambda: add("wrong", keys=WRONG_KEYS),
        lambda: add("again"),
        lambda: broker_accounts.set_keys("anna", OTHER_KEYS, "x"),
    ):
        with pytest.raises(InvalidInput) as refused:
            act()
        refusals += [str(refused.value), repr(refused.value), str(refused.value.__cause__)]
        assert not isinstance(refused.value.__cause__, AccessRefused)
    check_account("anna")
    broker_accounts.set_keys("anna", RENEWED_KEYS, "user anna")
    broker_accounts.switch_live("real", True, "tested", "user anna")
    db.session.remove()
    for text in (
        str(dump_tables(app)),
        caplog.text,
        *refusals,
        repr(LIVE_KEYS),
        repr(AccountForm(name="a", keys=LIVE_KEYS)),
    ):
        assert shows_a_key(text) == []
    assert "add account anna" in caplog.text
