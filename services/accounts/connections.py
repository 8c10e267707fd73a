"""The desk's broker accounts, and the connections to those that it trades itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

import logs
from brokers.alpaca.settings import AlpacaSettings
from brokers.base import Broker
from brokers.paper.settings import PaperSettings
from brokers.registry import WITH_KEYS, open_broker
from config import Config
from domain.enums import Environment, Route
from extensions import reading
from models import BrokerAccount
from services.accounts.credentials import unseal

if TYPE_CHECKING:
    from brokers.registry import BrokerSettings


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
        return self.broker in WITH_KEYS


def paper_settings(config: Config) -> PaperSettings:
    """Return what the paper venue is opened with."""
    return PaperSettings(
        url=config.paper_database_url,
        slippage_bps=config.paper_slippage_bps,
        commission=config.paper_commission,
        reference_price=config.paper_reference_price,
        cash=config.paper_cash,
        leverage=config.paper_leverage,
    )


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
    return open_broker(terms.broker, terms.name, settings_of(config, terms))


def settings_of(config: Config, terms: AccountTerms) -> BrokerSettings:
    """Return what the adapter of an account is opened with. Raises CredentialsUnreadable."""
    if terms.broker == "paper":
        return paper_settings(config)
    keys = unseal(config.credentials_key, terms.id, terms.credentials or "")
    return alpaca_settings(config, terms.environment, keys, may_trade=terms.may_trade)


def alpaca_settings(
    config: Config, environment: Environment, keys: dict[str, str], *, may_trade: bool, on_trial: bool = False
) -> AlpacaSettings:
    """Return what the Alpaca adapter is opened with; `keys` holds key_id and secret_key, which no log will show.

    Keys on trial are hidden by whoever tries them, as long as it takes.
    """
    if not on_trial:
        logs.hide(keys["secret_key"])
    return AlpacaSettings(
        environment=environment,
        key_id=keys["key_id"],
        secret_key=keys["secret_key"],
        simulator_url=config.alpaca_simulator_url,
        feed=config.alpaca_feed,
        may_trade=may_trade,
        on_trial=on_trial,
    )
