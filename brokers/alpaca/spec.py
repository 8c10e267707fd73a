"""What the Alpaca adapter tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brokers.alpaca.capabilities import capabilities
from brokers.alpaca.settings import AlpacaSettings
from brokers.spec import BrokerSpec, CredentialField, EnvironmentSpec, Opening
from domain.enums import Environment

if TYPE_CHECKING:
    from brokers.base import Broker


def _connect(config: Any, opening: Opening) -> Broker:
    from brokers.alpaca.broker import AlpacaBroker

    settings = AlpacaSettings(
        environment=opening.environment,
        key_id=opening.credentials["key_id"],
        secret_key=opening.credentials["secret_key"],
        simulator_url=config.alpaca_simulator_url,
        feed=config.alpaca_feed,
        may_trade=opening.may_trade,
        on_trial=opening.on_trial,
    )
    return AlpacaBroker(settings, opening.account)


ALPACA = BrokerSpec(
    name="alpaca",
    title="Alpaca",
    environments=(
        EnvironmentSpec(
            value=Environment.PAPER,
            label="Paper",
            text="Play money at Alpaca, at real prices. Its key ids usually begin with PK.",
        ),
        EnvironmentSpec(
            value=Environment.LIVE,
            label="Live",
            text="Real money. Its key ids usually begin with AK. Nothing is sent before live trading is switched on, a "
            "step of its own.",
        ),
        EnvironmentSpec(
            value=Environment.SIMULATOR,
            label="Simulator",
            text="The stand-in for Alpaca on this machine, to rehearse without an account.",
        ),
    ),
    credentials=(
        CredentialField(name="key_id", label="Key id", is_secret=False, shown="[AP]K[A-Z0-9]{4,30}"),
        CredentialField(name="secret_key", label="Secret key", is_secret=True),
    ),
    where_from="The keys are made at alpaca.markets: log in, choose the paper or the live account, then “API Keys”. "
    "The secret key is shown there only once. The keys of paper do not open live, nor those of live paper.",
    connect=_connect,
    capabilities=capabilities,
)
