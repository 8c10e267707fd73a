"""Sign-ups that cross each other: none takes back, hides or frees what another one has opened."""

import pytest
import sqlalchemy as sa

from brokers.alpaca.accounts import BrokerageClient
from brokers.errors import AccessRefused, BrokerUnavailable, EmailTaken, FormRefused
from domain.enums import Role
from domain.errors import BrokerAway, Conflict, InvalidInput
from extensions import database_time, db, transaction
from models import BrokerageAccount, User
from services import brokerage_rows, manage_users
from services.open_account import EmailRegistered, sign_up
from tests.brokerage_desk import application, brokerage_app, let_pass, rows, simulated_alpaca, statuses

OWNER = 1
REFUSALS = [EmailTaken("taken"), FormRefused("wrong", "email"), AccessRefused("no"), BrokerUnavailable("wait")]


@pytest.fixture
def alpaca():
    with simulated_alpaca() as alpaca:
        yield alpaca


@pytest.fixture
def app(alpaca, database_url, tmp_path):
    with brokerage_app(alpaca.url, database_url, tmp_path) as app, app.app_context():
        yield app


@pytest.fixture
def other_owner(app):
    manage_users.create_user("bert", "a password of bert", Role.USER)
    return db.session.execute(sa.select(User.id).where(User.username == "bert")).scalar_one()


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
        assert brokerage_rows.take_back(row.id, row.sent_at, None, "refused")

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
        assert brokerage_rows.take_turn(row.id, "Ada", row.sent_at)
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
    assert brokerage_rows.take_turn(row_id, "Ada", looked_at)
    brokerage_rows.note_stranger(row_id, looked_at)
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
    brokerage_rows.note_absence(1, now)
    brokerage_rows.note_stranger(1, now)
    stall(monkeypatch, "open_account", lambda: gone() and None)
    with pytest.raises(EmailRegistered):
        sign_up(OWNER, application(), None)
    assert f"Alpaca's account {alpaca.customers[0].id} has no row" in caplog.text
