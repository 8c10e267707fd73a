"""Sign-ups that cross each other: none takes back, hides or frees what another one has opened."""

import contextlib
import threading

import pytest
import sqlalchemy as sa

from brokers.alpaca.accounts import BrokerageClient
from brokers.errors import AccessRefused, BrokerUnavailable, EmailTaken, FormRefused
from domain.errors import BrokerAway, Conflict, InvalidInput
from extensions import database_time, transaction
from models import BrokerageAccount
from services.account_opening import account_rows, open_account
from services.account_opening.open_account import EmailRegistered, SignedUp, sign_up
from tests.services.account_opening.attempts import die_in
from tests.services.account_opening.desk import OWNER, application, let_pass, rows, statuses
from tests.support.factories import together

pytestmark = pytest.mark.usefixtures("context")
REFUSALS = [EmailTaken("taken"), FormRefused("wrong", "email"), AccessRefused("no"), BrokerUnavailable("wait")]


@pytest.mark.parametrize("same_owner", [True, False])
def test_of_two_requests_at_once_one_opens_an_account(app, alpaca, other_owner, same_owner):
    owners = (OWNER, OWNER) if same_owner else (OWNER, other_owner)

    def act(owner):
        with app.app_context():
            return sign_up(owner, application(), None)

    results = together(*(lambda owner=owner: act(owner) for owner in owners))
    assert {type(result) for result in results} == {SignedUp, EmailRegistered}
    assert (len(rows()), len(alpaca.customers), alpaca.asked()) == (1, 1, 1)
    assert statuses() == ["SUBMITTED"]


def test_two_that_both_saw_no_row_make_one(app, alpaca, other_owner, monkeypatch):
    both = threading.Barrier(2)

    def wait_for_the_other():
        with contextlib.suppress(threading.BrokenBarrierError):  # SQLite lets in one after the other
            both.wait(0.5)
        return database_time()

    def act(owner):
        with app.app_context():
            return sign_up(owner, application(), None)

    monkeypatch.setattr(open_account, "database_time", wait_for_the_other)
    results = together(lambda: act(OWNER), lambda: act(other_owner))
    assert {type(result) for result in results} == {SignedUp, EmailRegistered}
    assert (len(rows()), alpaca.asked()) == (1, 1)


def test_of_two_repeats_at_once_one_is_sent(app, alpaca, monkeypatch):
    die_in(monkeypatch, BrokerageClient, "open_account")
    let_pass(61)

    def act():
        with app.app_context():
            return sign_up(OWNER, application(), None)

    results = together(act, act, act)
    assert sorted(type(result).__name__ for result in results) == ["EmailRegistered"] * 2 + ["SignedUp"]
    assert (statuses(), alpaca.asked(), len(alpaca.customers)) == (["SUBMITTED"], 1, 1)


def test_who_has_looked_too_early_gets_no_turn(app, alpaca, monkeypatch):
    die_in(monkeypatch, BrokerageClient, "open_account")
    let_pass(61)
    (row,) = rows()
    row_id, looked_at = row.id, row.sent_at
    assert account_rows.take_turn(row_id, "Ada", looked_at)
    assert account_rows.take_turn(row_id, "Ada", looked_at) is None
    for _ in range(3):
        account_rows.note_absence(row_id, looked_at)  # of an application before the one that is under way
    assert (statuses(), rows()[0].lookups) == (["OPENING"], 0)


def stall(monkeypatch, name, meanwhile):
    """Let the first call of that name wait until something else has happened."""
    real, first = getattr(BrokerageClient, name), iter([True])

    def slow(self, argument):
        if next(first, False):
            outcome = meanwhile()
            if isinstance(outcome, Exception):
                raise outcome
        return real(self, argument)

    monkeypatch.setattr(BrokerageClient, name, slow)


def sign_up_later(error):
    let_pass(61)
    sign_up(OWNER, application(), None)
    return error


