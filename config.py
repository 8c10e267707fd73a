"""Every setting of the desk: its name, type, default and meaning. Nothing else reads the environment."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values

from config_values import (
    ConfigError,
    account_name,
    boolean,
    check_passphrase,
    check_password,
    database_address,
    decimal_number,
    key,
    key_list,
    one_of,
    simulator_address,
    whole_number,
)

__all__ = ["Config", "ConfigError", "account_name", "check_passphrase", "check_password"]

ROOT = Path(__file__).resolve().parent
SECRETS_FILE = "secrets.env"
KEYS = ("SECRET_KEY", "JWT_SECRET_KEY", "CREDENTIALS_KEY")


def _setting(
    env: str, meaning: str, read: Callable[[str], Any] = str, default: str | None = None, secret: bool = False
) -> Any:
    return field(repr=not secret, metadata={"env": env, "meaning": meaning, "read": read, "default": default})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one process, built once and never changed."""

    host: str = _setting("HOST", "address the web process listens on (on Heroku: all)", default="127.0.0.1")
    port: int = _setting("PORT", "port of the web process", whole_number(1, 65535), "5000")
    instance_dir: Path = _setting(
        "INSTANCE_DIR", "folder of the database, the secrets and the paper broker", Path, "instance"
    )
    database_url: str = _setting(
        "DATABASE_URL",
        "database of the desk; `DATABASE_URL_SQLALCHEMY` goes first; absent: SQLite in `INSTANCE_DIR`",
        database_address,
        secret=True,
    )
    secret_key: str = _setting(
        "SECRET_KEY", "signs sessions and forms; made at first start when absent", key, secret=True
    )
    jwt_secret_key: str = _setting("JWT_SECRET_KEY", "signs tokens; made at first start when absent", key, secret=True)
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
    credentials_key: str = _setting(
        "CREDENTIALS_KEY",
        "encrypts the keys of broker accounts; made at first start when absent; several, with commas between them: "
        "the first encrypts, all decrypt",
        key_list,
        secret=True,
    )
    broker: str = _setting(
        "BROKER",
        "default account of signals: `paper` (built-in broker), `external` (left waiting for your own executor), "
        "`alpaca-sim` (the simulator), or one that you have added",
        account_name,
        "paper",
    )
    open_reads: bool = _setting(
        "OPEN_READS", "anyone may read stocks, pairs and a few signals, as in v3", boolean, "true"
    )
    public_url: str = _setting(
        "PUBLIC_URL",
        "address under which TradingView reaches the desk, for the shown webhook URL",
        default="",
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES", "proxies in front that add X-Forwarded-For (Heroku: 1)", whole_number(0, 5), "0"
    )
    secure_cookies: bool = _setting("SECURE_COOKIES", "cookies over TLS only (absent: true behind a proxy)", boolean)
    token_minutes_max: int = _setting(
        "TOKEN_MINUTES_MAX", "longest `expire` a log-in may ask for, minutes", whole_number(1, 10080), "1440"
    )
    session_hours: int = _setting("SESSION_HOURS", "life of a dashboard log-in, hours", whole_number(1, 720), "12")
    signal_lifetime: int = _setting(
        "SIGNAL_LIFETIME",
        "seconds after which an unsent signal is canceled as expired",
        whole_number(1, 864000),
        "120",
    )
    leg_timeout: int = _setting(
        "LEG_TIMEOUT",
        "seconds one leg of a pair may work while the other is filled, where the pair does not say",
        whole_number(1, 86400),
        "60",
    )
    web_workers: int = _setting("WEB_WORKERS", "gunicorn processes", whole_number(1, 64), "2")
    web_threads: int = _setting(
        "WEB_THREADS", "threads of each; an open dashboard holds one", whole_number(8, 512), "64"
    )
    database_pool: int = _setting(
        "DATABASE_POOL", "most PostgreSQL connections of one process", whole_number(2, 200), "8"
    )
    log_level: str = _setting(
        "LOG_LEVEL", "debug, info, warning or error", one_of("debug", "info", "warning", "error"), "info"
    )
    paper_database_url: str = _setting(
        "PAPER_DATABASE_URL",
        "store of the paper broker; absent: `paper.db` in `INSTANCE_DIR`, or schema `paper` of the desk's PostgreSQL",
        database_address,
        secret=True,
    )
    paper_slippage_bps: Decimal = _setting(
        "PAPER_SLIPPAGE_BPS", "slippage of paper market orders, basis points", decimal_number("0", "1000"), "0"
    )
    paper_commission: Decimal = _setting(
        "PAPER_COMMISSION", "commission of paper fills, dollars a share", decimal_number("0", "1000"), "0"
    )
    paper_reference_price: Decimal = _setting(
        "PAPER_REFERENCE_PRICE",
        "price around which legs of a pair without quotes are made up, dollars",
        decimal_number("0.01", "1000000"),
        "100",
    )
    paper_cash: Decimal = _setting(
        "PAPER_CASH", "cash a paper account starts with, dollars", decimal_number("0", "1000000000000"), "1000000"
    )
    paper_leverage: Decimal = _setting(
        "PAPER_LEVERAGE", "how many times its equity a paper account may hold", decimal_number("0.01", "1000"), "2"
    )

    alpaca_simulator_url: str = _setting(
        "ALPACA_SIMULATOR_URL",
        "where `python -m simulators.alpaca` listens",
        simulator_address,
        "http://127.0.0.1:8790",
    )
    alpaca_feed: str = _setting(
        "ALPACA_FEED",
        "source of Alpaca's quotes: `iex` is free, `sip` needs a subscription",
        one_of("iex", "sip"),
        "iex",
    )
    broker_api_key: str = _setting(
        "APCA_BROKER_API_KEY", "key of Alpaca's Broker API, for opening brokerage accounts", default="", secret=True
    )
    broker_api_secret: str = _setting("APCA_BROKER_API_SECRET", "its secret", default="", secret=True)
    broker_api_environment: str = _setting(
        "APCA_BROKER_API_ENVIRONMENT",
        "`sandbox`, `live` (real accounts of real people), or `simulator`",
        one_of("sandbox", "live", "simulator"),
        "sandbox",
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        """Read the environment, then `.env`, then the secrets file; raises ConfigError naming the setting."""
        if env is None:
            env = {**_file(ROOT / ".env"), **os.environ}
        given = {name: text for name, text in env.items() if text.strip() != ""}
        instance = (ROOT / given.get("INSTANCE_DIR", "instance")).resolve()
        on_heroku = "DYNO" in given
        missing = [name for name in KEYS if name not in given]
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
        sealing = (part.strip() for part in self.credentials_key.split(","))
        keys = (self.secret_key, self.jwt_secret_key, *sealing, self.broker_api_secret)
        return (*keys, self.admin_password, self.webhook_passphrase, *passwords)

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
    """Return the signing keys of this installation; each made once, readable by the owner only."""
    path = instance / SECRETS_FILE
    kept = _file(path)
    if all(name in kept for name in KEYS):
        return kept
    try:
        instance.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = os.open(instance, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # of two first starts the second finds what the first has made
            return _make_missing(path)
        finally:
            os.close(folder)
    except OSError as e:
        raise ConfigError(f"INSTANCE_DIR: {instance} cannot be written ({e.strerror})") from None


def _make_missing(path: Path) -> dict[str, str]:
    kept = _file(path)
    keys = {**kept, **{name: secrets.token_urlsafe(48) for name in KEYS if name not in kept}}
    if keys != kept:
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(f"{name}={value}\n" for name, value in keys.items()))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    return keys


def settings_table() -> str:
    """Return the Markdown table of all settings, as the README shows it."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for f in fields(Config):
        default = f.metadata["default"]
        rows.append(f"| `{f.metadata['env']}` | {f'`{default}`' if default else ''} | {f.metadata['meaning']} |")
    return "\n".join(rows)
