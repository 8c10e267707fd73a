"""Keys of a broker account as people give them: judged, and tried at the broker before anything is stored.

They are never shown, logged or repeated in a refusal.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import current_app

import logs
from brokers.alpaca.settings import AlpacaSettings
from brokers.errors import AccessRefused, BrokerUnavailable
from brokers.registry import open_broker
from domain.enums import Environment
from domain.errors import BrokerAway, InvalidInput
from domain.messages import AccountReport
from extensions import reading
from models import BrokerAccount
from services.accounts.connections import alpaca_settings
from services.accounts.credentials import CredentialsUnreadable, seal, unseal

if TYPE_CHECKING:
    from brokers.registry import BrokerSettings

KEY = re.compile(r"[!-~]{8,128}")
HINT = 4  # characters of a key id by which people tell one from another


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What opens an account at its broker."""

    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)

    @property
    def hint(self) -> str:
        """Return the end of the key id."""
        return self.key_id[-HINT:]

    def wrong(self) -> dict[str, str]:
        """Return the rule that each field breaks."""
        rule = "must be 8 to 128 plain characters without blanks"
        return {name: rule for name, value in asdict(self).items() if not KEY.fullmatch(value)}


def ask(kind: str, name: str, settings: BrokerSettings) -> AccountReport:
    """Return what a broker says of an account now; not within a transaction. Raises BrokerUnavailable."""
    broker = open_broker(kind, name, settings)
    try:
        return broker.account()
    finally:
        broker.close()


def try_keys(kind: str, name: str, environment: Environment, keys: Keys) -> AccountReport:
    """Return what the broker says to these keys; raises InvalidInput where it refuses them, or BrokerAway."""
    settings = alpaca_settings(current_app.config["DESK"], environment, asdict(keys), may_trade=False, on_trial=True)
    title = kind.capitalize()
    try:
        with logs.hiding(keys.secret_key):
            return ask(kind, name, settings)
    except AccessRefused:
        raise InvalidInput(
            {
                "key_id": f"{title} does not accept these keys for {environment}; "
                "paper keys and live keys are different ones"
            }
        ) from None
    except BrokerUnavailable as e:
        raise BrokerAway(
            f"{title} cannot be reached now; nothing was stored: {without_keys(settings, str(e))}"
        ) from None


def store_keys(account: BrokerAccount, keys: Keys, number: str) -> None:
    """Encrypt the keys into a row that has its id; `number` is what the broker calls the account."""
    logs.hide(keys.secret_key)
    account.credentials = seal(current_app.config["DESK"].credentials_key, account.id, asdict(keys))
    account.key_hint = keys.hint
    account.broker_number = number or account.broker_number


def stored_key_id(account: BrokerAccount) -> str | None:
    """Return the key id of an account, for comparison only; None where there is none that can be read."""
    if account.credentials is None:
        return None
    try:
        return unseal(current_app.config["DESK"].credentials_key, account.id, account.credentials).get("key_id")
    except CredentialsUnreadable:
        return None


def unreadable() -> list[str]:
    """Return the names of the accounts whose stored keys this process's CREDENTIALS_KEY does not open."""
    with reading() as session:
        B = BrokerAccount
        stored = session.execute(sa.select(B).where(B.credentials.is_not(None)).order_by(B.id)).scalars()
        return [account.name for account in stored if stored_key_id(account) is None]


def without_keys(settings: BrokerSettings, text: str) -> str:
    """Return what a broker said without the keys, which it may repeat."""
    if isinstance(settings, AlpacaSettings):
        for secret in (settings.secret_key, settings.key_id):
            text = text.replace(secret, "***")
    return text
