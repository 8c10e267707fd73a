"""What Alpaca's answers and silences mean to the desk: one table for what sends, one for what reads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import requests

from brokers.alpaca.sdk import APIError
from brokers.errors import (
    AccessRefused,
    BrokerError,
    BrokerUnavailable,
    Conflicts,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)
from brokers.http import never_left

DUPLICATE = re.compile(r"client.order.id.*unique", re.IGNORECASE)
LONGEST_TEXT = 300
BACK_OFF = 5.0  # seconds
LONGEST_CODE = 20
# What Alpaca's codes mean, where an answer brings a code alone.
MEANINGS = {
    "40010001": "a field of the order is not valid",
    "40310000": "money, holdings or permission do not allow the order",
    "40410000": "there is no such order, position or symbol",
    "42210000": "a rule of trading does not allow the order",
    "42910000": "too many requests",
}
ABSENT = "40410000"  # Alpaca's own word; a 404 without it may come from something between


class NotFound(BrokerUnavailable):
    """Alpaca answered that there is no such thing; each reader decides what that means."""


class BadRequest(BrokerUnavailable):
    """Alpaca does not understand a read: one of its symbols, say."""


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer that is an error; `is_own` = in Alpaca's own words, and not of something on the way such as a proxy."""

    status: int | None
    is_own: bool
    code: str
    text: str
    existing_order_id: str = ""

    @property
    def is_access(self) -> bool:
        """Return True if Alpaca does not accept the keys."""
        # A business refusal is a 403 with a code; a wrong key, or one of the other environment, has none.
        return self.is_own and (self.status == 401 or (self.status == 403 and not self.code))

    @property
    def is_wash(self) -> bool:
        """Return True if an order of the account's own stands against the one that was sent."""
        return self.is_own and self.status in (403, 422) and bool(self.existing_order_id)


def of_sending(error: Exception, retry_after: float) -> BrokerError:
    """Return what an error of POST, PATCH or DELETE means for the order."""
    if isinstance(error, requests.RequestException):
        if never_left(error):
            return BrokerUnavailable(f"Alpaca cannot be reached ({_kind(error)})", BACK_OFF)
        return OutcomeUnknown(f"no answer from Alpaca ({_kind(error)})")
    said = _read(error)
    return _of_refusal(said, retry_after).with_code(said.code)


def _of_refusal(said: _Said, retry_after: float) -> BrokerError:
    if said.status == 429:
        return RateLimited(f"Alpaca asks to wait: {said.text}", retry_after)
    if said.is_access:
        return AccessRefused(f"Alpaca refuses the keys: {said.text}", BACK_OFF)
    if said.is_wash:
        return Conflicts(said.text, said.existing_order_id)
    if said.status == 422 and DUPLICATE.search(said.text):
        return OutcomeUnknown(f"Alpaca has this client order id already: {said.text}")
    if said.is_own and said.status in (400, 403, 404, 422):
        return OrderRejected(said.text)
    # 408, 5xx, redirects, pages of a proxy, and answers that cannot be read: it may have arrived.
    return OutcomeUnknown(f"Alpaca answered {said.status or 'what cannot be read'}: {said.text}")


def of_reading(error: Exception, retry_after: float) -> BrokerUnavailable:
    """Return what an error of GET means."""
    if isinstance(error, requests.RequestException):
        return BrokerUnavailable(f"no answer from Alpaca ({_kind(error)})", BACK_OFF)
    said = _read(error)
    return _of_refused_read(said, retry_after).with_code(said.code)


def _of_refused_read(said: _Said, retry_after: float) -> BrokerUnavailable:
    if said.status == 429:
        return RateLimited(f"Alpaca asks to wait: {said.text}", retry_after)
    if said.is_access:
        return AccessRefused(f"Alpaca refuses the keys: {said.text}", BACK_OFF)
    if said.status == 404 and said.code == ABSENT:
        return NotFound(said.text)
    if said.is_own and said.status in (400, 422):
        return BadRequest(said.text)
    return BrokerUnavailable(f"Alpaca answered {said.status or 'what cannot be read'}: {said.text}", BACK_OFF)


def _read(error: Exception) -> _Said:
    if not isinstance(error, APIError):
        return _Said(None, False, "", type(error).__name__)
    raw = str(error)
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    is_own = isinstance(body, dict) and bool(body.get("message") or body.get("code"))
    body = body if isinstance(body, dict) else {}
    code = str(body.get("code") or "")[:LONGEST_CODE]
    return _Said(
        error.status_code,
        is_own,
        code=code,
        text=_one_line(str(body.get("message") or (MEANINGS.get(code) if is_own else raw) or "no reason given")),
        existing_order_id=str(body.get("existing_order_id") or ""),
    )


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST_TEXT]


def _kind(error: requests.RequestException) -> str:
    # The text of such an error may hold the address with its query.
    return type(error).__name__
