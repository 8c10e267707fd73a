"""Signing up for a real account: everything is asked for, nothing is made up."""

from datetime import UTC, date, datetime

import pytest

from brokers.alpaca import settings as alpaca_settings
from domain.account_opening.status import Application
from domain.errors import InvalidInput
from services.account_opening.open_account import sign_up
from tests.services.account_opening.desk import OWNER, TAX_ID, application, brokerage_app, rows

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
