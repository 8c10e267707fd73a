"""Opening accounts at the brokerage: each e-mail once, whatever gets lost, and nothing kept that must not be."""

import contextlib
import logging
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from brokers.alpaca import settings as alpaca_settings
from brokers.alpaca.accounts import BrokerageClient
from domain.brokerage import Application
from domain.enums import Role
from domain.errors import BrokerAway, InvalidInput, NotConfigured, TooMany
from extensions import database_time, db
from models import User
from services import brokerage_rows, follow_accounts, manage_users, open_account
from services.open_account import EmailRegistered, SignedUp, sign_up
from simulators.alpaca import customers
from simulators.alpaca.wire import Refused
from tests.brokerage_desk import (
    TAX_ID,
    application,
    brokerage_app,
    hurry,
    let_pass,
    rows,
    simulated_alpaca,
    statuses,
)
from tests.conftest import free_port
from tests.factories import dump_tables, together

OWNER = 1  # the admin of each desk


class Died(BaseException):
    """The process is gone."""


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


def refused(owner=OWNER, **more):
    """Sign up in vain; returns the row that is shown to the owner."""
    with pytest.raises(EmailRegistered, match=r"^Email already registered$") as caught:
        sign_up(owner, application(**more), None)
    return caught.value.account_id


def away(text, **more):
    with pytest.raises(BrokerAway, match=text):
        sign_up(OWNER, application(**more), None)


def die_in(monkeypatch, place, name):
    def die(*arguments):
        raise Died

    monkeypatch.setattr(place, name, die)
    with pytest.raises(Died):
        sign_up(OWNER, application(), None)
    monkeypatch.undo()


def open_elsewhere(alpaca, email="ada@example.com", age=timedelta(days=1)):
    """Let somebody else open an account, some time ago."""
    customer = customers.Customer(
        datetime.now(UTC) - age,
        {"email_address": email},
        {"given_name": "Ada", "family_name": "King"},
        {"is_control_person": False},
        [],
    )
    alpaca.customers.append(customer)


def test_an_account_is_opened_and_stored(app, alpaca):
    opened = sign_up(OWNER, application(), "a long password")
    (row,), (customer,) = rows(), alpaca.customers
    assert opened.account_id == row.id
    assert (row.alpaca_id, row.account_number, row.status) == (customer.id, customer.number, "SUBMITTED")
    assert (row.owner_id, row.environment, row.name, row.email) == (
        OWNER,
        "simulator",
        "Ada Lovelace",
        "ada@example.com",
    )
    assert row.created_at == customer.created_at
    assert row.reason is None
    assert (customer.identity["given_name"], customer.identity["family_name"]) == ("Ada", "Lovelace")


def test_an_email_has_one_account(app, alpaca, other_owner):
    opened = sign_up(OWNER, application(), None)
    assert refused() == opened.account_id
    assert refused(other_owner) is None
    assert (len(rows()), len(alpaca.customers), alpaca.asked()) == (1, 1, 1)


def test_the_same_email_may_be_used_on_the_sandbox_and_for_real(app, alpaca, database_url, tmp_path, monkeypatch):
    sign_up(OWNER, application(), None)
    monkeypatch.setitem(alpaca_settings.BROKERAGES, "sandbox", alpaca.url)
    alpaca.customers.clear()
    with (
        brokerage_app(alpaca.url, database_url, tmp_path, APCA_BROKER_API_ENVIRONMENT="sandbox") as sandbox,
        sandbox.app_context(),
    ):
        sign_up(OWNER, application(), None)
    assert [row.environment for row in rows()] == ["simulator", "sandbox"]


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


def test_after_a_crash_between_alpaca_and_our_row_the_account_is_found_again(app, alpaca, monkeypatch):
    die_in(monkeypatch, brokerage_rows, "store")
    assert (statuses(), len(alpaca.customers)) == (["OPENING"], 1)
    assert refused() == rows()[0].id
    assert rows()[0].alpaca_id == alpaca.customers[0].id
    assert alpaca.asked() == 1


def test_after_a_crash_the_worker_finds_the_account(app, alpaca, monkeypatch):
    die_in(monkeypatch, brokerage_rows, "store")
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
    assert brokerage_rows.take_turn(row_id, "Ada", looked_at)
    assert brokerage_rows.take_turn(row_id, "Ada", looked_at) is None
    for _ in range(3):
        brokerage_rows.note_absence(row_id, looked_at)  # of an application before the one that is under way
    assert (statuses(), rows()[0].lookups) == (["OPENING"], 0)


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


