"""The wire to one Alpaca account: the official SDK, held to one attempt and an end for every call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from brokers.alpaca.errors import BACK_OFF, of_reading, of_sending
from brokers.alpaca.rate_budget import Clock, Priority, RateBudget
from brokers.alpaca.sdk import APIError, RESTClient, TradingClient
from brokers.alpaca.settings import AlpacaSettings
from brokers.errors import AccessRefused, BrokerError, BrokerUnavailable, OutcomeUnknown
from brokers.http import DeadlineSession

logger = logging.getLogger(__name__)

WALL_SECONDS = 10.0  # the longest a call may take; a lease is made for it
SILENT_SECONDS = 30.0  # so long nothing is sent with keys that were refused
T = TypeVar("T")


class AlpacaClient:
    """Calls of one account's keys; several threads may use it.

    Reads raise BrokerUnavailable, writes any of the errors of `brokers.errors`.
    """

    def __init__(self, settings: AlpacaSettings, clock: Clock = time, account: str = "") -> None:
        keys = (settings.key_id, settings.secret_key)
        trading = TradingClient(*keys, url_override=settings.trading_url, raw_data=True)
        data = RESTClient(settings.data_url, *keys, raw_data=True)
        self._trading_budget, self._data_budget = RateBudget(clock), RateBudget(clock)
        self._trading = hold(trading, self._trading_budget)
        self._data = hold(data, self._data_budget)
        self._account = account
        self._on_trial = settings.on_trial
        self._refused = threading.Lock()
        self._refused_until = 0.0
        self._was_refused = False

    def read(
        self,
        path: str,
        params: dict[str, Any] | None = None,
        *,
        priority: Priority = Priority.READ,
        version: str = "v2",
    ) -> Any:
        """Return the answer to a GET of the trading API."""
        try:
            answer = self._read(
                self._trading_budget, lambda: self._trading.get(path, params, api_version=version), priority
            )
        except AccessRefused as e:
            self._note_access(e)
            raise
        self._note_access(None)
        return answer

    def read_data(self, path: str, params: dict[str, Any], version: str = "v2") -> Any:
        """Return the answer to a GET of the data API.

        It says nothing of orders: data refuses a feed that is not subscribed to just as it refuses keys.
        """
        try:
            return self._read(self._data_budget, lambda: self._data.get(path, params, api_version=version))
        except AccessRefused as e:
            raise BrokerUnavailable(f"Alpaca refuses the data: {e}", BACK_OFF) from e

    def are_reads_scarce(self, orders: int) -> bool:
        """Return True if reads that can wait should leave what is left of the minute to so many orders."""
        return self._trading_budget.is_scarce(orders)

    def post(self, path: str, body: dict[str, Any], *, priority: Priority = Priority.ENTRY) -> Any:
        """Send a POST, once."""
        return self._send(lambda: self._trading.post(path, body), priority)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Send a PATCH, once."""
        return self._send(lambda: self._trading.patch(path, body))

    def delete(self, path: str) -> None:
        """Send a DELETE, once."""
        self._send(lambda: self._trading.delete(path))

    def close(self) -> None:
        """Release connections."""
        self._trading._session.close()
        self._data._session.close()

    def _read(self, budget: RateBudget, call: Callable[[], T], priority: Priority = Priority.READ) -> T:
        budget.check(priority)
        try:
            return call()
        except Exception as e:  # also what a nonsensical answer does to a parser
            raise of_reading(e, _wait(budget, e)) from e

    def _send(self, call: Callable[[], T], priority: Priority = Priority.URGENT) -> T:
        left = self._refused_until - time.monotonic()
        if left > 0:
            raise BrokerUnavailable("Alpaca refuses the keys of this account", left)
        self._trading_budget.check(priority)
        try:
            answer = call()
        except (APIError, requests.RequestException, ValueError) as e:
            error = of_sending(e, _wait(self._trading_budget, e))
            self._note_access(error)
            raise error from e
        except Exception as e:  # whatever it was, the order may have arrived
            raise OutcomeUnknown(f"no usable answer from Alpaca ({type(e).__name__})") from e
        self._note_access(None)
        return answer

    def _note_access(self, error: BrokerError | None) -> None:
        """Send nothing more with refused keys, and log that once: not once for each order."""
        refused = isinstance(error, AccessRefused)
        if not refused and error is not None:
            return
        with self._refused:
            self._refused_until = time.monotonic() + SILENT_SECONDS if refused else 0.0
            if refused and not self._was_refused and not self._on_trial:
                why = str(error).rstrip(".")
                logger.critical("account %s: %s; nothing is sent until its keys are set right", self._account, why)
            self._was_refused = refused


def hold(client: Any, budget: RateBudget, wall_seconds: float = WALL_SECONDS) -> Any:
    """Return an SDK client made safe: one attempt, no redirects, a whole answer within `wall_seconds` or none.

    By itself the SDK has no time-out at all, and sends POST again after 429 and 504.
    """
    session = DeadlineSession(wall_seconds)
    session.hooks["response"].append(lambda response, *_, **__: budget.see(response.headers))
    client._session = session
    client._retry = 0
    client._retry_codes = []
    return client


def _wait(budget: RateBudget, error: Exception) -> float:
    response = getattr(error, "response", None)
    if response is not None and response.status_code == 429:
        return budget.refuse(response.headers)
    return 0.0
