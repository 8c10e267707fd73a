"""Keys of a broker account as people give them: judged, and tried at the broker before anything is stored.

They are never shown, logged or repeated in a refusal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from flask import current_app

import logs
from brokers.errors import AccessRefused, BrokerUnavailable
from brokers.registry import spec_of
from brokers.spec import Opening
from domain.enums import Environment
from domain.errors import BrokerAway, InvalidInput
from domain.messages import AccountReport
from extensions import reading
from models import BrokerAccount
from services.accounts.credentials import CredentialsUnreadable, seal, unseal


class Keys(Mapping[str, str]):
    """What opens an account at its broker, a value for each of the broker's fields; shown nowhere."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._values.items())))

    def __repr__(self) -> str:
        return f"Keys({', '.join(self._values)})"


def ask(kind: str, opening: Opening) -> AccountReport:
    """Return what a broker says of an account now; not within a transaction. Raises BrokerUnavailable."""
    broker = spec_of(kind).connect(current_app.config["DESK"], opening)
    try:
        return broker.account()
    finally:
        broker.close()


def try_keys(kind: str, name: str, environment: Environment, keys: Keys) -> AccountReport:
    """Return what the broker says to these keys; raises InvalidInput where it refuses them, or BrokerAway."""
    spec = spec_of(kind)
    opening = Opening(account=name, environment=environment, may_trade=False, credentials=keys, on_trial=True)
    try:
        with contextlib.ExitStack() as hidden:
            for secret in spec.secrets(keys):
                hidden.enter_context(logs.hiding(secret))
            return ask(kind, opening)
    except AccessRefused:
        rule = f"{spec.title} does not accept these keys for {environment}; paper keys and live keys are different ones"
        raise InvalidInput({spec.credentials[0].name: rule}) from None
    except BrokerUnavailable as e:
        why = spec.without(keys, str(e))
        raise BrokerAway(f"{spec.title} cannot be reached now; nothing was stored: {why}") from None


def store_keys(account: BrokerAccount, keys: Keys, number: str) -> None:
    """Encrypt the keys into a row that has its id; `number` is what the broker calls the account."""
    spec = spec_of(account.broker)
    for secret in spec.secrets(keys):
        logs.hide(secret)
    account.credentials = seal(current_app.config["DESK"].credentials_key, account.id, keys)
    account.key_hint = spec.hint(keys)
    account.broker_number = number or account.broker_number


def stored_identity(account: BrokerAccount) -> str | None:
    """Return what is not secret of an account's keys, for comparison only; None where none can be read."""
    if account.credentials is None:
        return None
    try:
        keys = unseal(current_app.config["DESK"].credentials_key, account.id, account.credentials)
        return spec_of(account.broker).identity(keys)
    except CredentialsUnreadable:
        return None


def unreadable() -> list[str]:
    """Return the names of the accounts whose stored keys this process's CREDENTIALS_KEY does not open."""
    with reading() as session:
        B = BrokerAccount
        stored = session.execute(sa.select(B).where(B.credentials.is_not(None)).order_by(B.id)).scalars()
        return [account.name for account in stored if stored_identity(account) is None]
