"""How the desk shows the Broker API who it is: by its key, or by a token that its client credentials are exchanged for.

docs.alpaca.markets, "Authentication": a token lasts 15 minutes and is not to be asked for anew with each call. The
secret goes in the body. The Trading API takes no such tokens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeGuard

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from brokers.alpaca.errors import BACK_OFF
from brokers.alpaca.settings import BrokerageSettings
from brokers.errors import AccessRefused, BrokerUnavailable
from brokers.http import DeadlineSession

TOKEN_SECONDS = 2.0  # so long a token is waited for: the call that needs it comes on top
MARGIN = 60.0  # seconds before its end that a token is used no more
YOUNG = 60.0  # so many seconds after it was made a token is not renewed: it is not at fault then
LONGEST_TOKEN = 8192
REFUSED = (400, 401, 403)


class Login(Protocol):
    """Puts what shows who the desk is into requests; several threads may use it."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with it."""

    def prepare(self) -> None:
        """Get ready for a call; raises AccessRefused and BrokerUnavailable, and then nothing was sent of the call."""

    def renew(self) -> bool:
        """Return True if a call that was refused is worth one more try."""

    def secrets(self) -> tuple[str, ...]:
        """Return what no text may hold."""


def login_of(settings: BrokerageSettings, clock: Callable[[], float] = time.monotonic) -> Login:
    """Return the login that the settings ask for."""
    return TokenLogin(settings, clock) if settings.by_token else KeyLogin(settings)


class KeyLogin(HTTPBasicAuth):
    """Key and secret with each request."""

    def __init__(self, settings: BrokerageSettings) -> None:
        super().__init__(settings.key_id, settings.secret_key)
        self._secrets = (settings.secret_key, settings.key_id)

    def prepare(self) -> None:
        """Do nothing: they are always there."""

    def renew(self) -> bool:
        """Return False: a second try would show the same."""
        return False

    def secrets(self) -> tuple[str, ...]:
        """Return both."""
        return self._secrets


class TokenLogin(AuthBase):
    """A token, kept until shortly before its end."""

    def __init__(self, settings: BrokerageSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._token = ""
        self._made_at = self._good_until = float("-inf")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with the token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def prepare(self) -> None:
        """Fetch a token where there is none, or none that lasts."""
        if not self._lock.acquire(timeout=TOKEN_SECONDS):
            raise BrokerUnavailable("another call waits for Alpaca's token", BACK_OFF)
        try:
            if self._clock() >= self._good_until:
                self._fetch()
        finally:
            self._lock.release()

    def renew(self) -> bool:
        """Let the next `prepare` fetch another token, unless this one was made a moment ago."""
        with self._lock:
            if not self._token or self._clock() - self._made_at < YOUNG:
                return False
            self._good_until = float("-inf")
            return True

    def secrets(self) -> tuple[str, ...]:
        """Return client id, secret and token."""
        return tuple(text for text in (self._settings.secret_key, self._settings.key_id, self._token) if text)

    def _fetch(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.key_id,
            "client_secret": self._settings.secret_key,
        }
        asked_at = self._clock()
        try:
            with DeadlineSession(TOKEN_SECONDS) as session:
                answer = session.post(f"{self._settings.token_url}/v1/oauth2/token", data=form)
        except requests.RequestException as e:
            raise BrokerUnavailable(f"no token from Alpaca ({type(e).__name__})", BACK_OFF) from None
        body = _object(answer)
        if answer.status_code != 200:
            why = str(body.get("error") or answer.status_code)[:100]
            kind = AccessRefused if answer.status_code in REFUSED and "error" in body else BrokerUnavailable
            raise kind(f"Alpaca gives no token: {why}", BACK_OFF)
        token, seconds = body.get("access_token"), body.get("expires_in")
        if not _is_token(token) or not isinstance(seconds, int) or seconds <= 0:
            raise BrokerUnavailable("Alpaca's token cannot be understood", BACK_OFF)
        self._token, self._made_at = token, asked_at
        self._good_until = asked_at + max(seconds - MARGIN, seconds / 2)


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_token(token: Any) -> TypeGuard[str]:
    return (
        isinstance(token, str)
        and 0 < len(token) <= LONGEST_TOKEN
        and token.isascii()
        and token.isprintable()
        and " " not in token
    )