def test_an_attempt_of_which_nothing_came_keeps_the_email_from_nobody(app, alpaca, monkeypatch, other_owner):
    die_in(monkeypatch, BrokerageClient, "open_account")
    assert refused(other_owner) is None
    for seconds in (31, 61, 121):
        let_pass(seconds)
        assert follow_accounts.follow_next()
    assert statuses() == ["NOT_OPENED"]
    sign_up(other_owner, application(), None)
    assert [(row.owner_id, row.status) for row in rows()] == [(other_owner, "SUBMITTED")]


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


def test_a_repeat_that_alpaca_knows_is_taken_over_as_ours(app, alpaca, monkeypatch):
    die_in(monkeypatch, brokerage_rows, "store")
    let_pass(61)
    answers = iter([None])  # the first look-up comes too early
    look = BrokerageClient.find_by_email
    monkeypatch.setattr(
        BrokerageClient, "find_by_email", lambda self, email: None if next(answers, 0) is None else look(self, email)
    )
    assert refused() == rows()[0].id
    assert rows()[0].alpaca_id == alpaca.customers[0].id
    assert (alpaca.asked(), len(alpaca.customers)) == (2, 1)


def test_a_refused_application_leaves_the_email_free(app, alpaca):
    with pytest.raises(InvalidInput) as caught:
        sign_up(OWNER, application(tax_id="666-45-6789"), None)
    assert caught.value.fields == {"identity.tax_id": "identity.tax_id is invalid"}
    assert rows() == []
    assert sign_up(OWNER, application(), None)


def test_a_refused_repeat_may_be_put_right_at_once(app, alpaca, monkeypatch):
    die_in(monkeypatch, BrokerageClient, "open_account")
    let_pass(61)
    with pytest.raises(InvalidInput):
        sign_up(OWNER, application(tax_id="666-45-6789"), None)
    assert statuses() == ["NOT_OPENED"]
    sign_up(OWNER, application(), None)
    assert statuses() == ["SUBMITTED"]


@pytest.mark.parametrize(
    ("kind", "text"), [("unauthorized", "does not accept this desk's key"), ("rate_limit", "nothing was sent")]
)
def test_what_alpaca_surely_did_not_do_leaves_no_trace(app, alpaca, kind, text):
    alpaca.tell(kind, times=2)
    away(text)
    assert (rows(), alpaca.asked(), alpaca.customers) == ([], 1, [])


def test_alpaca_out_of_reach_leaves_no_trace(app, alpaca):
    hurry(app, f"http://127.0.0.1:{free_port()}", 2)
    away("nothing was sent")
    assert rows() == []


def test_a_repeat_while_alpaca_cannot_be_asked_sends_nothing(app, alpaca, monkeypatch):
    die_in(monkeypatch, brokerage_rows, "store")
    let_pass(100)
    alpaca.tell("status_503")
    away("nothing was sent")
    assert (statuses(), alpaca.asked()) == (["OPENING"], 1)


def test_a_database_that_goes_away_meanwhile_is_no_second_account(app, alpaca, monkeypatch):
    def gone(*arguments):
        raise sa.exc.OperationalError("update", {}, Exception("server closed the connection"))

    monkeypatch.setattr(brokerage_rows, "store", gone)
    away("not known yet")
    monkeypatch.undo()
    assert refused() == rows()[0].id
    assert (statuses(), alpaca.asked()) == (["SUBMITTED"], 1)


def test_an_application_that_nobody_owns_any_more_frees_the_email(app, alpaca, monkeypatch, other_owner):
    alpaca.tell("drop_before")
    with pytest.raises(BrokerAway):
        sign_up(other_owner, application(), None)
    manage_users.delete_user("bert")
    assert refused() is None
    for _ in range(3):
        let_pass(700)
        follow_accounts.follow_next()
    sign_up(OWNER, application(), None)
    assert [(row.owner_id, row.status) for row in rows()] == [(OWNER, "SUBMITTED")]


def test_ten_an_hour(app, alpaca):
    for number in range(10):
        sign_up(OWNER, application(f"ada{number}@example.com"), None)
    with pytest.raises(TooMany) as caught:
        sign_up(OWNER, application("ada10@example.com"), None)
    assert 3500 < caught.value.retry_after <= 3601
    assert len(alpaca.customers) == 10


def test_without_a_key_nothing_is_opened_and_the_settings_are_named(alpaca, database_url, tmp_path):
    with (
        brokerage_app(alpaca.url, database_url, tmp_path, APCA_BROKER_API_SECRET="") as app,
        app.app_context(),
        pytest.raises(NotConfigured, match="APCA_BROKER_API_KEY and APCA_BROKER_API_SECRET"),
    ):
        sign_up(OWNER, application(), None)


