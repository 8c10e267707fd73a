"""Every setting of the desk: its name, type, default and meaning. Nothing else reads the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AliasChoices,
    AliasGenerator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from config_files import KEYS, kept_keys, read_file
from config_values import (
    AccountName,
    ConfigError,
    DatabaseAddress,
    Folder,
    Key,
    KeyList,
    Origins,
    Passphrase,
    Password,
    Rate,
    SimulatorAddress,
    Switch,
    Word,
    account_name,
    below_root,
    check_passphrase,
    check_password,
    passwords_of,
    rule,
)

__all__ = ["Config", "ConfigError", "account_name", "check_passphrase", "check_password"]

ROOT = Path(__file__).resolve().parent


class Config(BaseSettings):
    """The settings of one process, built once and never changed; made by `from_env`."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=str.upper),
        case_sensitive=True,
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,  # a default is right as it is, except where it says otherwise
    )

    dyno: str = Field("", repr=False)  # set by Heroku on its machines, never by a person; so without a description

    host: str = Field("127.0.0.1", description="address the web process listens on (on Heroku: all)")
    port: int = Field(5000, ge=1, le=65535, description="port of the web process")
    instance_dir: Folder = Field(
        Path("instance"), validate_default=True, description="folder of the database, the secrets and the paper broker"
    )
    database_url: DatabaseAddress = Field(
        default_factory=lambda known: f"sqlite:///{known['instance_dir']}/desk.db",
        validate_default=True,
        validation_alias=AliasChoices("DATABASE_URL_SQLALCHEMY", "DATABASE_URL"),
        repr=False,
        description="database of the desk; `DATABASE_URL_SQLALCHEMY` goes first; absent: SQLite in `INSTANCE_DIR`",
    )
    secret_key: Key = Field(repr=False, description="signs sessions and forms; made at first start when absent")
    jwt_secret_key: Key = Field(repr=False, description="signs tokens; made at first start when absent")
    admin_password: Password = Field(
        "", repr=False, description="password of `admin`, used at first start only; made when absent"
    )
    webhook_passphrase: Passphrase = Field(
        "", repr=False, description="passphrase of the alerts, used at first start only; made when absent"
    )
    credentials_key: KeyList = Field(
        repr=False,
        description="encrypts the keys of broker accounts; made at first start when absent; several, with commas "
        "between them: the first encrypts, all decrypt",
    )
    broker: AccountName = Field(
        "paper",
        description="default account of signals: `paper` (built-in broker), `external` (left waiting for your own "
        "executor), `alpaca-sim` (the simulator), or one that you have added",
    )
    open_reads: Switch = Field(True, description="anyone may read stocks, pairs and a few signals, as in v3")
    cors_origins: Origins = Field(
        "",
        description="addresses of pages elsewhere whose scripts may call `/v3` with a token, with commas between them",
    )
    public_url: str = Field(
        "", description="address under which TradingView reaches the desk, for the shown webhook URL"
    )
    trusted_proxies: int = Field(0, ge=0, le=5, description="proxies in front that add X-Forwarded-For (Heroku: 1)")
    secure_cookies: Switch = Field(
        default_factory=lambda known: known["trusted_proxies"] > 0,
        description="cookies over TLS only (absent: true behind a proxy)",
    )
    token_minutes_max: int = Field(1440, ge=1, le=10080, description="longest `expire` a log-in may ask for, minutes")
    session_hours: int = Field(12, ge=1, le=720, description="life of a dashboard log-in, hours")
    signal_lifetime: int = Field(
        120, ge=1, le=864000, description="seconds after which an unsent signal is canceled as expired"
    )
    leg_timeout: int = Field(
        60,
        ge=1,
        le=86400,
        description="seconds one leg of a pair may work while the other is filled, where the pair does not say",
    )
    web_workers: int = Field(2, ge=1, le=64, description="gunicorn processes")
    web_threads: int = Field(64, ge=8, le=512, description="threads of each; an open dashboard holds one")
    database_pool: int = Field(8, ge=2, le=200, description="most PostgreSQL connections of one process")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Word] = Field(
        "info", description="debug, info, warning or error"
    )
    paper_database_url: DatabaseAddress = Field(
        default_factory=lambda known: _paper_store(known["database_url"], known["instance_dir"]),
        repr=False,
        description="store of the paper broker; absent: `paper.db` in `INSTANCE_DIR`, or schema `paper` of the desk's "
        "PostgreSQL",
    )
    paper_slippage_bps: Rate = Field(Decimal(0), description="slippage of paper market orders, basis points")
    paper_commission: Rate = Field(Decimal(0), description="commission of paper fills, dollars a share")
    paper_reference_price: Decimal = Field(
        Decimal(100),
        ge=Decimal("0.01"),
        le=1000000,
        description="price around which legs of a pair without quotes are made up, dollars",
    )
    paper_cash: Decimal = Field(
        Decimal(1000000), ge=0, le=1000000000000, description="cash a paper account starts with, dollars"
    )
    paper_leverage: Decimal = Field(
        Decimal(2), ge=Decimal("0.01"), le=1000, description="how many times its equity a paper account may hold"
    )
    alpaca_simulator_url: SimulatorAddress = Field(
        "http://127.0.0.1:8790", description="where `python -m simulators.alpaca` listens"
    )
    alpaca_feed: Annotated[Literal["iex", "sip"], Word] = Field(
        "iex", description="source of Alpaca's quotes: `iex` is free, `sip` needs a subscription"
    )
    broker_api_key: str = Field(
        "",
        validation_alias="APCA_BROKER_API_KEY",
        repr=False,
        description="key of Alpaca's Broker API, for opening brokerage accounts",
    )
    broker_api_secret: str = Field("", validation_alias="APCA_BROKER_API_SECRET", repr=False, description="its secret")
    broker_api_environment: Annotated[Literal["sandbox", "live", "simulator"], Word] = Field(
        "sandbox",
        validation_alias="APCA_BROKER_API_ENVIRONMENT",
        description="`sandbox`, `live` (real accounts of real people), or `simulator`",
    )
    broker_api_login: Annotated[Literal["basic", "oauth"], Word] = Field(
        "basic",
        validation_alias="APCA_BROKER_API_LOGIN",
        description="`basic`: key and secret with each request; `oauth`: as client credentials, in exchange for tokens",
    )

    @model_validator(mode="before")
    @classmethod
    def _let_the_router_reach_a_dyno(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"HOST": "0.0.0.0", **values} if "DYNO" in values else values  # noqa: S104 - it comes from outside

    @field_validator("database_url")
    @classmethod
    def _keep_what_a_dyno_forgets(cls, url: str, info: ValidationInfo) -> str:
        if info.data["dyno"] and url.startswith("sqlite"):
            raise ConfigError("SQLite would be lost with the dyno's disk; add Heroku Postgres")
        return url

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        """Read the environment, then `.env`, then the secrets file. Raises ConfigError: a line for each wrong setting.

        `env` stands for the environment and `.env` where it is given. A blank text counts as absent, and one in the
        environment hides the one in `.env`.
        """
        if env is None:
            env = {**read_file(ROOT / ".env"), **os.environ}
        try:
            return cls(_build_sources=((_Texts(cls, env), _KeptKeys(cls, {})), {}))
        except ValidationError as e:
            raise ConfigError("\n".join(_lines(e, env))) from None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the values that must never reach a log."""
        passwords = (*passwords_of(self.database_url), *passwords_of(self.paper_database_url))
        sealing = (part.strip() for part in self.credentials_key.split(","))
        keys = (self.secret_key, self.jwt_secret_key, *sealing, self.broker_api_secret)
        return (*keys, self.admin_password, self.webhook_passphrase, *passwords)

    @property
    def is_sqlite(self) -> bool:
        """Return True if the desk's database is SQLite."""
        return self.database_url.startswith("sqlite")

    @property
    def base_url(self) -> str:
        """Return the address that people and TradingView use, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class _Texts(EnvSettingsSource):
    """The settings that names and texts give."""

    def __init__(self, settings: type[BaseSettings], texts: Mapping[str, str]) -> None:
        super().__init__(settings)
        self.env_vars = {name: text for name, text in texts.items() if text.strip()}


class _KeptKeys(_Texts):
    """The keys that nobody gave: those that this installation has made."""

    def __call__(self) -> dict[str, Any]:
        """Return them; a dyno has none, as it forgets its disk and the next one would not know them."""
        given = self.current_state
        if "DYNO" not in given and not given.keys() >= set(KEYS):
            self.env_vars = kept_keys(below_root(given.get("INSTANCE_DIR", "instance")))
        return super().__call__()


def _paper_store(database_url: str, folder: Path) -> str:
    return f"sqlite:///{folder}/paper.db" if database_url.startswith("sqlite") else database_url


def _names(field: FieldInfo) -> list[str]:
    """Return the names under which a setting may be given, the usual one last."""
    alias = field.validation_alias
    return [str(name) for name in (alias.choices if isinstance(alias, AliasChoices) else [alias])]


def _lines(problems: ValidationError, env: Mapping[str, str]) -> Iterator[str]:
    """Yield the name and the rule of each setting that is missing or wrong, never its value."""
    for problem in problems.errors(include_url=False, include_input=False):
        place = problem["loc"][0]  # one of its names, or that of the attribute when the default is wrong
        field = next(f for name, f in Config.model_fields.items() if place in (name, *_names(f)))
        name = next((name for name in _names(field) if env.get(name, "").strip()), _names(field)[-1])
        reason = problem.get("ctx", {}).get("error")
        if problem["type"] == "missing":
            yield f"{name}: missing"
        elif isinstance(reason, ConfigError):  # the words of other errors may hold the value
            yield f"{name}: {reason}"
        elif problem["type"] != "default_factory_not_called":  # a default that another wrong setting decides
            yield f"{name}: {rule(field)}"


class Setting(NamedTuple):
    """What people are told of a setting; the default as they would write it, None when absence has its own meaning."""

    name: str
    default: str | None
    meaning: str
    is_secret: bool


def documented_settings() -> list[Setting]:
    """Return all settings that people may set, in the order of the README."""
    return [
        Setting(_names(field)[-1], _shown(field), field.description, not field.repr)
        for field in Config.model_fields.values()
        if field.description is not None
    ]


def _shown(field: FieldInfo) -> str | None:
    if field.is_required() or field.default_factory is not None:
        return None
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def settings_table() -> str:
    """Return the Markdown table of all settings, as the README shows it."""
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for setting in documented_settings():
        default = f"`{setting.default}`" if setting.default else ""
        rows.append(f"| `{setting.name}` | {default} | {setting.meaning} |")
    return "\n".join(rows)
