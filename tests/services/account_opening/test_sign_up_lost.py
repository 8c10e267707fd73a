"""Sign-ups whose answer, process or database gets lost on the way: found again, and never opened twice."""

import pytest
import sqlalchemy as sa

from brokers.alpaca.accounts import BrokerageClient
from services.account_opening import account_rows, follow_accounts
from services.account_opening.open_account import sign_up
from tests.services.account_opening.attempts import away, die_in, refused
from tests.services.account_opening.desk import OWNER, application, hurry, let_pass, rows, statuses

pytestmark = pytest.mark.usefixtures("context")


def test_after_a_crash_between_alpaca_and_our_row_the_account_is_found_again(app, alpaca, monkeypatch):
    die_in(monkeypatch, account_rows, "store")
    assert (statuses(), len(alpaca.customers)) == (["OPENING"], 1)
    assert refused() == rows()[0].id
    assert rows()[0].alpaca_id == alpaca.customers[0].id
    assert alpaca.asked() == 1


def test_after_a_crash_the_worker_finds_the_account(app, alpaca, monkeypatch):
    die_in(monkeypatch, account_rows, "store")
    assert not follow_accounts.follow_next()  # its time has not come
    let_pass(31)
    assert follow_accounts.follow_next()
    assert rows()[0].alpaca_id == alpaca.customers[0].id
    assert alpaca.asked() == 1


def test_a_crash_before_sending_lets_the_owner_send_again_once_it_is_sure(app, alpaca, monkeypatch, other_owner):
    die_in(monkeypatch, BrokerageClient, "open_account")
    row_id = rows()[0].id
    assert refused() == row_id
    assert refused(other_owner) is None
    assert (statuses(), alpaca.asked()) == (["OPENING"], 0)
    let_pass(61)
    assert refused(other_owner) is None
    assert sign_up(OWNER, application(), None).account_id == row_id
    assert (statuses(), alpaca.asked(), len(alpaca.customers)) == (["SUBMITTED"], 1, 1)


@pytest.mark.parametrize("kind", ["drop_after", "garbage", "status_500_after", "status_504_after"])
def test_an_account_whose_answer_is_lost_is_found_at_once(app, alpaca, kind):
    alpaca.tell(kind)
    sign_up(OWNER, application(), None)
    assert (statuses(), alpaca.asked(), len(alpaca.customers)) == (["SUBMITTED"], 1, 1)


def test_an_answer_that_takes_too_long_is_a_lost_one(app, alpaca):
    hurry(app, alpaca.url, 0.5)
    alpaca.tell("delay", seconds=1)
    sign_up(OWNER, application(), None)
    assert (statuses(), alpaca.asked(), len(alpaca.customers)) == (["SUBMITTED"], 1, 1)


def test_a_lost_answer_that_cannot_be_looked_up_is_told_and_the_worker_goes_on(app, alpaca):
    alpaca.tell("drop_after")
    alpaca.tell("status_503")
    away("not known yet.*safe")
    assert (statuses(), len(alpaca.customers)) == (["OPENING"], 1)
    let_pass(31)
    assert follow_accounts.follow_next()
    assert (statuses(), alpaca.asked()) == (["SUBMITTED"], 1)


@pytest.mark.parametrize("kind", ["drop_before", "status_500", "status_504"])
def test_an_application_that_never_arrived_is_given_up_and_may_be_sent_again(app, alpaca, kind):
    alpaca.tell(kind)
    away("not known yet")
    for seconds, status in ((31, "OPENING"), (61, "OPENING"), (121, "NOT_OPENED")):
        assert statuses() == ["OPENING"]
        let_pass(seconds)
        assert follow_accounts.follow_next()
        assert statuses() == [status]
    let_pass(1000)
    assert not follow_accounts.follow_next()
    row_id = rows()[0].id
    assert sign_up(OWNER, application(), None).account_id == row_id
    assert (statuses(), alpaca.asked(), len(alpaca.customers)) == (["SUBMITTED"], 2, 1)


def test_absences_count_only_when_alpaca_has_answered(app, alpaca):
    alpaca.tell("drop_before")
    away("not known yet")
    alpaca.tell("status_503", times=4)
    for _ in range(4):
        let_pass(700)
        with pytest.raises(Exception, match="503"):
            follow_accounts.follow_next()
    assert statuses() == ["OPENING"]


def test_a_repeat_that_alpaca_knows_is_taken_over_as_ours(app, alpaca, monkeypatch):
    die_in(monkeypatch, account_rows, "store")
    let_pass(61)
    answers = iter([None])  # the first look-up comes too early
    look = BrokerageClient.find_by_email
    monkeypatch.setattr(
        BrokerageClient, "find_by_email", lambda self, email: None if next(answers, 0) is None else look(self, email)
    )
    assert refused() == rows()[0].id
    assert rows()[0].alpaca_id == alpaca.customers[0].id
    assert (alpaca.asked(), len(alpaca.customers)) == (2, 1)


def test_a_repeat_while_alpaca_cannot_be_asked_sends_nothing(app, alpaca, monkeypatch):
    die_in(monkeypatch, account_rows, "store")
    let_pass(100)
    alpaca.tell("status_503")
    away("nothing was sent")
    assert (statuses(), alpaca.asked()) == (["OPENING"], 1)


def test_a_database_that_goes_away_meanwhile_is_no_second_account(app, alpaca, monkeypatch):
    def gone(*arguments):
        raise sa.exc.OperationalError("update", {}, Exception("server closed the connection"))

    monkeypatch.setattr(account_rows, "store", gone)
    away("not known yet")
    monkeypatch.undo()
    assert refused() == rows()[0].id
    assert (statuses(), alpaca.asked()) == (["SUBMITTED"], 1)
