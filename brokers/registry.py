"""From a broker's name to its adapter: the only place that branches on the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokers.base import Broker, Capabilities
    from brokers.paper.settings import PaperSettings

    BrokerSettings = PaperSettings  # a union as soon as another broker needs settings


def open_broker(kind: str, account: str, settings: BrokerSettings) -> Broker:
    """Return the connection of one account; nothing is sent yet. ValueError naming the known brokers."""
    try:
        constructor = CONSTRUCTORS[kind]
    except KeyError:
        raise ValueError(f"unknown broker '{kind}'; known: {', '.join(sorted(CONSTRUCTORS))}") from None
    return constructor(account, settings)


# An adapter is imported only when it is used: its libraries may be large, or missing.
def _paper(account: str, settings: BrokerSettings) -> Broker:
    from brokers.paper.broker import PaperBroker
    from brokers.paper.venue import PaperVenue

    return PaperBroker(PaperVenue(settings), account)


def _paper_can() -> Capabilities:
    from brokers.paper.broker import PaperBroker

    return PaperBroker.capabilities


def capabilities_of(kind: str) -> Capabilities:
    """Return what a broker can do, without a connection to it. ValueError naming the known brokers."""
    try:
        return CAPABILITIES[kind]()
    except KeyError:
        raise ValueError(f"unknown broker '{kind}'; known: {', '.join(sorted(CAPABILITIES))}") from None


CAPABILITIES: dict[str, Callable[[], Capabilities]] = {"paper": _paper_can}
CONSTRUCTORS: dict[str, Callable[[str, BrokerSettings], Broker]] = {"paper": _paper}
