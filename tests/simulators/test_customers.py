"""The Broker API: applications for accounts, and what becomes of them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulators.applying import make_application
from tests.simulators.support import Alpaca, Caller, Control

ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
TODAY = datetime.now(UTC).date()

# What is different from an application that is accepted, and the field that the refusal names.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no contact": ({"contact": None}, "contact is required"),
    "no identity": ({"identity": None}, "identity is required"),
    "no disclosures": ({"disclosures": None}, "disclosures is required"),
    "no agreements": ({"agreements": None}, "agreements is required"),
    "no e-mail": ({"contact__email_address": None}, "contact.email_address is required"),
    "no real e-mail": ({"contact__email_address": "ann@home"}, "contact.email_address is invalid"),
    "no real telephone": ({"contact__phone_number": "call me"}, "contact.phone_number is invalid"),
    "a street that is no list": ({"contact__street_address": "1 Main Street"}, "contact.street_address must be a list"),
    "four lines of street": ({"contact__street_address": ["a", "b", "c", "d"]}, "contact.street_address must be a list"),
    "no city": ({"contact__city": " "}, "contact.city is required"),
    "no state in the USA": ({"contact__state": None}, "contact.state is required"),
    "no postal code in the USA": ({"contact__postal_code": None}, "contact.postal_code is required"),
    "a country of two letters": ({"contact__country": "DE"}, "contact.country is invalid"),
    "no given name": ({"identity__given_name": None}, "identity.given_name is required"),
    "no family name": ({"identity__family_name": ""}, "identity.family_name is required"),
    "a birthday of no calendar": ({"identity__date_of_birth": "31.01.1980"}, "identity.date_of_birth must be YYYY-MM-DD"),
    "a child": ({"identity__date_of_birth": (TODAY - timedelta(days=17 * 365)).isoformat()}, "must be 18 or older"),
    "no country of taxes": ({"identity__country_of_tax_residence": None}, "identity.country_of_tax_residence is required"),
    "a country of taxes in two letters": ({"identity__country_of_tax_residence": "US"}, "identity.country_of_tax_residence is invalid"),
    "no tax number": ({"identity__tax_id": None}, "identity.tax_id is required"),
    "a tax number that is none": ({"identity__tax_id": "12-345"}, "identity.tax_id is invalid"),
    "a tax number that nobody has": ({"identity__tax_id": "666-45-6789"}, "identity.tax_id is invalid"),
    "no source of money": ({"identity__funding_source": []}, "identity.funding_source is required"),
    "a disclosure left open": ({"disclosures__is_control_person": None}, "disclosures.is_control_person must be true or false"),
    "a disclosure in words": ({"disclosures__is_control_person": "no"}, "disclosures.is_control_person must be true or false"),
    "an unknown agreement": ({"agreements__0__agreement": "handshake"}, "agreements.agreement is invalid"),
    "a signature without a time": ({"agreements__0__signed_at": "lately"}, "agreements.signed_at must be a time"),
    "a signature of tomorrow": ({"agreements__0__signed_at": f"{TODAY + timedelta(days=2)}T00:00:00Z"}, "agreements.signed_at is in the future"),
    "a signature from nowhere": ({"agreements__0__ip_address": "::1"}, "agreements.ip_address must be an IPv4 address"),
    "no customer agreement": ({"agreements__0__agreement": "crypto_agreement"}, "agreements must hold a customer_agreement"),
}  # fmt: skip


def apply(broker: Caller, **changes: Any) -> Any:
    answer = broker.call("POST", "/v1/accounts", make_application(**changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


@contextmanager
def events(broker: Caller, **query: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield what the stream of statuses tells."""
    with broker.call("GET", "/v1/events/accounts/status", params=query, stream=True) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        yield (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def past_events(broker: Caller, **query: Any) -> list[dict[str, Any]]:
    """Return what is told up to now."""
    with events(broker, **{"since": "2020-01-01", "until": "2100-01-01", **query}) as told:
        return list(told)


def test_an_application_is_submitted_approved_and_active(broker: Caller, control: Control):
    account = apply(broker)
    assert (account["status"], account["currency"], account["last_equity"]) == ("SUBMITTED", "USD", "0")

    def status() -> str:
        return str(broker.read(f"/v1/accounts/{account['id']}")["status"])

    control.advance(0.4)
    assert status() == "APPROVED"
    control.advance(0.4)
    assert status() == "ACTIVE"
    assert [(event["status_from"], event["status_to"]) for event in past_events(broker)] == [
        ("", "SUBMITTED"),
        ("SUBMITTED", "APPROVED"),
        ("APPROVED", "ACTIVE"),
    ]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"disclosures__is_politically_exposed": True}, "ACTION_REQUIRED"),
        ({"identity__family_name": "Pending"}, "APPROVAL_PENDING"),
        ({"identity__family_name": "Rejected"}, "REJECTED"),
    ],
)
def test_some_applications_take_another_way(broker: Caller, control: Control, changes: dict[str, Any], status: str):
    account = apply(broker, **changes)
    control.advance(60)
    assert broker.read(f"/v1/accounts/{account['id']}")["status"] == status


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_an_application_is_refused_and_the_field_is_named(broker: Caller, changes: dict[str, Any], words: str):
    answer = broker.call("POST", "/v1/accounts", make_application(**changes))
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert words in answer.json()["message"]
    assert broker.read("/v1/accounts") == []


