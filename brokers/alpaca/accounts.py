"""The Broker API of Alpaca: opening accounts for people, and asking what became of them.

Bodies go and come as they are: the SDK's own models refuse an account whose status is newer than they.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import requests
from alpaca.common.exceptions import APIError

with warnings.catch_warnings():
    # The SDK uses an API of websockets that is on its way out; requirements.in holds a version that has it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.broker.client import BrokerClient

from brokers.alpaca.account_forms import (
    OddAccount,
    application_body,
    brokerage_report,
    brokerage_reports,
    equity_of,
    field_in,
    without_tax_id,
)
from brokers.alpaca.client import hold
from brokers.alpaca.errors import BadRequest, NotFound, of_reading, of_sending
from brokers.alpaca.logins import login_of
from brokers.alpaca.rate_budget import Priority, RateBudget
from brokers.alpaca.settings import BrokerageSettings
from brokers.errors import (
    AccessRefused,
    AccountUnreadable,
    BrokerError,
    BrokerUnavailable,
    EmailTaken,
    FormRefused,
    OrderRejected,
    OutcomeUnknown,
)
from domain.account_opening.status import Application, BrokerageReport

WALL_SECONDS = 10.0  # of one call; much less than domain.account_opening.status.SURE_AFTER
QUICK = 1.0  # seconds within which an application is refused that may be sent once more: somebody waits for the answer
UNKNOWN = "Alpaca does not know this account."
UNCLEAR = "What Alpaca says of this account cannot be understood."
T = TypeVar("T")

logger = logging.getLogger(__name__)


class BrokerageClient:
    """The desk's access to the brokerage; several threads may use it. Every call has an end and makes one attempt."""

    def __init__(self, settings: BrokerageSettings, wall_seconds: float = WALL_SECONDS) -> None:
        client = BrokerClient(settings.key_id, settings.secret_key, url_override=settings.url, raw_data=True)
        self._login = login_of(settings)
        self._budget = RateBudget()
        self._odd: set[str | None] = set()
        self._client = hold(client, self._budget, wall_seconds)
        self._client._session.auth = self._login  # in place of what the SDK would show

    def open_account(self, application: Application) -> BrokerageReport:
        """Send an application for an account, once; again only where a token had ended, and nothing was opened.

        Raises EmailTaken, FormRefused, AccessRefused and BrokerUnavailable when surely none was opened, else
        OutcomeUnknown. No text of theirs holds the tax id.
        """
        began = time.monotonic()
        try:
            return self._open(application)
        except AccessRefused:  # nothing was opened
            if time.monotonic() - began > QUICK or not self._login.renew():
                raise
            return self._open(application)

    def _open(self, application: Application) -> BrokerageReport:
        self._budget.check(Priority.URGENT)
        self._login.prepare()
        try:
            return brokerage_report(self._client.post("/accounts", application_body(application)))
        except (APIError, requests.RequestException) as e:
            error = self._of_opening(e, application)
        except Exception as e:  # whatever it was, the account may be there
            error = OutcomeUnknown(f"no usable answer from Alpaca ({type(e).__name__})")
        raise error from None  # the first one holds Alpaca's answer as it came

    def find_by_email(self, email: str) -> BrokerageReport | None:
        """Return the account of exactly this e-mail; None = Alpaca does not know one now.

        Raises BrokerUnavailable, and AccountUnreadable where an account that cannot be understood may be that one.
        """
        listed = self._read("/accounts", {"query": email, "entities": "contact"}, brokerage_reports)
        self._tell_of_odd(listed.odd)
        found = next((report for report in listed.reports if report.email == email), None)
        if found is None and any(odd.email in (None, email) for odd in listed.odd):
            raise AccountUnreadable(UNCLEAR)
        return found

    def get(self, alpaca_id: str) -> BrokerageReport:
        """Return an account.

        Raises BrokerUnavailable, AccountUnreadable where nothing can be known of this one alone, and AccessRefused,
        which is Alpaca's answer to a wrong key and to the id of an account that it does not show.
        """
        try:
            report = self._read(f"/accounts/{alpaca_id}", None, lambda account: _understood(account, alpaca_id))
        except (NotFound, BadRequest):
            raise AccountUnreadable(UNKNOWN) from None
        if report is None:
            raise AccountUnreadable(UNCLEAR)
        return report

    def equity(self, alpaca_id: str) -> Decimal | None:
        """Return an active account's equity in dollars. Raises BrokerUnavailable."""
        return self._read(f"/trading/accounts/{alpaca_id}/account", None, equity_of)

    def close(self) -> None:
        """Release connections."""
        self._client._session.close()

    def _read(self, path: str, params: dict[str, Any] | None, understand: Callable[[Any], T]) -> T:
        try:
            return self._read_once(path, params, understand)
        except AccessRefused:
            if not self._login.renew():
                raise
            return self._read_once(path, params, understand)

    def _read_once(self, path: str, params: dict[str, Any] | None, understand: Callable[[Any], T]) -> T:
        self._login.prepare()
        self._budget.check(Priority.READ)
        try:
            return understand(self._client.get(path, params))
        except (APIError, requests.RequestException) as e:
            raise of_reading(self._without_keys(e), self._wait(e)) from None
        except ValueError:
            raise BrokerUnavailable("Alpaca's answer cannot be understood", 5.0) from None

    def _tell_of_odd(self, accounts: list[OddAccount]) -> None:
        """Log each account that cannot be understood once."""
        for alpaca_id in {odd.alpaca_id for odd in accounts} - self._odd:
            self._odd.add(alpaca_id)
            logger.warning("Alpaca lists an account that cannot be understood: %s", alpaca_id or "it has no id")

    def _of_opening(self, error: Exception, application: Application) -> BrokerError:
        status = error.status_code if isinstance(error, APIError) else None
        error = self._without_keys(error)
        if isinstance(error, APIError):
            error = _saying(without_tax_id(str(error), application), error)
        meant = of_sending(error, self._wait(error))
        if status == 409:
            return EmailTaken("Alpaca has an account of this e-mail already")
        if isinstance(meant, OrderRejected) and not isinstance(meant, AccessRefused):
            return FormRefused(str(meant), field_in(str(meant), application))
        return meant

    def _without_keys(self, error: Exception) -> Exception:
        """Return a refusal of Alpaca without the desk's keys: it may be shown to those who sign up."""
        if not isinstance(error, APIError):
            return error
        text = _spelled_out(str(error))
        for key in self._login.secrets():
            text = text.replace(key, "***")
        return _saying(text, error)

    def _wait(self, error: Exception) -> float:
        response = getattr(error, "response", None)
        if response is not None and response.status_code == 429:
            return self._budget.refuse(response.headers)
        return 0.0


def _spelled_out(text: str) -> str:
    r"""Return a body of JSON with its letters as they are: "\u002d" would hide a hyphen, and a tax id with it."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text


def _saying(text: str, error: Any) -> APIError:
    return APIError(text, error._http_error)  # type: ignore[no-untyped-call]


def _understood(account: Any, alpaca_id: str) -> BrokerageReport | None:
    """Return an account that was asked for, None for what is not that one."""
    try:
        report = brokerage_report(account)
    except ValueError:
        return None
    return report if report.alpaca_id == alpaca_id else None