def test_a_password_that_is_too_easy_is_refused_before_anything_is_sent(app, alpaca):
    with pytest.raises(InvalidInput, match="password"):
        sign_up(OWNER, application(), "123")
    assert (rows(), alpaca.asked()) == ([], 0)


def echo(*arguments):
    raise Refused(422, 40010001, "identity.tax_id 123 45 6789 (123456789) is known: " + "x" * 270 + TAX_ID)


def test_no_tax_id_gets_into_a_log_a_row_or_an_error(app, alpaca, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    sign_up(OWNER, application(), "a long password")
    with monkeypatch.context() as patch:
        patch.setattr(customers, "check", echo)
        with pytest.raises(InvalidInput) as caught:
            sign_up(OWNER, application("bert@example.com"), None)
    assert caught.value.fields["identity.tax_id"].startswith("identity.tax_id *** (***) is known")
    alpaca.tell("status_500")
    away("not known", email="carl@example.com")
    texts = [caplog.text, repr(dump_tables(app)), repr(application()), repr(caught.value), str(caught.value)]
    assert "brokerage account 1: OPENING -> SUBMITTED" in caplog.text
    for text in texts:
        assert "123-45" not in text
        assert "45-6789" not in text
        assert "123456789" not in text
        assert "a long password" not in text
    assert "123-45" not in repr(caught.value.__context__)


LIVE = {
    "contact": {
        "phone_number": "+14155550123",
        "street_address": ["20 N San Mateo Dr"],
        "city": "San Mateo",
        "state": "CA",
        "postal_code": "94401",
        "country": "USA",
    },
    "identity": {
        "given_name": "Ada",
        "family_name": "Lovelace",
        "date_of_birth": date(1990, 12, 10),
        "tax_id": TAX_ID,
        "tax_id_type": "USA_SSN",
        "country_of_citizenship": "GBR",
        "country_of_birth": "GBR",
        "country_of_tax_residence": "USA",
        "funding_source": ["savings"],
    },
    "disclosures": dict.fromkeys(
        (
            "is_control_person",
            "is_affiliated_exchange_or_finra",
            "is_politically_exposed",
            "immediate_family_exposed",
        ),
        False,
    ),
    "agreements": [
        {
            "agreement": "customer_agreement",
            "signed_at": datetime(2026, 11, 20, 14, 30, tzinfo=UTC),
            "ip_address": "185.13.21.99",
        }
    ],
}


@pytest.fixture
def live_app(alpaca, database_url, tmp_path, monkeypatch):
    monkeypatch.setitem(alpaca_settings.BROKERAGES, "live", alpaca.url)
    with (
        brokerage_app(alpaca.url, database_url, tmp_path, APCA_BROKER_API_ENVIRONMENT="live") as app,
        app.app_context(),
    ):
        yield app


def test_on_live_a_whole_application_is_sent_as_it_is(live_app, alpaca):
    opened = sign_up(OWNER, Application(name="Ada Lovelace", email="ada@example.com", **LIVE), None)
    (customer,) = alpaca.customers
    assert opened.generated == []
    assert customer.contact == {"email_address": "ada@example.com", **LIVE["contact"]}
    assert customer.identity == {
        name: value for name, value in LIVE["identity"].items() if name not in ("tax_id", "date_of_birth")
    } | {"date_of_birth": "1990-12-10"}
    assert customer.disclosures == LIVE["disclosures"]
    assert customer.agreements == [{**LIVE["agreements"][0], "signed_at": "2026-11-20T14:30:00Z"}]


def test_on_live_nothing_is_made_up(live_app, alpaca):
    with pytest.raises(InvalidInput) as caught:
        sign_up(OWNER, application(), None)
    named = {
        *(f"contact.{name}" for name in ("phone_number", "street_address", "city", "country")),
        *(f"identity.{name}" for name in LIVE["identity"] if name not in ("tax_id", "tax_id_type")),
        *(f"disclosures.{name}" for name in LIVE["disclosures"]),
        "agreements",
    }
    assert caught.value.fields == {name: f"'{name}' cannot be empty!" for name in named}
    assert (rows(), alpaca.asked()) == ([], 0)


@pytest.mark.parametrize("part", ["contact", "identity", "disclosures"])
def test_on_live_each_missing_field_is_asked_for(live_app, alpaca, part):
    for name in LIVE[part]:
        left = {key: value for key, value in LIVE[part].items() if key != name}
        with pytest.raises(InvalidInput) as caught:
            sign_up(OWNER, Application(name="Ada", email="ada@example.com", **{**LIVE, part: left}), None)
        assert f"{part}.{name}" in caught.value.fields
    assert (rows(), alpaca.asked()) == ([], 0)
