"""Accounts in Alpaca's words and in ours; and its refusals without what must not be repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from brokers.alpaca.translate import moment, number
from domain.account_opening.status import Application, BrokerageReport, StatusEvent

LONGEST_NUMBER, LONGEST_REASON = 64, 500
STATUS = re.compile(r"[A-Z][A-Z0-9_]{0,31}", re.ASCII)
EARLIEST = 1970
LARGEST = Decimal(10) ** 12  # of a sum of money, dollars
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
SEPARATORS = r"[\s./_-]*"


class OddAccount(NamedTuple):
    """An account that lacks something every account has; None = it does not say."""

    alpaca_id: str | None
    email: str | None


class Listed(NamedTuple):
    """Accounts of a list; one that has no e-mail is among both."""

    reports: list[BrokerageReport]
    odd: list[OddAccount]


def application_body(application: Application) -> dict[str, Any]:
    """Return the body of POST /v1/accounts."""
    return {
        "contact": {"email_address": application.email, **_plain(application.contact)},
        "identity": _plain(application.identity),
        "disclosures": dict(application.disclosures),
        "agreements": [_plain(agreement) for agreement in application.agreements or []],
    }


def brokerage_report(account: Any) -> BrokerageReport:
    """Return what an account is; statuses that are newer than this code are taken as they are.

    ValueError when it is no account: it has no id, or no status.
    """
    alpaca_id = _id(account)
    if alpaca_id is None or not STATUS.fullmatch(status := str(account.get("status"))):
        raise ValueError("not an account")
    return BrokerageReport(
        alpaca_id=alpaca_id,
        status=status,
        account_number=_printable(account.get("account_number"), LONGEST_NUMBER),
        email=_email(account),
        created_at=_moment(account.get("created_at")),
        reason=_reason(account.get("kyc_results")),
    )


def brokerage_reports(accounts: Any) -> Listed:
    """Return what the accounts of a list are, and those that cannot be understood. ValueError when it is no list."""
    if not isinstance(accounts, list):
        raise ValueError("not a list of accounts")
    reports, odd = [], []
    for account in accounts:
        try:
            report = brokerage_report(account)
        except ValueError:
            odd.append(OddAccount(_id(account), _email(account)))
        else:
            reports.append(report)
            if report.email is None:
                odd.append(OddAccount(report.alpaca_id, None))
    return Listed(reports, odd)


def status_event(event: Any) -> StatusEvent:
    """Return what an event tells. ValueError when it names no account."""
    alpaca_id = event.get("account_id") if isinstance(event, dict) else None
    if not isinstance(alpaca_id, str) or not UUID.fullmatch(alpaca_id.lower()):
        raise ValueError("not an event of an account")
    status, at = str(event.get("status_to")), _moment(event.get("at"))
    if at is None or not STATUS.fullmatch(status):
        return StatusEvent(alpaca_id=alpaca_id.lower())
    return StatusEvent(alpaca_id=alpaca_id.lower(), status=status, at=at)


def equity_of(account: Any) -> Decimal | None:
    """Return the equity of a trading account in dollars, None where it says none. ValueError for what is no sum."""
    equity = number(account.get("equity")) if isinstance(account, dict) else None
    if equity is not None and abs(equity) > LARGEST:
        raise ValueError("not a sum of money")
    return equity if equity is None else round(equity, 8)


def field_in(text: str, application: Application) -> str:
    """Return the field of ours that a refusal speaks of, else `body`."""
    names = {"contact.email_address": "email"}
    parts = {
        "contact": application.contact,
        "identity": application.identity,
        "disclosures": application.disclosures,
    }
    for part, values in parts.items():
        names |= {f"{part}.{name}": f"{part}.{name}" for name in values}
    for name, ours in names.items():
        whole, last = re.escape(name), re.escape(name.partition(".")[2])
        if re.search(rf"(?<![\w.])({whole}|{last})(?!\w)", text):
            return ours
    return next((part for part in (*parts, "agreements") if re.search(rf"\b{part}\b", text)), "body")


def without_tax_id(text: str, application: Application) -> str:
    """Return a text of Alpaca with the tax id blotted out, however it is spelled there."""
    letters = [re.escape(c) for c in str(application.identity.get("tax_id") or "") if c.isalnum()]
    return re.sub(SEPARATORS.join(letters), "***", text, flags=re.IGNORECASE) if letters else text


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _written(value) for name, value in values.items() if value is not None}


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


def _id(account: Any) -> str | None:
    text = str(account.get("id") or "").lower() if isinstance(account, dict) else ""
    return text if UUID.fullmatch(text) else None


def _email(account: Any) -> str | None:
    contact = account.get("contact") if isinstance(account, dict) else None
    email = contact.get("email_address") if isinstance(contact, dict) else None
    return email.strip().lower() if isinstance(email, str) else None


def _moment(text: Any) -> datetime | None:
    try:
        at = moment(text)
    except (ValueError, OverflowError):  # a time that cannot be read is no reason to lose the account
        return None
    return at if at is not None and at.year >= EARLIEST else None


def _printable(text: Any, longest: int) -> str | None:
    return "".join(c for c in str(text or "") if c.isprintable())[:longest] or None


def _reason(results: Any) -> str | None:
    """Return what the check of the identity found, in Alpaca's words."""
    if not isinstance(results, dict):
        return None
    return _printable(", ".join(_findings(results)), LONGEST_REASON)


def _findings(results: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("reject", "indeterminate"):
        if isinstance(found := results.get(kind), dict):
            yield from (str(name) for name in found)
    if isinstance(text := results.get("additional_information"), str) and text:
        yield text