def test_a_body_that_is_no_object_is_malformed(broker: Caller):
    answer = broker.call("POST", "/v1/accounts", data="no json")
    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)


def test_who_lives_abroad_needs_no_state(broker: Caller):
    abroad = {"contact__country": "DEU", "contact__state": None, "identity__tax_id_type": "DEU_TAX_ID"}
    assert apply(broker, **abroad)["contact"]["country"] == "DEU"


def test_an_e_mail_address_opens_one_account_however_it_is_written(broker: Caller):
    apply(broker)
    answer = broker.call("POST", "/v1/accounts", make_application(contact__email_address="Ann@Example.com"))
    assert answer.status_code == 409
    assert "ann@example.com" in answer.json()["message"]
    assert len(broker.read("/v1/accounts")) == 1


def test_the_tax_number_is_told_to_nobody(broker: Caller, control: Control):
    account = apply(broker)
    shown = [account, broker.read("/v1/accounts"), broker.read(f"/v1/accounts/{account['id']}")]
    assert "6789" not in json.dumps(shown)


def test_accounts_are_found_by_words_status_and_time(broker: Caller, control: Control):
    ann = apply(broker)
    control.advance(10)
    bob = apply(broker, contact__email_address="bob@example.com", identity__given_name="Bob")

    def found(**query: Any) -> list[str]:
        return [account["id"] for account in broker.read("/v1/accounts", **query)]

    assert found() == [bob["id"], ann["id"]]
    assert found(sort="asc") == [ann["id"], bob["id"]]
    assert found(query="BOB smith") == found(query="bob@example.com") == [bob["id"]]
    assert found(query="carol") == []
    assert found(status="ACTIVE") == [ann["id"]]
    assert found(created_after=ann["created_at"]) == [bob["id"]]
    assert found(created_before=bob["created_at"]) == [ann["id"]]


def test_a_list_leaves_particulars_out_unless_they_are_asked_for(broker: Caller):
    apply(broker)
    (short,), (long,) = broker.read("/v1/accounts"), broker.read("/v1/accounts", entities="identity,contact")
    assert "identity" not in short
    assert long["identity"]["given_name"] == "Ann"


def test_an_unknown_account_is_answered_401(broker: Caller):
    for path in ("/v1/accounts/nobody", "/v1/trading/accounts/nobody/account"):
        answer = broker.get(path)
        assert (answer.status_code, answer.json()) == (401, {"message": "request is not authorized"})


def test_the_control_moves_an_account_and_gives_it_money(broker: Caller, control: Control):
    account = apply(broker)
    control.do("PUT", f"/broker/accounts/{account['id']}", {"status": "REJECTED", "equity": "12.5"})
    control.advance(60)  # it stays where it was moved to
    trading = broker.read(f"/v1/trading/accounts/{account['id']}/account")
    assert (trading["status"], trading["equity"], trading["cash"]) == ("REJECTED", "12.5", "12.5")
    answer = control.call("PUT", f"/sim/broker/accounts/{account['id']}", {"equity": "much"})
    assert answer.status_code == 422


def test_events_have_what_a_reader_needs(broker: Caller):
    account = apply(broker)
    (event,) = past_events(broker)
    assert (event["account_id"], event["account_number"]) == (account["id"], account["account_number"])
    assert ULID.fullmatch(event["event_ulid"])
    assert event["at"] >= account["created_at"]


@pytest.mark.parametrize(("parameter", "field"), [("since_ulid", "event_ulid"), ("since_id", "event_id")])
def test_a_reader_goes_on_behind_its_cursor(broker: Caller, control: Control, parameter: str, field: str):
    apply(broker)
    control.advance(1)
    first, second, third = past_events(broker)
    with events(broker, **{parameter: first[field]}) as told:
        assert [next(told), next(told)] == [second, third]
        apply(broker, contact__email_address="bob@example.com")
        assert next(told)["status_to"] == "SUBMITTED"


def test_a_reader_may_stop_at_a_cursor(broker: Caller, control: Control):
    apply(broker)
    control.advance(1)
    told = past_events(broker)
    assert past_events(broker, until_ulid=told[1]["event_ulid"]) == told[:2]
    assert past_events(broker, until_id=1) == told[:1]
    assert past_events(broker, until="2020-12-31") == []
    assert past_events(broker, until=TODAY.isoformat()) == told


def test_a_reader_without_a_cursor_hears_only_what_comes(broker: Caller, control: Control):
    apply(broker)
    control.advance(0.4)
    with events(broker) as told:
        control.advance(0.4)
        assert next(told)["status_to"] == "ACTIVE"


def test_a_cursor_that_is_none_is_refused(broker: Caller):
    assert broker.get("/v1/events/accounts/status", since_id="first").status_code == 400
    assert broker.get("/v1/events/accounts/status", since="lately").status_code == 422


def test_a_quiet_stream_of_events_begins_with_a_sign_of_life(broker: Caller):
    with broker.call("GET", "/v1/events/accounts/status", stream=True) as answer:
        assert next(answer.iter_lines(chunk_size=1)) == b":heartbeat"


def test_faults_reach_the_broker_api_too(broker: Caller, control: Control, alpaca: Alpaca):
    control.fault("status_500_after", where="/v1/accounts")
    assert broker.call("POST", "/v1/accounts", make_application()).status_code == 500
    assert broker.call("POST", "/v1/accounts", make_application()).status_code == 409
