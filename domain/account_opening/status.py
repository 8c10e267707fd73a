"""Accounts that people open at the brokerage: what their statuses mean, and how often each is worth a look."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any


class OwnStatus(StrEnum):
    """What the desk itself says of an account; every other status is a word of Alpaca."""

    OPENING = "OPENING"  # it was asked for, and what became of it is not known yet
    NOT_OPENED = "NOT_OPENED"  # it surely was not opened: its owner may ask again


ACTIVE = "ACTIVE"
MEANINGS = {
    OwnStatus.OPENING: "It was asked for; whether it was opened is being found out.",
    OwnStatus.NOT_OPENED: "It was not opened; it can be asked for again.",
    "INACTIVE": "It may not trade.",
    "PAPER_ONLY": "It is for paper trading only.",
    "ONBOARDING": "The application is not complete yet.",
    "SIGNED_UP": "The application is not complete yet.",
    "SUBMITTED": "The application is being processed.",
    "RESUBMITTED": "The application is being processed again.",
    "SUBMISSION_FAILED": "The application could not be processed.",
    "KYC_SUBMITTED": "The identity is being checked.",
    "AML_REVIEW": "The identity is being checked.",
    "APPROVAL_PENDING": "The application waits for a person at Alpaca.",
    "REAPPROVAL_PENDING": "The changed application waits for a person at Alpaca.",
    "ACTION_REQUIRED": "Alpaca needs something from the applicant: a document, or an answer.",
    "EDITED": "Data of the account were changed.",
    "ACCOUNT_UPDATED": "Data of the account were changed.",
    "APPROVED": "The application is approved; the account will be active soon.",
    ACTIVE: "The account may be funded and trade.",
    "LIMITED": "The account may do less than usual.",
    "REJECTED": "Alpaca has rejected the application.",
    "DISABLE_PENDING": "The account is being disabled.",
    "DISABLED": "The account is disabled.",
    "ACCOUNT_CLOSED_PENDING": "The account is being closed.",
    "ACCOUNT_CLOSED": "The account is closed.",
}
ENDED = ("REJECTED", "ACCOUNT_CLOSED")  # as far as the desk can tell: Alpaca may open either again, on an appeal say
SETTLED = (ACTIVE, "INACTIVE", "PAPER_ONLY", "DISABLED", "LIMITED")

YOUNG = timedelta(minutes=10)  # so long after the sign-up things move by themselves
YOUNG_EVERY, WAITING_EVERY, SETTLED_EVERY = timedelta(seconds=10), timedelta(seconds=60), timedelta(minutes=10)
ENDED_EVERY = timedelta(days=1)
LAG = timedelta(seconds=5)  # so long after a change an answer of Alpaca may still be from before it

# An answer that was lost: Alpaca is asked whether it has the account, at first after LOOK_AFTER.
LOOK_AFTER = timedelta(seconds=30)
LONGEST_LOOK = timedelta(minutes=10)
SURE_AFTER = timedelta(seconds=60)  # a request of which nothing is to be seen for so long has not arrived
SURE_LOOKUPS = 3
CLOCKS_DIFFER = timedelta(seconds=60)  # Alpaca's clock and ours may be so far apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What Alpaca is asked to open an account with. Nothing of it but name and e-mail is kept or shown."""

    name: str
    email: str  # in lower case
    contact: dict[str, Any] = field(repr=False)
    identity: dict[str, Any] = field(repr=False)
    disclosures: dict[str, bool] = field(repr=False)
    agreements: list[dict[str, Any]] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerageReport:
    """An account as Alpaca has it; `reason` says what a check of the identity found."""

    alpaca_id: str
    status: str
    account_number: str | None = None
    email: str | None = None
    created_at: datetime | None = None
    equity: Decimal | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """What an event tells of an account: that something changed, and where it is the status, to what and when."""

    alpaca_id: str
    status: str | None = None
    at: datetime | None = None


def meaning(status: str) -> str:
    """Return a status in plain words; Alpaca may have words that are newer than this list."""
    return MEANINGS.get(status) or "The desk does not know this status; Alpaca can say what it means."


def pause(status: str, age: timedelta, lookups: int = 0) -> timedelta:
    """Return how long to wait before the next look at an account that was asked for `age` ago."""
    if status == OwnStatus.OPENING:
        return min(LOOK_AFTER * 2**lookups, LONGEST_LOOK) if lookups < 16 else LONGEST_LOOK
    if status in ENDED:
        return ENDED_EVERY
    if status in SETTLED:
        return SETTLED_EVERY
    return YOUNG_EVERY if age < YOUNG else WAITING_EVERY


def is_ours(report: BrokerageReport, asked_at: datetime, sent_at: datetime) -> bool:
    """Return True if an account of our e-mail came of an application that was sent from `asked_at` to `sent_at`.

    One that is older, or much younger, was opened by somebody else, and is nobody's business here.
    """
    at = report.created_at
    return at is not None and asked_at - CLOCKS_DIFFER <= at <= sent_at + SURE_AFTER + CLOCKS_DIFFER


def age_on(born: date, day: date) -> int:
    """Return somebody's age in whole years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
