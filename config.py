"""Every setting of the desk: its name, type, default and meaning. Nothing else reads the environment."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent
SECRETS_FILE = "secrets.env"
MIN_KEY_BYTES = 32  # HS256 and session keys: RFC 7518 section 3.2
MIN_PASSPHRASE = 16
MIN_PASSWORD = 8
WELL_KNOWN = {"webhook", "admin", "password", "123", "changeme", "secret"}


class ConfigError(ValueError):
    """A setting is missing or wrong; the text names it and the rule."""


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ConfigError("must be a whole number") from None
        if not low <= value <= high:
            raise ConfigError(f"must be between {low} and {high}")
        return value

    return read


def _decimal(low: str, high: str) -> Callable[[str], Decimal]:
    def read(text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise ConfigError("must be a number") from None
        if not value.is_finite() or not Decimal(low) <= value <= Decimal(high):
            raise ConfigError(f"must be between {low} and {high}")
        return value

    return read


def _boolean(text: str) -> bool:
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


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ConfigError(f"must be one of: {', '.join(words)}")
        return text.lower()

    return read


def _key(text: str) -> str:
    if len(text.encode()) < MIN_KEY_BYTES:
        raise ConfigError(f"must be at least {MIN_KEY_BYTES} bytes of random text")
    return text


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


def _database_url(text: str) -> str:
    """Return the SQLAlchemy URL with its driver named; `postgres://`, as Heroku writes it, is accepted."""
    for prefix in ("postgres://", "postgresql://"):
        if text.startswith(prefix):
            return "postgresql+psycopg2://" + text.removeprefix(prefix)
    if text.startswith("sqlite") and text.removeprefix("sqlite:///") in ("", ":memory:", "sqlite://"):
        raise ConfigError("must name a file: web and worker share the database")
    if text.startswith(("postgresql+psycopg2://", "sqlite:///")):
        return text
    raise ConfigError("must start with postgresql://, postgres:// or sqlite:///")


def _setting(
    env: str, meaning: str, read: Callable[[str], Any] = str, default: str | None = None, secret: bool = False
) -> Any:
    return field(repr=not secret, metadata={"env": env, "meaning": meaning, "read": read, "default": default})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one process, built once and never changed."""

    host: str = _setting("HOST", "address the web process listens on (on Heroku: all)", default="127.0.0.1")
    port: int = _setting("PORT", "port of the web process", _integer(1, 65535), "5000")
    instance_dir: Path = _setting(
        "INSTANCE_DIR", "folder of the database, the secrets and the paper broker", Path, "instance"
    )
    database_url: str = _setting(
        "DATABASE_URL",
        "database of the desk; `DATABASE_URL_SQLALCHEMY` goes first; absent: SQLite in `INSTANCE_DIR`",
        _database_url,
        secret=True,
    )
    secret_key: str = _setting(
        "SECRET_KEY", "signs sessions and forms; made at first start when absent", _key, secret=True
    )
    jwt_secret_key: str = _setting("JWT_SECRET_KEY", "signs tokens; made at first start when absent", _key, secret=True)
    admin_password: str = _setting(
        "ADMIN_PASSWORD",
        "password of `admin`, used at first start only; made when absent",
        check_password,
        "",
        secret=True,
    )
    webhook_passphrase: str = _setting(
        "WEBHOOK_PASSPHRASE",
        "passphrase of the alerts, used at first start only; made when absent",
        check_passphrase,
        "",
        secret=True,
    )
    broker: str = _setting(
        "BROKER",
        "default route of signals: `paper` (built-in broker) or `external` (left waiting for your own executor)",
        _one_of("paper", "external"),
        "paper",
    )
    open_reads: bool = _setting(
        "OPEN_READS", "anyone may read stocks, pairs and a few signals, as in v3", _boolean, "true"
    )
    public_url: str = _setting(
        "PUBLIC_URL",
        "address under which TradingView reaches the desk, for the shown webhook URL",
        default="",
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES", "proxies in front that add X-Forwarded-For (Heroku: 1)", _integer(0, 5), "0"
    )
    secure_cookies: bool = _setting("SECURE_COOKIES", "cookies over TLS only (absent: true behind a proxy)", _boolean)
    token_minutes_max: int = _setting(
        "TOKEN_MINUTES_MAX", "longest `expire` a log-in may ask for, minutes", _integer(1, 10080), "1440"
    )
    session_hours: int = _setting("SESSION_HOURS", "life of a dashboard log-in, hours", _integer(1, 720), "12")
    signal_lifetime: int = _setting(
        "SIGNAL_LIFETIME",
        "seconds after which an unsent signal is canceled as expired",
        _integer(1, 864000),
        "120",
    )
    leg_timeout: int = _setting(
        "LEG_TIMEOUT",
        "seconds one leg of a pair may work while the other is filled, where the pair does not say",
        _integer(1, 86400),
        "60",
    )
    web_workers: int = _setting("WEB_WORKERS", "gunicorn processes", _integer(1, 64), "2")
    web_threads: int = _setting("WEB_THREADS", "threads of each; an open dashboard holds one", _integer(8, 512), "64")
    database_pool: int = _setting("DATABASE_POOL", "most PostgreSQL connections of one process", _integer(2, 200), "8")
    log_level: str = _setting(
        "LOG_LEVEL", "debug, info, warning or error", _one_of("debug", "info", "warning", "error"), "info"
    )
    paper_database_url: str = _setting(
        "PAPER_DATABASE_URL",
        "store of the paper broker; absent: `paper.db` in `INSTANCE_DIR`, or schema `paper` of the desk's PostgreSQL",
        _database_url,
        secret=True,
    )
    paper_slippage_bps: Decimal = _setting(
        "PAPER_SLIPPAGE_BPS", "slippage of paper market orders, basis points", _decimal("0", "1000"), "0"
    )
    paper_commission: Decimal = _setting(
        "PAPER_COMMISSION", "commission of paper fills, dollars a share", _decimal("0", "1000"), "0"
    )
    paper_reference_price: Decimal = _setting(
        "PAPER_REFERENCE_PRICE",
        "price around which legs of a pair without quotes are made up, dollars",
        _decimal("0.01", "1000000"),
        "100",
    )
    paper_cash: Decimal = _setting(
        "PAPER_CASH", "cash a paper account starts with, dollars", _decimal("0", "1000000000000"), "1000000"
    )
    paper_leverage: Decimal = _setting(
        "PAPER_LEVERAGE", "how many times its equity a paper account may hold", _decimal("0.01", "1000"), "2"
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        """Read the environment, then `.env`, then the secrets file; raises ConfigError naming the setting."""
        if env is None:
            env = {**_file(ROOT / ".env"), **os.environ}
        given = {name: text for name, text in env.items() if text.strip() != ""}
        instance = (ROOT / given.get("INSTANCE_DIR", "instance")).resolve()
        on_heroku = "DYNO" in given
        missing = [name for name in ("SECRET_KEY", "JWT_SECRET_KEY") if name not in given]
        if missing and not on_heroku:  # a dyno forgets its disk, and the next one would not know the keys
            given = {**_kept_keys(instance), **given}
        given["INSTANCE_DIR"] = str(instance)
        given.setdefault("HOST", "0.0.0.0" if on_heroku else "127.0.0.1")  # noqa: S104 - the router must reach a dyno
        given["DATABASE_URL"] = (
            given.get("DATABASE_URL_SQLALCHEMY") or given.get("DATABASE_URL") or f"sqlite:///{instance}/desk.db"
        )
        if on_heroku and given["DATABASE_URL"].startswith("sqlite"):
            raise ConfigError("DATABASE_URL: SQLite would be lost with the dyno's disk; add Heroku Postgres")
        given.setdefault("SECURE_COOKIES", str(given.get("TRUSTED_PROXIES", "0") != "0"))
        default_paper = (
            f"sqlite:///{instance}/paper.db" if given["DATABASE_URL"].startswith("sqlite") else given["DATABASE_URL"]
        )
        given.setdefault("PAPER_DATABASE_URL", default_paper)
        return cls(**{f.name: _read(f.metadata, given) for f in fields(cls)})

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values that must never reach a log."""
        passwords = (urlsplit(url).password or "" for url in (self.database_url, self.paper_database_url))
        return (self.secret_key, self.jwt_secret_key, self.admin_password, self.webhook_passphrase, *passwords)

    @property
    def is_sqlite(self) -> bool:
        """Tell whether the desk's database is SQLite."""
        return self.database_url.startswith("sqlite")

    @property
    def base_url(self) -> str:
        """Return the address that people and TradingView use, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def _read(meta: Mapping[str, Any], given: Mapping[str, str]) -> Any:
    env, default = meta["env"], meta["default"]
    text = given.get(env)
    if text is None:
        if default is None:
            raise ConfigError(f"{env}: missing")
        if default == "":
            return ""
        text = default
    try:
        return meta["read"](text)
    except ConfigError as e:
        raise ConfigError(f"{env}: {e}") from None


def _file(path: Path) -> dict[str, str]:
    try:
        return {k: v for k, v in dotenv_values(path, interpolate=False).items() if v} if path.is_file() else {}
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read ({e.strerror})") from None


def _kept_keys(instance: Path) -> dict[str, str]:
    """Return the signing keys of this installation; made once, readable by the owner only."""
    path = instance / SECRETS_FILE
    if not path.exists():
        text = "".join(f"{name}={secrets.token_urlsafe(48)}\n" for name in ("SECRET_KEY", "JWT_SECRET_KEY"))
        fresh = instance / f".{SECRETS_FILE}.{os.getpid()}.{threading.get_ident()}"
        try:
            instance.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first: its keys count
                os.link(fresh, path)
            fresh.unlink()
        except OSError as e:
            raise ConfigError(f"INSTANCE_DIR: {instance} cannot be written ({e.strerror})") from None
    return _file(path)


def settings_table() -> str:
    """Return the Markdown table of all settings, as the README shows it."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for f in fields(Config):
        default = f.metadata["default"]
        rows.append(f"| `{f.metadata['env']}` | {f'`{default}`' if default else ''} | {f.metadata['meaning']} |")
    return "\n".join(rows)
