"""Opening accounts at the brokerage: each e-mail once, and nothing kept that must not be."""

import base64
import logging

import pytest

from brokers.alpaca import settings as alpaca_settings
from brokers.alpaca.accounts import BrokerageClient
from domain.errors import InvalidInput, NotConfigured, TooMany
from services.account_opening.open_account import sign_up
from simulators.alpaca.broker_api import customers
from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET
from simulators.alpaca.wire import Refused
from tests.conftest import free_port
from tests.services.account_opening.attempts import away, die_in, open_elsewhere, refused
from tests.services.account_opening.desk import (
    OWNER,
    TAX_ID,
    application,
    brokerage_app,
    hurry,
    let_pass,
    rows,
    statuses,
)
from tests.support.factories import dump_tables

pytestmark = pytest.mark.usefixtures("context")


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


def echo_the_keys(*arguments, **more):
    raise Refused(401, None, f"no: {BROKER_KEY} and {BROKER_SECRET}")


def test_no_key_of_the_desk_is_told_to_who_signs_up_or_logged(app, alpaca, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    sent = base64.b64encode(f"{BROKER_KEY}:{BROKER_SECRET}".encode()).decode()
    with monkeypatch.context() as patch:
        patch.setattr(customers, "check", echo_the_keys)
        away("does not accept this desk's key")
        die_in(patch, BrokerageClient, "open_account")
    let_pass(61)
    open_elsewhere(alpaca)
    with monkeypatch.context() as patch:
        patch.setattr(customers.Customer, "wire", echo_the_keys)
        away(r"no: \*\*\* and \*\*\*")
    assert "no: *** and ***" in caplog.text
    for text in (caplog.text, repr(dump_tables(app))):
        assert not [key for key in (BROKER_KEY, BROKER_SECRET, sent) if key in text]
