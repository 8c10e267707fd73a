"""All adapters, by name: the only place that lists them."""

from __future__ import annotations

from brokers.alpaca.spec import ALPACA
from brokers.paper.spec import PAPER
from brokers.spec import BrokerSpec

SPECS: dict[str, BrokerSpec] = {spec.name: spec for spec in (PAPER, ALPACA)}
BUILT_IN = PAPER.name  # there is always an account of it, and it bears this name
USUAL = ALPACA.name  # where an account is added when nothing else is said
SIMULATED = ALPACA.name  # what the simulator that comes with the desk stands in for


def spec_of(kind: str) -> BrokerSpec:
    """Return the spec of a broker. ValueError naming the known ones."""
    try:
        return SPECS[kind]
    except KeyError:
        raise ValueError(f"unknown broker '{kind}'; known: {', '.join(sorted(SPECS))}") from None


def opened_with_credentials() -> list[str]:
    """Return the names of the brokers whose accounts people add."""
    return [spec.name for spec in SPECS.values() if spec.wants_credentials]


def wants_credentials(kind: str) -> bool:
    """Return True if accounts of this broker are opened with credentials; one that is not known has none."""
    return kind in SPECS and SPECS[kind].wants_credentials
