"""A stand-in for Alpaca's front door: it knows some keys, says what they open, and can be away."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask import Flask

from brokers.alpaca.spec import ALPACA
from brokers.errors import AccessRefused, BrokerUnavailable
from brokers.spec import BrokerSpec, Opening
from domain.enums import Environment
from domain.messages import AccountReport
from extensions import db
from models import BrokerAccount
from services.accounts import credentials
from services.accounts.broker_accounts import AccountForm, add_account, get_account
from services.accounts.broker_keys import Keys
from services.catalog import snapshots as desk_registry

PAPER_KEYS = Keys(key_id="PKPAPER7ANNA000000AB", secret_key="the/paper+secret=of.anna.0123456789abcdef")
RENEWED_KEYS = Keys(key_id="PKPAPER8ANNA000000CD", secret_key="the/newer+secret=of.anna.0123456789abcdef")
OTHER_KEYS = Keys(key_id="PKPAPER9BERT000000EF", secret_key="the/paper+secret=of.bert.0123456789abcdef")
LIVE_KEYS = Keys(key_id="AKLIVE77ANNA000000GH", secret_key="the/live+secret=of.anna.0123456789abcdefgh")
WRONG_KEYS = Keys(key_id="PKNOBODY00000000000X", secret_key="opens.nothing.anywhere.0123456789")
EVERY_KEY = (PAPER_KEYS, RENEWED_KEYS, OTHER_KEYS, LIVE_KEYS, WRONG_KEYS)


@dataclass
class FrontDoor:
    """Which keys open which account; `away` is what it says instead, `asked` who was let in or refused."""

    accounts: dict[tuple[str, Keys], str] = field(
        default_factory=lambda: {
            (Environment.PAPER, PAPER_KEYS): "PA3ANNA",
            (Environment.PAPER, RENEWED_KEYS): "PA3ANNA",
            (Environment.PAPER, OTHER_KEYS): "PA3BERT",
            (Environment.LIVE, LIVE_KEYS): "123456789",
        }
    )
    away: str = ""
    blocked: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    open: int = 0
    meanwhile: Any = None  # is called while the broker is asked

    @property
    def spec(self) -> BrokerSpec:
        """Return Alpaca's spec with this door in it, for the registry."""
        return replace(ALPACA, connect=self.connect)

    def connect(self, _config: Any, opening: Opening) -> Any:
        """Take the place of the adapter's own."""
        self.open += 1
        return Connection(self, opening)


@dataclass
class Connection:
    """One connection, as far as accounts are concerned."""

    door: FrontDoor
    opening: Opening

    def account(self) -> AccountReport:
        assert not db.session().info.get("in_transaction"), "the broker is asked within a transaction"
        assert not db.session().in_transaction(), "a connection of the database is held while the broker is asked"
        keys = Keys(**self.opening.credentials)
        self.door.asked.append((self.opening.account, self.opening.environment))
        if self.door.away:
            raise BrokerUnavailable(self.door.away.format(keys=keys))
        number = self.door.accounts.get((self.opening.environment, keys))
        if number is None:
            raise AccessRefused(f"request of {keys['key_id']} is not authorized")
        if self.door.meanwhile is not None:
            self.door.meanwhile()
        return AccountReport(
            account=self.opening.account, cash=Decimal(1000), currency="USD", at=datetime.now(UTC), buying_power=Decimal("4000.5"),
            equity=Decimal(1000), cash_power=Decimal(1000), may_short=True, coins_blocked="", blocked=self.door.blocked, number=number,
        )  # fmt: skip

    def close(self) -> None:
        self.door.open -= 1


def add(name: str = "anna", environment: str = "paper", keys: Keys = PAPER_KEYS, actor: str = "user admin") -> None:
    """Add an account within an application context."""
    add_account(AccountForm(name=name, environment=Environment(environment), keys=keys), actor)


def shows_a_key(text: str) -> list[str]:
    """Return the keys that stand in a text."""
    return [part for keys in EVERY_KEY for part in keys.values() if part in text]


def account_row(name: str = "anna") -> BrokerAccount:
    """Return an account's row."""
    return get_account(name).account


def registry_version() -> int:
    """Return the version that processes compare what they remember with."""
    db.session.rollback()
    return desk_registry.current_version(db.session())


def opened_keys(app: Flask, name: str = "anna") -> dict[str, str]:
    """Return the stored keys of an account, decrypted."""
    account = account_row(name)
    return credentials.unseal(app.config["DESK"].credentials_key, account.id, account.credentials or "")
