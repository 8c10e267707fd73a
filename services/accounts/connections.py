"""The desk's broker accounts, and the connections to those that it trades itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

import logs
from brokers.base import Broker
from brokers.registry import spec_of, wants_credentials
from brokers.spec import Opening
from config import Config
from domain.enums import Environment, Route
from extensions import reading
from models import BrokerAccount
from services.accounts.credentials import unseal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """All that decides how an account is connected to: equal terms need no new connection."""

    id: int
    name: str
    broker: str
    environment: Environment
    may_trade: bool
    revision: int
    has_keys: bool
    # Encrypted anew they are the same keys: other ones come with another revision.
    credentials: str | None = field(repr=False, compare=False)

    @property
    def needs_keys(self) -> bool:
        """Return True if its broker asks for keys at all."""
        return wants_credentials(self.broker)


def desk_accounts() -> dict[int, AccountTerms]:
    """Return the accounts whose signals the desk executes itself, by number."""
    with reading() as session:
        rows = session.execute(sa.select(BrokerAccount).where(BrokerAccount.route == Route.DESK)).scalars()
        return {row.id: terms_of(row) for row in rows}


def terms_of(row: BrokerAccount) -> AccountTerms:
    """Return how an account is connected to."""
    return AccountTerms(
        id=row.id,
        name=row.name,
        broker=row.broker,
        environment=Environment(row.environment),
        may_trade=row.may_trade,
        revision=row.revision,
        has_keys=row.credentials is not None,
        credentials=row.credentials,
    )


def connect(config: Config, terms: AccountTerms) -> Broker:
    """Return the connection of one account; nothing is sent yet. Raises CredentialsUnreadable."""
    spec, keys = spec_of(terms.broker), keys_of(config, terms)
    for secret in spec.secrets(keys):
        logs.hide(secret)
    opening = Opening(account=terms.name, environment=terms.environment, may_trade=terms.may_trade, credentials=keys)
    return spec.connect(config, opening)


def keys_of(config: Config, terms: AccountTerms) -> dict[str, str]:
    """Return what an account is opened with, nothing where its broker needs none. Raises CredentialsUnreadable."""
    return unseal(config.credentials_key, terms.id, terms.credentials or "") if terms.needs_keys else {}
