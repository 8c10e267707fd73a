"""From the text of a setting to its value; what breaks a rule is said in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

MIN_KEY_BYTES = 32  # HS256 and session keys: RFC 7518 section 3.2
MIN_PASSPHRASE = 16
MIN_PASSWORD = 8
ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
WELL_KNOWN = {"webhook", "admin", "password", "123", "changeme", "secret"}


class ConfigError(ValueError):
    """A setting is missing or wrong; the text names it and the rule."""


def whole_number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ConfigError("must be a whole number") from None
        if not low <= value <= high:
            raise ConfigError(f"must be between {low} and {high}")
        return value

    return read


def decimal_number(low: str, high: str) -> Callable[[str], Decimal]:
    def read(text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise ConfigError("must be a number") from None
        if not value.is_finite() or not Decimal(low) <= value <= Decimal(high):
            raise ConfigError(f"must be between {low} and {high}")
        return value

    return read


def boolean(text: str) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ConfigError("must be true or false") from None


def one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ConfigError(f"must be one of: {', '.join(words)}")
        return text.lower()

    return read


def key(text: str) -> str:
    if len(text.encode()) < MIN_KEY_BYTES:
        raise ConfigError(f"must be at least {MIN_KEY_BYTES} bytes of random text")
    return text


def key_list(text: str) -> str:
    for part in text.split(","):
        key(part.strip())
    return text


def account_name(text: str) -> str:
    if not ACCOUNT_NAME.fullmatch(text):
        raise ConfigError("must be the name of an account: 1 to 64 lower-case letters, digits, - or _")
    return text


def simulator_address(text: str) -> str:
    """Return where the simulator listens: never Alpaca itself, where its accounts would trade for real."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ConfigError("must be an address such as http://127.0.0.1:8790")
    if f".{parts.hostname}".rstrip(".").endswith(".alpaca.markets"):
        raise ConfigError("must not be an address of Alpaca itself")
    return text.rstrip("/")


def check_passphrase(text: str) -> str:
    """Return a webhook passphrase that is not trivially guessed; raises ConfigError naming the rule."""
    if text.lower() in WELL_KNOWN or len(text) < MIN_PASSPHRASE or len(set(text)) < 8:
        raise ConfigError(
            f"must have at least {MIN_PASSPHRASE} characters, 8 of them different (32 or more are better)"
        )
    if len(text) > 128:
        raise ConfigError("must have at most 128 characters")
    return text


def check_password(text: str) -> str:
    """Return a password that may be used; raises ConfigError naming the rule."""
    if text.lower() in WELL_KNOWN or len(text) < MIN_PASSWORD:
        raise ConfigError(f"must have at least {MIN_PASSWORD} characters (15 or more are better)")
    if len(text) > 128:
        raise ConfigError("must have at most 128 characters")
    return text


def database_address(text: str) -> str:
    """Return the SQLAlchemy URL with its driver named; `postgres://`, as Heroku writes it, is accepted."""
    for prefix in ("postgres://", "postgresql://"):
        if text.startswith(prefix):
            return "postgresql+psycopg2://" + text.removeprefix(prefix)
    if text.startswith("sqlite") and text.removeprefix("sqlite:///") in ("", ":memory:", "sqlite://"):
        raise ConfigError("must name a file: web and worker share the database")
    if text.startswith(("postgresql+psycopg2://", "sqlite:///")):
        return text
    raise ConfigError("must start with postgresql://, postgres:// or sqlite:///")
