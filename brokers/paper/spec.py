"""What the paper broker tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brokers.paper.rules.capabilities import CAPABILITIES
from brokers.paper.settings import PaperSettings
from brokers.spec import BrokerSpec, EnvironmentSpec, Opening
from domain.enums import Environment

if TYPE_CHECKING:
    from brokers.base import Broker


def paper_settings(config: Any) -> PaperSettings:
    """Return what the venue is opened with, from the desk's settings."""
    return PaperSettings(
        url=config.paper_database_url,
        slippage_bps=config.paper_slippage_bps,
        commission=config.paper_commission,
        reference_price=config.paper_reference_price,
        cash=config.paper_cash,
        leverage=config.paper_leverage,
    )


def _connect(config: Any, opening: Opening) -> Broker:
    from brokers.paper.broker import PaperBroker
    from brokers.paper.venue import PaperVenue

    return PaperBroker(PaperVenue(paper_settings(config)), opening.account)


PAPER = BrokerSpec(
    name="paper",
    title="The built-in paper broker",
    environments=(EnvironmentSpec(value=Environment.PAPER, label="Paper", text="Play money, on this machine."),),
    connect=_connect,
    capabilities=lambda _: CAPABILITIES,
)
