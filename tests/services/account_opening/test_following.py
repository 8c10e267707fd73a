"""Following what becomes of accounts at the brokerage."""

from decimal import Decimal

import pytest

from brokers.alpaca.account_forms import brokerage_report
from brokers.errors import BrokerUnavailable
from extensions import database_time, transaction
from models import BrokerageAccount
from services.account_opening import follow_accounts
from tests.services.account_opening.desk import (
    ACTIVE_AFTER,
    APPROVED_AFTER,
    brokerage_app,
    follow,
    let_pass,
    open_one,
    rows,
    statuses,
)
from tests.support.factories import together

pytestmark = pytest.mark.usefixtures("context")


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
def test_what_has_ended_is_looked_at_once_a_day(app, alpaca, status):
    open_one()
    alpaca.move(rows()[0].alpaca_id, status=status)
    assert (follow(), statuses()) == (1, [status])
    assert follow(86_000) == 0
    alpaca.move(rows()[0].alpaca_id, status="APPROVED")
    assert (follow(600), statuses()) == (1, ["APPROVED"])
    assert follow() == 1


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
