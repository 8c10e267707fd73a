"""What the Broker API asks of an application for an account; a refusal names the field."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from simulators.alpaca.wire import VALIDATION, Refused

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
COUNTRY, PHONE, POSTAL_CODE = (
    re.compile(r"[A-Z]{3}"),
    re.compile(r"\+?[0-9(). x-]{7,25}"),
    re.compile(r"[A-Za-z0-9 -]{3,10}"),
)
SSN, SSN_NEVER = re.compile(r"\d{3}-?\d{2}-?\d{4}"), ("000", "666")
STATE = re.compile(r"[A-Z]{2}|[A-Z][A-Za-z .]+")
DISCLOSURES = (
    "is_control_person", "is_affiliated_exchange_or_finra", "is_politically_exposed", "immediate_family_exposed",
)  # fmt: skip
AGREEMENTS = frozenset(
    {
        "margin_agreement",
        "account_agreement",
        "customer_agreement",
        "crypto_agreement",
        "options_agreement",
        "custodial_customer_agreement",
    }
)
ADULT = 18


def check(body: Mapping[str, Any], now: datetime) -> None:
    """Raise Refused for the first thing that is wrong with an application."""
    for part in ("contact", "identity", "disclosures"):
        if not isinstance(body.get(part), dict):
            raise Refused(422, VALIDATION, f"{part} is required")
    _contact(body["contact"])
    _identity(body["identity"], now.date())
    for name in DISCLOSURES:
        if not isinstance(body["disclosures"].get(name), bool):
            raise Refused(422, VALIDATION, f"disclosures.{name} must be true or false")
    agreements = body.get("agreements")
    if not isinstance(agreements, list) or not agreements:
        raise Refused(422, VALIDATION, "agreements is required")
    for agreement in agreements:
        _agreement(agreement, now)
    if "customer_agreement" not in {agreement["agreement"] for agreement in agreements}:
        raise Refused(422, VALIDATION, "agreements must hold a customer_agreement")


def _need(part: str, body: Mapping[str, Any], name: str, rule: re.Pattern[str] | None = None) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(422, VALIDATION, f"{part}.{name} is required")
    if rule is not None and not rule.fullmatch(value):
        raise Refused(422, VALIDATION, f"{part}.{name} is invalid")
    return value


def _contact(contact: Mapping[str, Any]) -> None:
    _need("contact", contact, "email_address", EMAIL)
    _need("contact", contact, "phone_number", PHONE)
    street = contact.get("street_address")
    if (
        not isinstance(street, list)
        or not 1 <= len(street) <= 3
        or not all(isinstance(line, str) and line for line in street)
    ):
        raise Refused(422, VALIDATION, "contact.street_address must be a list of one to three lines")
    _need("contact", contact, "city")
    if contact.get("country", "USA") == "USA":
        _need("contact", contact, "state", STATE)
        _need("contact", contact, "postal_code", POSTAL_CODE)
    if "country" in contact:
        _need("contact", contact, "country", COUNTRY)


def _identity(identity: Mapping[str, Any], today: date) -> None:
    _need("identity", identity, "given_name")
    _need("identity", identity, "family_name")
    born = _need("identity", identity, "date_of_birth")
    try:
        birth = date.fromisoformat(born)
    except ValueError:
        raise Refused(422, VALIDATION, "identity.date_of_birth must be YYYY-MM-DD") from None
    if (today.year - birth.year) - ((today.month, today.day) < (birth.month, birth.day)) < ADULT:
        raise Refused(422, VALIDATION, f"identity.date_of_birth: the account holder must be {ADULT} or older")
    _need("identity", identity, "country_of_tax_residence", COUNTRY)
    if identity.get("tax_id_type") == "USA_SSN":
        number = _need("identity", identity, "tax_id", SSN)
        if number.startswith(SSN_NEVER) or number.startswith("9"):
            raise Refused(422, VALIDATION, "identity.tax_id is invalid")
    if not isinstance(identity.get("funding_source"), list) or not identity["funding_source"]:
        raise Refused(422, VALIDATION, "identity.funding_source is required")


def _agreement(agreement: Any, now: datetime) -> None:
    if not isinstance(agreement, dict) or agreement.get("agreement") not in AGREEMENTS:
        raise Refused(422, VALIDATION, "agreements.agreement is invalid")
    try:
        signed_at = datetime.fromisoformat(str(agreement.get("signed_at")))
    except ValueError:
        raise Refused(422, VALIDATION, "agreements.signed_at must be a time as RFC 3339") from None
    if signed_at.replace(tzinfo=signed_at.tzinfo or UTC) > now:
        raise Refused(422, VALIDATION, "agreements.signed_at is in the future")
    try:
        ipaddress.IPv4Address(str(agreement.get("ip_address")))
    except ValueError:
        raise Refused(422, VALIDATION, "agreements.ip_address must be an IPv4 address") from None
