"""Asking a broker here and now what it says of an account; nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from brokers.errors import AccessRefused, BrokerUnavailable
from domain.enums import Route
from domain.errors import Conflict
from domain.messages import AccountReport
from extensions import reading
from services.accounts.broker_accounts import get_account
from services.accounts.broker_keys import ask, without_keys
from services.accounts.connections import settings_of, terms_of
from services.accounts.credentials import CredentialsUnreadable


@dataclass(frozen=True, slots=True)
class Check:
    """What came of asking; `ok` = the broker opened the account, and `report` is what it said."""

    ok: bool
    text: str
    report: AccountReport | None = None


def check_account(name: str) -> Check:
    """Check an account at its broker now; raises NotFound, or Conflict where the desk does not connect to it."""
    with reading():
        account = get_account(name).account
        terms, route = terms_of(account), account.route
    if route == Route.EXTERNAL:
        raise Conflict(f"Your own executor trades '{name}'; the desk does not ask its broker.")
    if terms.needs_keys and not terms.credentials:
        return Check(False, "it has no keys")
    try:
        settings = settings_of(current_app.config["DESK"], terms)
    except CredentialsUnreadable as e:
        return Check(False, str(e))
    try:
        report = ask(terms.broker, name, settings)
    except AccessRefused as e:
        return Check(False, f"the broker does not accept its keys: {without_keys(settings, str(e))}")
    except BrokerUnavailable as e:
        return Check(False, f"the broker cannot be reached: {without_keys(settings, str(e))}")
    if report.blocked:
        return Check(True, f"the broker answers, but takes no orders: {report.blocked}", report)
    return Check(True, "the broker answers and takes orders", report)
