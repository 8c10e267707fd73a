"""From a broker's name to its adapter: the only place that branches on the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from brokers.alpaca.settings import AlpacaSettings
    from brokers.base import Broker, Capabilities
    from brokers.paper.settings import PaperSettings

    BrokerSettings = PaperSettings | AlpacaSettings


Entry = TypeVar("Entry")


def open_broker(kind: str, account: str, settings: BrokerSettings) -> Broker:
    """Return the connection of one account; nothing is sent yet. ValueError naming the known brokers."""
    return _known(CONSTRUCTORS, kind)(account, settings)


def capabilities_of(kind: str) -> Capabilities:
    """Return what a broker can do, without a connection to it. ValueError naming the known brokers."""
    return _known(CAPABILITIES, kind)()


def _known(table: dict[str, Entry], kind: str) -> Entry:
    try:
        return table[kind]
    except KeyError:
        raise ValueError(f"unknown broker '{kind}'; known: {', '.join(sorted(table))}") from None


# An adapter is imported only when it is used: its libraries may be large, or missing.
def _paper(account: str, settings: PaperSettings) -> Broker:
    from brokers.paper.broker import PaperBroker
    from brokers.paper.venue import PaperVenue

    return PaperBroker(PaperVenue(settings), account)


def _paper_can() -> Capabilities:
    from brokers.paper.broker import PaperBroker

    return PaperBroker.capabilities


def _alpaca(account: str, settings: AlpacaSettings) -> Broker:
    from brokers.alpaca.broker import AlpacaBroker

    return AlpacaBroker(settings, account)


def _alpaca_can() -> Capabilities:
    from brokers.alpaca.capabilities import CAPABILITIES

    return CAPABILITIES


CAPABILITIES: dict[str, Callable[[], Capabilities]] = {"paper": _paper_can, "alpaca": _alpaca_can}
CONSTRUCTORS: dict[str, Callable[..., Broker]] = {"paper": _paper, "alpaca": _alpaca}
WITH_KEYS = ("alpaca",)  # their accounts are opened with keys that people get there
