"""What an adapter tells of itself, so that nothing else in the house needs to know one broker from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from domain.enums import Environment
from domain.venue.capabilities import AccountCapabilities

if TYPE_CHECKING:
    from brokers.base import Broker

HINT = 4  # characters of a credential by which people tell one from another


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One thing that opens an account, as people are asked for it. A secret one is never shown again.

    What was typed is filled in again only where it matches `shown`: it may be the secret, typed in the wrong field.
    """

    name: str
    label: str
    is_secret: bool
    shown: str = ""
    pattern: str = r"[!-~]{8,128}"
    rule: str = "must be 8 to 128 plain characters without blanks"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """One of the worlds in which a broker has accounts, in words for the page."""

    value: Environment
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What one account is opened with; `may_trade` is False as long as live trading is not switched on."""

    account: str
    environment: Environment
    may_trade: bool
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_trial: bool = False  # a person is trying the keys: whether they are wrong is for that person to hear


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSpec:
    """An adapter: its names, what its accounts are opened with, what it can do, and how to connect.

    `connect` takes the desk's settings and what the account is opened with; nothing is sent yet. Adapters are imported
    by `connect` only: their libraries may be large, or missing. `capabilities` asks nobody, so that what an account can
    do is known where it is not connected: when a stock is registered, and in a what-if.
    """

    name: str
    title: str
    environments: tuple[EnvironmentSpec, ...]
    connect: Callable[[Any, Opening], Broker]
    capabilities: Callable[[Environment], AccountCapabilities]
    credentials: tuple[CredentialField, ...] = ()
    where_from: str = ""  # where its credentials are made, for the page

    @property
    def wants_credentials(self) -> bool:
        """Return True if its accounts are opened with something that people get there."""
        return bool(self.credentials)

    def wrong(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the rule that each credential breaks; one that is missing breaks its own, others are not known."""
        wrong = {
            each.name: each.rule
            for each in self.credentials
            if not re.fullmatch(each.pattern, values.get(each.name, ""))
        }
        known = {each.name for each in self.credentials}
        return wrong | {name: f"is no credential of {self.title}" for name in values if name not in known}

    def secrets(self, values: Mapping[str, str]) -> list[str]:
        """Return the values that no log may show."""
        return [values[each.name] for each in self.credentials if each.is_secret and values.get(each.name)]

    def identity(self, values: Mapping[str, str]) -> str | None:
        """Return the value by which two sets of credentials are known to open the same; None where there is none."""
        return next((values.get(each.name) for each in self.credentials if not each.is_secret), None)

    def hint(self, values: Mapping[str, str]) -> str:
        """Return the end of what is not secret."""
        return (self.identity(values) or "")[-HINT:]

    def without(self, values: Mapping[str, str], text: str) -> str:
        """Return what a broker said without the credentials, which it may repeat."""
        for value in sorted(filter(None, values.values()), key=len, reverse=True):
            text = text.replace(value, "***")
        return text