def test_the_second_of_a_double_click_is_told_that_the_first_has_failed(app, alpaca, monkeypatch):
    with transaction() as session:  # the first one's row, while Alpaca is asked
        row = BrokerageAccount(owner_id=OWNER, environment="simulator", name="Ada", email="ada@example.com")
        row.status, row.sent_at = "OPENING", database_time()
        session.add(row)

    def first_fails():
        (row,) = rows()
        assert account_rows.take_back(row.id, row.sent_at, None, "refused")

    stall(monkeypatch, "find_by_email", first_fails)
    with pytest.raises(Conflict, match="just failed, and nothing was opened"):
        sign_up(OWNER, application(), None)
    assert (rows(), alpaca.asked()) == ([], 0)
    sign_up(OWNER, application(), None)
    assert statuses() == ["SUBMITTED"]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_first_try_that_stalls_takes_back_no_account_of_a_later_one(app, alpaca, monkeypatch, error):
    stall(monkeypatch, "open_account", lambda: sign_up_later(error))
    with pytest.raises(EmailRegistered) as caught:
        sign_up(OWNER, application(), None)
    (row,) = rows()
    assert (row.alpaca_id, row.status) == (alpaca.customers[0].id, "SUBMITTED")
    assert caught.value.account_id == row.id


@pytest.mark.parametrize("error", REFUSALS[1:])
def test_a_repeat_that_stalls_does_not_hide_what_a_later_one_has_opened(app, alpaca, monkeypatch, error):
    alpaca.tell("drop_before")
    with pytest.raises(BrokerAway):
        sign_up(OWNER, application(), None)
    let_pass(61)
    stall(monkeypatch, "open_account", lambda: sign_up_later(error))
    with pytest.raises(EmailRegistered):
        sign_up(OWNER, application(), None)
    assert (statuses(), rows()[0].alpaca_id) == (["SUBMITTED"], alpaca.customers[0].id)


def test_a_try_that_was_refused_leaves_alone_one_that_is_under_way(app, alpaca, monkeypatch):
    def later():
        let_pass(61)
        row = rows()[0]
        assert account_rows.take_turn(row.id, "Ada", row.sent_at)
        return FormRefused("wrong", "email")

    stall(monkeypatch, "open_account", later)
    with pytest.raises(EmailRegistered):
        sign_up(OWNER, application(), None)
    assert statuses() == ["OPENING"]


def test_who_found_a_stranger_leaves_alone_an_attempt_that_is_under_way(app, monkeypatch, alpaca):
    alpaca.tell("drop_before")
    with pytest.raises(BrokerAway):
        sign_up(OWNER, application(), None)
    let_pass(61)
    (row,) = rows()
    row_id, looked_at = row.id, row.sent_at
    assert account_rows.take_turn(row_id, "Ada", looked_at)
    account_rows.note_stranger(row_id, looked_at)
    assert statuses() == ["OPENING"]


def test_an_email_with_an_account_is_never_free_for_others(app, alpaca, other_owner):
    sign_up(OWNER, application(), None)
    with transaction() as session:
        session.execute(sa.update(BrokerageAccount).values(status="NOT_OPENED"))
    with pytest.raises(EmailRegistered) as caught:
        sign_up(other_owner, application(), None)
    assert caught.value.account_id is None
    assert rows()[0].alpaca_id == alpaca.customers[0].id


def test_rows_that_are_gone_fail_nobody(app, alpaca, monkeypatch, caplog):
    def gone():
        with transaction() as session:
            session.execute(sa.delete(BrokerageAccount))
        return FormRefused("wrong", "email")

    stall(monkeypatch, "open_account", gone)
    with pytest.raises(InvalidInput):
        sign_up(OWNER, application(), None)
    now = database_time()
    account_rows.note_absence(1, now)
    account_rows.note_stranger(1, now)
    stall(monkeypatch, "open_account", lambda: gone() and None)
    with pytest.raises(EmailRegistered):
        sign_up(OWNER, application(), None)
    assert f"Alpaca's account {alpaca.customers[0].id} has no row" in caplog.text
