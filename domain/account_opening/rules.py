"""Rules of an application for a brokerage account that are not a matter of one field's shape."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from domain.account_opening.countries import STATES, USA
from domain.account_opening.status import Application, age_on

REQUIRED = {
    "contact": ("phone_number", "street_address", "city", "country"),
    "identity": (
        "given_name",
        "family_name",
        "date_of_birth",
        "tax_id_type",
        "tax_id",
        "country_of_citizenship",
        "country_of_birth",
        "country_of_tax_residence",
        "funding_source",
    ),
    "disclosures": (
        "is_control_person",
        "is_affiliated_exchange_or_finra",
        "is_politically_exposed",
        "immediate_family_exposed",
    ),
}
OF_AN_AGREEMENT = ("signed_at", "ip_address")
CUSTOMER_AGREEMENTS = ("customer_agreement", "account_agreement")
NO_TAX_ID, SSN = "NOT_SPECIFIED", "USA_SSN"
VISITORS = ("B1", "B2")
ADULT, OLDEST = 18, 120
CLOCKS_DIFFER = timedelta(seconds=60)
SSN_FORM = re.compile(r"\d{3}-?\d{2}-?\d{4}", re.ASCII)
ZIP_CODE = re.compile(r"\d{5}(-\d{4})?", re.ASCII)


def missing(application: Application) -> list[str]:
    """Return the names of what Alpaca needs and the application does not say."""
    parts = {
        "contact": application.contact,
        "identity": application.identity,
        "disclosures": application.disclosures,
    }
    names = [
        f"{part}.{name}"
        for part, required in REQUIRED.items()
        for name in required
        if parts[part].get(name) is None and not (name == "tax_id" and _has_no_tax_id(application))
    ]
    if _in_usa(application):
        names += [f"contact.{name}" for name in ("state", "postal_code") if not application.contact.get(name)]
    if application.agreements is None:
        return [*names, "agreements"]
    return names + [
        f"agreements.{number}.{name}"
        for number, agreement in enumerate(application.agreements)
        for name in OF_AN_AGREEMENT
        if agreement.get(name) is None
    ]


def broken_rules(application: Application, now: datetime, *, live: bool) -> dict[str, str]:
    """Return {field: rule} of a complete application; `now` is aware UTC."""
    rules = [
        *_of_contact(application),
        *_of_identity(application.identity, now),
        *_of_agreements(application.agreements or [], now, live=live),
    ]
    return dict(reversed(rules))  # the first rule of a field counts


def _has_no_tax_id(application: Application) -> bool:
    return application.identity.get("tax_id_type") == NO_TAX_ID


def _in_usa(application: Application) -> bool:
    return application.contact.get("country") == USA


def _of_contact(application: Application) -> Iterator[tuple[str, str]]:
    contact = application.contact
    if _in_usa(application):
        if contact["state"] not in STATES:
            yield "contact.state", "must be the two letters of a state of the USA, such as CA"
        if not ZIP_CODE.fullmatch(contact["postal_code"]):
            yield "contact.postal_code", "must be a ZIP code, such as 94401 or 94401-1234"
    elif application.identity["country_of_tax_residence"] == USA and not contact.get("state"):
        yield "contact.state", "is needed by who pays taxes in the USA"


def _of_identity(identity: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, str]]:
    born, today = identity["date_of_birth"], now.date()
    if born > today or age_on(born, today) > OLDEST:
        yield "identity.date_of_birth", "is not the birthday of anybody alive"
    elif age_on(born, today) < ADULT:
        yield "identity.date_of_birth", f"the account holder must be {ADULT} or older"
    if identity["tax_id_type"] == SSN and not SSN_FORM.fullmatch(identity["tax_id"]):
        yield "identity.tax_id", "must be a social security number, such as 123-45-6789"
    visa = identity.get("visa_type")
    if visa and identity.get("visa_expiration_date") is None:
        yield "identity.visa_expiration_date", "is needed with a visa_type"
    if visa in VISITORS and identity.get("date_of_departure_from_usa") is None:
        yield "identity.date_of_departure_from_usa", "is needed with this visa_type"
    for what in ("annual_income", "liquid_net_worth"):
        low, high = identity.get(f"{what}_min"), identity.get(f"{what}_max")
        if low is not None and high is not None and low > high:
            yield f"identity.{what}_max", f"must not be below {what}_min"


def _of_agreements(agreements: list[dict[str, Any]], now: datetime, *, live: bool) -> Iterator[tuple[str, str]]:
    names = [agreement["agreement"] for agreement in agreements]
    if len(names) != len(set(names)):
        yield "agreements", "one stands twice"
    if not set(names) & set(CUSTOMER_AGREEMENTS):
        yield "agreements", f"must hold one of: {', '.join(CUSTOMER_AGREEMENTS)}"
    for number, agreement in enumerate(agreements):
        if agreement["signed_at"] > now + CLOCKS_DIFFER:
            yield f"agreements.{number}.signed_at", "must not be in the future"
        if live and not ipaddress.IPv4Address(agreement["ip_address"]).is_global:
            yield f"agreements.{number}.ip_address", "must be the public address from which it was signed"
