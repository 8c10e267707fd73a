"""Rules of applications for brokerage accounts, and what statuses mean."""

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.account_opening.countries import COUNTRIES, STATES
from domain.account_opening.rules import broken_rules, missing
from domain.account_opening.status import (
    ENDED,
    MEANINGS,
    Application,
    BrokerageReport,
    OwnStatus,
    age_on,
    is_ours,
    meaning,
    pause,
)

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
CONTACT = {
    "phone_number": "+14155550123",
    "street_address": ["20 N San Mateo Dr"],
    "city": "San Mateo",
    "state": "CA",
    "postal_code": "94401",
    "country": "USA",
}
IDENTITY = {
    "given_name": "Ada",
    "family_name": "Lovelace",
    "date_of_birth": date(1990, 12, 10),
    "tax_id": "123-45-6789",
    "tax_id_type": "USA_SSN",
    "country_of_citizenship": "USA",
    "country_of_birth": "USA",
    "country_of_tax_residence": "USA",
    "funding_source": ["savings"],
}
DISCLOSURES = dict.fromkeys(
    ("is_control_person", "is_affiliated_exchange_or_finra", "is_politically_exposed", "immediate_family_exposed"),
    False,
)
SIGNED = {"agreement": "customer_agreement", "signed_at": NOW, "ip_address": "185.13.21.99"}


def application(contact=None, identity=None, agreements=None):
    return Application(
        name="Ada Lovelace",
        email="ada@example.com",
        contact={**CONTACT, **(contact or {})},
        identity={**IDENTITY, **(identity or {})},
        disclosures=DISCLOSURES,
        agreements=[SIGNED] if agreements is None else agreements,
    )


def broken(live=True, **parts):
    return broken_rules(application(**parts), NOW, live=live)


def test_a_whole_application_misses_and_breaks_nothing():
    assert missing(application()) == []
    assert broken() == {}


def test_what_is_missing_is_named():
    nothing = Application(name="Ada", email="ada@example.com", contact={}, identity={}, disclosures={}, agreements=None)
    assert len(missing(nothing)) == 4 + 9 + 4 + 1
    assert missing(application(contact={"state": None, "postal_code": ""})) == ["contact.state", "contact.postal_code"]
    abroad = {"country": "ITA", "state": None, "postal_code": None}
    assert missing(application(contact=abroad)) == []
    assert missing(application(identity={"tax_id": None})) == ["identity.tax_id"]
    assert missing(application(identity={"tax_id": None, "tax_id_type": "NOT_SPECIFIED"})) == []
    assert missing(application(agreements=[{"agreement": "customer_agreement"}])) == [
        "agreements.0.signed_at",
        "agreements.0.ip_address",
    ]


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"contact": {"state": "XX"}}, "contact.state"),
        ({"contact": {"postal_code": "9440"}}, "contact.postal_code"),
        ({"contact": {"postal_code": "٩٤٤٠١"}}, "contact.postal_code"),
        ({"contact": {"country": "ITA", "state": None}}, "contact.state"),  # she pays taxes in the USA
        ({"identity": {"date_of_birth": date(2008, 3, 3)}}, "identity.date_of_birth"),
        ({"identity": {"date_of_birth": date(2026, 3, 3)}}, "identity.date_of_birth"),
        ({"identity": {"date_of_birth": date(1900, 1, 1)}}, "identity.date_of_birth"),
        ({"identity": {"tax_id": "12-345-6789"}}, "identity.tax_id"),
        ({"identity": {"visa_type": "H1B"}}, "identity.visa_expiration_date"),
        (
            {"identity": {"visa_type": "B1", "visa_expiration_date": date(2027, 1, 1)}},
            "identity.date_of_departure_from_usa",
        ),
        ({"identity": {"annual_income_min": 2, "annual_income_max": 1}}, "identity.annual_income_max"),
        ({"agreements": [SIGNED, SIGNED]}, "agreements"),
        ({"agreements": [{**SIGNED, "agreement": "crypto_agreement"}]}, "agreements"),
        ({"agreements": [{**SIGNED, "signed_at": NOW + timedelta(minutes=2)}]}, "agreements.0.signed_at"),
        ({"agreements": [{**SIGNED, "ip_address": "192.168.1.1"}]}, "agreements.0.ip_address"),
    ],
)
def test_each_rule_names_its_field(parts, field):
    assert list(broken(**parts)) == [field]


def test_a_rehearsal_may_be_signed_at_home():
    assert broken(live=False, agreements=[{**SIGNED, "ip_address": "127.0.0.1"}]) == {}


def test_who_lives_and_pays_abroad_has_no_state():
    abroad = {"contact": {"country": "ITA", "state": None}, "identity": {"country_of_tax_residence": "ITA"}}
    assert broken(**abroad) == {}


def test_birthdays():
    ages = {date(2008, 3, 2): 18, date(2008, 3, 3): 17, date(2004, 2, 29): 22}
    assert {born: age_on(born, NOW.date()) for born in ages} == ages
    assert broken(identity={"date_of_birth": date(2008, 3, 2)}) == {}
    unborn = broken(identity={"date_of_birth": date(2026, 3, 3)})
    assert unborn == {"identity.date_of_birth": "is not the birthday of anybody alive"}


def test_every_status_is_told_in_words():
    assert meaning("ACTION_REQUIRED").startswith("Alpaca needs something from the applicant")
    assert meaning(OwnStatus.OPENING) == meaning("OPENING")
    assert meaning("MOON_PENDING").startswith("The desk does not know this status")
    assert set(ENDED) <= set(MEANINGS)


def test_pauses_grow_and_end():
    minute = timedelta(minutes=1)
    assert [pause("OPENING", minute, n) for n in (0, 1, 2, 5, 5000)] == [
        timedelta(seconds=seconds) for seconds in (30, 60, 120, 600, 600)
    ]
    assert pause("NEW_WORD", minute) == timedelta(seconds=10)
    assert pause("NEW_WORD", 11 * minute) == minute
    assert pause("ACTIVE", minute) == 10 * minute
    assert {pause(status, minute) for status in ENDED} == {timedelta(days=1)}


def test_an_account_is_ours_only_if_it_was_opened_while_we_asked():
    sent = NOW + timedelta(hours=1)

    def ours(created_at):
        return is_ours(BrokerageReport(alpaca_id="1", status="ACTIVE", created_at=created_at), NOW, sent)

    second = timedelta(seconds=1)
    assert all(ours(at) for at in (NOW, sent, NOW - 60 * second, sent + 120 * second))
    assert not ours(NOW - 61 * second)
    assert not ours(sent + 121 * second)
    assert not ours(None)


def test_countries_and_states():
    assert len(COUNTRIES) == 249
    assert len(STATES) == 60
    assert {len(code) for code in COUNTRIES} == {3}
    assert {len(code) for code in STATES} == {2}
