"""All that the simulator remembers: its clock, market, accounts and what it was told."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from simulators.alpaca import keys
from simulators.alpaca.account import Account
from simulators.alpaca.clock import Clock
from simulators.alpaca.engine import Engine
from simulators.alpaca.faults import Faults
from simulators.alpaca.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the simulator is started; `fill_after` in seconds, `rate_limit` in requests a minute and key."""

    fill_after: float = 0.05
    cash: Decimal = Decimal(1_000_000)
    rate_limit: int = 200
    state: str | None = None


@dataclass
class World:
    """The state of one simulator."""

    options: Options
    clock: Clock = field(default_factory=Clock)
    accounts: dict[str, Account] = field(default_factory=dict)  # by key
    faults: Faults = field(default_factory=Faults)
    requests: Counter[str] = field(default_factory=Counter)
    customers: list[Any] = field(default_factory=list)  # of the Broker API
    customer_events: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, datetime] = field(default_factory=dict)  # of the Broker API, and when they end
    listener: Callable[[str, dict[str, Any], int], None] = lambda key, event, times: None
    dirty: bool = False
    market: Market = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.changed = asyncio.Event()
        self.market = Market(self.clock)
        self.engine = Engine(self.market, self.clock, self.options.fill_after, self._tell)
        if keys.KEY not in self.accounts:
            self.add(keys.KEY, keys.SECRET)

    def add(self, key: str, secret: str) -> Account:
        """Open an account for a pair of keys."""
        self.accounts[key] = Account(key, secret, self.options.cash, self.clock.now())
        self.dirty = True
        return self.accounts[key]

    def find(self, key: str | None, secret: str | None) -> Account | None:
        """Return the account that a pair of keys opens."""
        account = self.accounts.get(key or "")
        return account if account is not None and account.secret == secret and not account.revoked else None

    def is_broker(self, header: str | None) -> bool:
        """Return True if a header opens the Broker API: key and secret as Basic authentication, or a token."""
        kind, _, token = (header or "").partition(" ")
        if kind == "Bearer":
            return token in self.tokens and self.clock.now() < self.tokens[token]
        wanted = base64.b64encode(f"{keys.BROKER_KEY}:{keys.BROKER_SECRET}".encode()).decode()
        return header == f"Basic {wanted}"

    def everyone(self) -> list[Account]:
        """Return all accounts."""
        return list(self.accounts.values())

    def _tell(self, account: Account, event: dict[str, Any]) -> None:
        self.dirty = True
        times = 2 if self.faults.take_event(event["order"]["symbol"]) else 1
        self.listener(account.key, event, times)
