"""What Alpaca's answers and silences mean to the desk: one table for what sends, one for what reads."""

from __future__ import annotations

import json
import re

import requests

from brokers.alpaca.sdk import APIError
from brokers.errors import AccessRefused, BrokerError, BrokerUnavailable, OrderRejected, OutcomeUnknown, RateLimited
from brokers.http import never_left

DUPLICATE = re.compile(r"client.order.id.*unique", re.IGNORECASE)
LONGEST_TEXT = 300
BACK_OFF = 5.0  # seconds
ABSENT = "40410000"  # Alpaca's own word; a 404 without it may come from something between


class NotFound(BrokerUnavailable):
    """Alpaca answered that there is no such thing; each reader decides what that means."""


class BadRequest(BrokerUnavailable):
    """Alpaca does not understand a read: one of its symbols, say."""


def of_sending(error: Exception, retry_after: float) -> BrokerError:
    """Return what an error of POST, PATCH or DELETE means for the order."""
    if isinstance(error, requests.RequestException):
        if never_left(error):
            return BrokerUnavailable(f"Alpaca cannot be reached ({_kind(error)})", BACK_OFF)
        return OutcomeUnknown(f"no answer from Alpaca ({_kind(error)})")
    status, code, text = _read(error)
    if status == 429:
        return RateLimited(f"Alpaca asks to wait: {text}", retry_after)
    if _is_access(status, code):
        return AccessRefused(f"Alpaca refuses the keys: {text}", BACK_OFF)
    if status == 422 and DUPLICATE.search(text):
        return OutcomeUnknown(f"Alpaca has this client order id already: {text}")
    if status in (400, 403, 404, 422):
        return OrderRejected(text)
    # 408, 5xx, redirects, and answers that cannot be read: it may have arrived.
    return OutcomeUnknown(f"Alpaca answered {status or 'what cannot be read'}: {text}")


def of_reading(error: Exception, retry_after: float) -> BrokerUnavailable:
    """Return what an error of GET means."""
    if isinstance(error, requests.RequestException):
        return BrokerUnavailable(f"no answer from Alpaca ({_kind(error)})", BACK_OFF)
    status, code, text = _read(error)
    if status == 429:
        return RateLimited(f"Alpaca asks to wait: {text}", retry_after)
    if _is_access(status, code):
        return AccessRefused(f"Alpaca refuses the keys: {text}", BACK_OFF)
    if status == 404 and code == ABSENT:
        return NotFound(text)
    if status in (400, 422):
        return BadRequest(text)
    return BrokerUnavailable(f"Alpaca answered {status or 'what cannot be read'}: {text}", BACK_OFF)


def _is_access(status: int | None, code: str) -> bool:
    # A business refusal is a 403 with a code; a wrong key, or one of the other environment, has none.
    return status == 401 or (status == 403 and not code)


def _read(error: Exception) -> tuple[int | None, str, str]:
    """Return status, code and text of an answer; the code is empty where there is none."""
    if not isinstance(error, APIError):
        return None, "", type(error).__name__
    raw = str(error)
    try:
        body = json.loads(raw)
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    text = str(body.get("message") or raw or "no reason given")
    return error.status_code, str(body.get("code") or ""), _one_line(text)


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST_TEXT]


def _kind(error: requests.RequestException) -> str:
    # The text of such an error may hold the address with its query.
    return type(error).__name__
