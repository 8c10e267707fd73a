"""Brokerage accounts as clients ask for them and read them. What identifies a person comes in and never goes out."""

from __future__ import annotations

import re
from datetime import date
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema

from domain.account_opening.countries import COUNTRIES
from domain.account_opening.status import ACTIVE, Application, meaning
from models import BrokerageAccount
from resources.schemas.fields import Closed, Limit, Out, OutNumber, RowId, Secret, Time, Tolerant, show_iso, to_day


def _country(text: str) -> str:
    if text.upper() not in COUNTRIES:
        raise ValueError("must be a country's three letters, such as USA (ISO 3166-1 alpha-3)")
    return text.upper()


def _phone(text: str) -> str:
    digits = re.sub(r"[ ().-]", "", text)
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", digits):
        raise ValueError("must be a telephone number with its country, such as +14155550123")
    return digits


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("must be an IPv4 address, such as 185.13.21.99") from None


def _birthday(value: Any) -> Any:
    try:
        return to_day(value)
    except ValueError:
        raise ValueError("must be a day as YYYY-MM-DD") from None


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise ValueError("must be an e-mail address")
    return text.lower()


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has a character that is not allowed here")
    return text


def _upper(text: str) -> str:
    return text.upper()


_LOCAL, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_LOCAL}(?:\.{_LOCAL})*@(?:{_LABEL}\.)+[A-Za-z]{{2,63}}")

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128), AfterValidator(_printable)
]
Email = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=254), AfterValidator(_email)]
Country = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_country)]
Phone = Annotated[str, StringConstraints(min_length=1, max_length=32), AfterValidator(_phone)]
Ipv4 = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_ipv4)]
PastDay = Annotated[date, BeforeValidator(_birthday), WithJsonSchema({"type": "string", "format": "date"})]
Yes = Annotated[bool, Field(strict=True)]
Dollars = Annotated[int, Field(strict=True, ge=0, le=10**12)]
TaxId = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=4, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9 .-]*$")
]
TaxIdType = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=32, pattern=r"^[A-Za-z][A-Za-z_]*$"),
    AfterValidator(_upper),
]
FundingSource = Literal["employment_income", "investments", "inheritance", "business_income", "savings", "family"]
AgreementName = Literal[
    "margin_agreement", "account_agreement", "customer_agreement", "crypto_agreement", "options_agreement"
]
VisaType = Literal["B1", "B2", "DACA", "E1", "E2", "E3", "F1", "G4", "H1B", "J1", "L1", "O1", "OTHER", "TN1"]


class ContactIn(Closed):
    phone_number: Phone | None = None
    street_address: Annotated[list[Line], Field(min_length=1, max_length=3)] | None = None
    unit: Line | None = None
    city: Line | None = None
    state: Annotated[Line, AfterValidator(_upper)] | None = Field(None, description="two letters in the USA")
    postal_code: (
        Annotated[str, StringConstraints(strip_whitespace=True, max_length=16, pattern=r"^[A-Za-z0-9][A-Za-z0-9 -]*$")]
        | None
    ) = None
    country: Country | None = None


class IdentityIn(Closed):
    given_name: Line | None = None
    middle_name: Line | None = None
    family_name: Line | None = None
    date_of_birth: PastDay | None = None
    tax_id: TaxId | None = Field(None, repr=False, description="is handed on to Alpaca; neither kept, logged nor shown")
    tax_id_type: TaxIdType | None = Field(None, description="such as USA_SSN; Alpaca knows which there are")
    country_of_citizenship: Country | None = None
    country_of_birth: Country | None = None
    country_of_tax_residence: Country | None = None
    funding_source: Annotated[list[FundingSource], Field(min_length=1, max_length=6)] | None = None
    annual_income_min: Dollars | None = None
    annual_income_max: Dollars | None = None
    liquid_net_worth_min: Dollars | None = None
    liquid_net_worth_max: Dollars | None = None
    permanent_resident: Yes | None = None
    visa_type: VisaType | None = None
    visa_expiration_date: PastDay | None = None
    date_of_departure_from_usa: PastDay | None = None


class DisclosuresIn(Closed):
    is_control_person: Yes | None = None
    is_affiliated_exchange_or_finra: Yes | None = None
    is_politically_exposed: Yes | None = None
    immediate_family_exposed: Yes | None = None


class AgreementIn(Closed):
    agreement: AgreementName
    signed_at: Time | None = None
    ip_address: Ipv4 | None = Field(None, description="from which the account holder signed")


class SignUpIn(Closed):
    """An application. On the sandbox and the simulator what is missing is made up, on live it is asked for."""

    name: Line
    email: Email
    password: Secret | None = Field(None, repr=False, description="looked at, as older clients send one, and not kept")
    contact: ContactIn | None = None
    identity: IdentityIn | None = None
    disclosures: DisclosuresIn | None = None
    agreements: Annotated[list[AgreementIn], Field(min_length=1, max_length=5)] | None = None

    def application(self) -> Application:
        """Return the application in the desk's terms."""
        return Application(
            name=self.name,
            email=self.email,
            contact=_given(self.contact),
            identity=_given(self.identity),
            disclosures=_given(self.disclosures),
            agreements=None if self.agreements is None else [_given(agreement) for agreement in self.agreements],
        )


def _given(part: BaseModel | None) -> dict[str, Any]:
    return {} if part is None else part.model_dump(exclude_none=True)


class BrokerageQuery(Tolerant):
    limit: Limit = 50
    after: RowId | None = None


class BrokerageAccountOut(Out):
    """An account at the brokerage; null = not known."""

    id: str | None = Field(description="Alpaca's; null as long as it is not known whether the account was opened")
    rowid: int
    name: str
    email: str
    status: str = Field(description="Alpaca's word, or OPENING or NOT_OPENED")
    status_text: str
    reason: str | None
    status_at: str
    is_active: bool
    equity: OutNumber | None
    account_number: str | None
    environment: str
    created_at: str | None
    requested_at: str
    owner: str | None = Field(description="for admins")

    @classmethod
    def of(cls, row: BrokerageAccount, owner: str | None = None) -> BrokerageAccountOut:
        """Return the account as it may be shown."""
        return cls(
            id=row.alpaca_id,
            rowid=row.id,
            name=row.name,
            email=row.email,
            status=row.status,
            status_text=meaning(row.status),
            reason=row.reason,
            status_at=show_iso(row.status_at),
            is_active=row.status == ACTIVE,
            equity=row.equity,
            account_number=row.account_number,
            environment=row.environment,
            created_at=None if row.created_at is None else show_iso(row.created_at),
            requested_at=show_iso(row.requested_at),
            owner=owner,
        )


class SignUpOut(BrokerageAccountOut):
    """The new account; `generated` names the parts of the application that were made up."""

    generated: list[str]


class BrokerageAccountPage(Out):
    accounts: list[BrokerageAccountOut]
    next_after: int | None
