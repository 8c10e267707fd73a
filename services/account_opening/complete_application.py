"""Applications for brokerage accounts: whole and right before they are sent, on the sandbox with made-up parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from domain.account_opening.countries import USA
from domain.account_opening.rules import SSN, SSN_FORM, broken_rules, missing
from domain.account_opening.status import Application
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from faker import Faker

AGREEMENTS = ("customer_agreement", "margin_agreement", "account_agreement", "crypto_agreement")


def complete(application: Application, *, live: bool) -> tuple[Application, list[str]]:
    """Return the application as it may be sent, and the names of what was made up: on live never anything.

    Raises InvalidInput naming each field that is missing or breaks a rule.
    """
    now = datetime.now(UTC)
    if live and (names := missing(application)):
        raise InvalidInput({name: f"'{name}' cannot be empty!" for name in names})
    application, generated = _make_up(application, now)
    if rules := broken_rules(application, now, live=live):
        raise InvalidInput(rules)
    return application, generated


def _make_up(application: Application, now: datetime) -> tuple[Application, list[str]]:
    if not missing(application):
        return application, []
    from faker import Faker  # large, and never needed on live

    person = _Person(application, Faker("en_US"), now)
    made = []
    while names := missing(person.application):  # what is made up may ask for more: the USA for a state
        for name in names:
            person.make(name)
            made.append(name)
    return person.application, made


class _Person:
    """Somebody who does not exist, as far as the application does not say otherwise."""

    def __init__(self, application: Application, fake: Faker, now: datetime) -> None:
        self.application = replace(
            application,
            contact=dict(application.contact),
            identity=dict(application.identity),
            disclosures=dict(application.disclosures),
            agreements=application.agreements and [dict(agreement) for agreement in application.agreements],
        )
        self._fake, self._now = fake, now

    def make(self, name: str) -> None:
        """Invent one missing part of the application."""
        part, *path = name.split(".")
        if name == "agreements":
            given = [{"agreement": agreement, **self._signature()} for agreement in AGREEMENTS]
            self.application = replace(self.application, agreements=given)
        elif part == "agreements":
            self._agreement(int(path[0]))[path[1]] = self._signature()[path[1]]
        elif part == "disclosures":
            self.application.disclosures[path[0]] = False
        elif part == "contact":
            self.application.contact[path[0]] = self._of_contact(path[0])
        else:
            self.application.identity[path[0]] = self._of_identity(path[0])

    def _agreement(self, number: int) -> dict[str, Any]:
        return (self.application.agreements or [])[number]

    def _signature(self) -> dict[str, Any]:
        return {"signed_at": self._now, "ip_address": self._fake.ipv4_public()}

    def _of_contact(self, name: str) -> Any:
        fake = self._fake
        return {
            "phone_number": fake.numerify("+1415555####"),
            "street_address": [fake.street_address()],
            "city": fake.city(),
            "country": USA,
            "state": fake.state_abbr(include_territories=False, include_freely_associated_states=False),
            "postal_code": fake.zipcode(),
        }[name]

    def _of_identity(self, name: str) -> Any:
        fake = self._fake
        given, _, family = self.application.name.partition(" ")
        return {
            "given_name": given,
            "family_name": family or fake.last_name(),
            "date_of_birth": fake.date_of_birth(minimum_age=21, maximum_age=81),
            "tax_id_type": self._tax_id_type(),
            "tax_id": fake.ssn() if self.application.identity.get("tax_id_type") == SSN else fake.numerify("#########"),
            "country_of_citizenship": USA,
            "country_of_birth": USA,
            "country_of_tax_residence": USA,
            "funding_source": ["employment_income"],
        }[name]

    def _tax_id_type(self) -> str:
        identity = self.application.identity
        in_usa = identity.get("country_of_tax_residence", USA) == USA
        tax_id = identity.get("tax_id")
        return SSN if in_usa and (tax_id is None or SSN_FORM.fullmatch(tax_id)) else "OTHER_GOV_ID"
