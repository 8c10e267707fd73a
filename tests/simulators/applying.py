"""An application for an account that is accepted."""

from copy import deepcopy
from typing import Any

APPLICATION: dict[str, Any] = {
    "contact": {
        "email_address": "ann@example.com",
        "phone_number": "+1 555 0100",
        "street_address": ["1 Main Street"],
        "city": "Springfield",
        "state": "IL",
        "postal_code": "62701",
        "country": "USA",
    },
    "identity": {
        "given_name": "Ann",
        "family_name": "Smith",
        "date_of_birth": "1980-01-31",
        "tax_id": "123-45-6789",
        "tax_id_type": "USA_SSN",
        "country_of_tax_residence": "USA",
        "funding_source": ["employment_income"],
    },
    "disclosures": {
        "is_control_person": False,
        "is_affiliated_exchange_or_finra": False,
        "is_politically_exposed": False,
        "immediate_family_exposed": False,
    },
    "agreements": [
        {"agreement": "customer_agreement", "signed_at": "2026-01-02T03:04:05Z", "ip_address": "203.0.113.7"},
        {"agreement": "margin_agreement", "signed_at": "2026-01-02T03:04:05Z", "ip_address": "203.0.113.7"},
    ],
}


def make_application(**changes: Any) -> dict[str, Any]:
    """Return an application; `contact__city="Rome"` changes a field, `None` leaves it out."""
    body = deepcopy(APPLICATION)
    for path, value in changes.items():
        *parts, name = path.split("__")
        place: Any = body
        for part in parts:
            place = place[int(part) if part.isdigit() else part]
        place[name] = value
        if value is None:
            del place[name]
    return body
