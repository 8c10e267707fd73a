"""The kinds of settings: which text each takes, what becomes of it, and its rule in words."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

MIN_KEY_BYTES = 32  # HS256 and session keys: RFC 7518 section 3.2
MIN_PASSPHRASE = 16
MIN_PASSWORD = 8
ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
WELL_KNOWN = {"webhook", "admin", "password", "123", "changeme", "secret"}


class ConfigError(ValueError):
    """Settings are missing or wrong; the text has a line for each, with its name and its rule."""


def rule(field: FieldInfo) -> str:
    """Return the rule of a setting whose type says all of it."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return f"must be one of: {', '.join(get_args(kind))}"
    if kind is bool:
        return "must be true or false"
    if kind in (int, Decimal):
        low = next(bound.ge for bound in field.metadata if hasattr(bound, "ge"))
        high = next(bound.le for bound in field.metadata if hasattr(bound, "le"))
        return f"must be a {'whole number' if kind is int else 'number'} between {low} and {high}"
    return "must be text in UTF-8"


def _word(text: str) -> str:
    return text.strip().lower()


def key(text: str) -> str:
    """Return a key that is long enough; raises ConfigError naming the rule."""
    if len(text.encode()) < MIN_KEY_BYTES:
        raise ConfigError(f"must be at least {MIN_KEY_BYTES} bytes of random text")
    return text


def key_list(text: str) -> str:
    """Return keys with commas between them, each long enough; raises ConfigError naming the rule."""
    for part in text.split(","):
        key(part.strip())
    return text


def account_name(text: str) -> str:
    """Return a text that may name an account; raises ConfigError naming the rule."""
    if not ACCOUNT_NAME.fullmatch(text):
        raise ConfigError("must be the name of an account: 1 to 64 lower-case letters, digits, - or _")
    return text


def simulator_address(text: str) -> str:
    """Return where the simulator listens: never Alpaca itself, where its accounts would trade for real."""
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # odd brackets, or a port that is no number
        is_address = False
    if not is_address or parts.username or parts.query:
        raise ConfigError("must be an address such as http://127.0.0.1:8790")
    if f".{parts.hostname}".rstrip(".").endswith(".alpaca.markets"):
        raise ConfigError("must not be an address of Alpaca itself")
    return text.rstrip("/")


def origins(text: str) -> str:
    """Return addresses of pages, with commas between them; raises ConfigError naming the rule."""
    found = [part.strip().rstrip("/").lower() for part in text.split(",") if part.strip()]
    if not all(re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", origin) for origin in found):
        raise ConfigError(
            "must be addresses such as https://desk.example, with commas between them; `*` is not allowed"
        )
    return ",".join(found)


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
            text = "postgresql+psycopg2://" + text.removeprefix(prefix)
    if text.startswith("sqlite") and text.removeprefix("sqlite:///") in ("", ":memory:", "sqlite://"):
        raise ConfigError("must name a file: web and worker share the database")
    if not text.startswith(("postgresql+psycopg2://", "sqlite:///")):
        raise ConfigError("must start with postgresql://, postgres:// or sqlite:///")
    try:
        make_url(text)
    except (ArgumentError, ValueError):  # their words may hold the password
        raise ConfigError("must be an address such as postgresql://user:password@host:5432/name") from None
    return text


def passwords_of(database_url: str) -> tuple[str, ...]:
    """Return the password of a checked address, as it is and as it is written there; nothing when it has none."""
    password = make_url(database_url).password
    if not password:
        return ()
    return (str(password), database_url.partition("://")[2].partition("@")[0].partition(":")[2])


def below_root(path: Path | str) -> Path:
    """Return the whole path of a folder; a relative one lies in the folder of the program."""
    return (Path(__file__).resolve().parent / path).resolve()


Origins = Annotated[str, AfterValidator(origins)]
Switch = Annotated[bool, BeforeValidator(_word)]
Word = BeforeValidator(_word)  # of a choice: in capitals too
Folder = Annotated[Path, AfterValidator(below_root)]
DatabaseAddress = Annotated[str, AfterValidator(database_address)]
SimulatorAddress = Annotated[str, AfterValidator(simulator_address)]
AccountName = Annotated[str, AfterValidator(account_name)]
Key = Annotated[str, AfterValidator(key)]
KeyList = Annotated[str, AfterValidator(key_list)]
Password = Annotated[str, AfterValidator(check_password)]
Passphrase = Annotated[str, AfterValidator(check_passphrase)]
Rate = Annotated[Decimal, Field(ge=0, le=1000)]
