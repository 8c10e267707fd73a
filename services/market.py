"""What the brokers say of accounts, assets, sessions and quotes: remembered for a moment, kept for pages and what-ifs.

A worker asks the brokers between its transactions, never inside one. What it hears is also
stored, so that the web can show it with its age without asking any broker itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from brokers.base import Broker, Capabilities
from brokers.errors import BrokerError
from domain.messages import AccountReport, AssetReport, QuoteReport, SessionReport
from domain.preflight import BrokerFacts
from services import heard
from services.reservations import Reservations, answered

logger = logging.getLogger(__name__)

# Seconds. A worker asks again every 5 to 10 s, so that planning seldom has to wait for an answer; what it sends
# meanwhile is counted as spent, and the broker has the last word on money anyway.
ACCOUNT_TTL = SESSION_TTL = 15.0
TURNED_TTL = 1.0  # once the market was to open or to close: brokers' clocks differ from ours by less
ASSET_TTL = 600.0
ASSET_REFRESH = 300.0
QUOTE_TTL = 1.0  # where a check goes by the quote
ESTIMATE_TTL = 15.0  # where a quote only tells what legs cost about
REMEMBERED = 600.0  # so long after a symbol was planned its quotes are kept fresh
MOST_SYMBOLS = 500  # asked for at a time
MOST_AHEAD = 100  # of the registered symbols have quotes before the first alert for them comes


class Need(Enum):
    """How young quotes must be; the value is the age in seconds."""

    NONE = 0.0
    ESTIMATE = ESTIMATE_TTL
    CHECK = QUOTE_TTL


class NotKnown(Exception):
    """Something must be asked of a broker before the signal can be planned; carries what."""

    def __init__(self, account_id: int, symbols: Sequence[str], quotes: Need) -> None:
        super().__init__(f"account {account_id}: {', '.join(symbols)}")
        self.account_id, self.symbols, self.quotes = account_id, symbols, quotes


@dataclass(slots=True)
class _Known:
    """One account's broker as last heard; times are monotonic seconds."""

    account: AccountReport | None = None
    account_at: float = -1e9
    session: SessionReport | None = None
    session_at: float = -1e9
    assets: dict[str, AssetReport | None] = field(default_factory=dict)
    assets_at: dict[str, float] = field(default_factory=dict)
    quotes: dict[str, QuoteReport] = field(default_factory=dict)
    quotes_at: dict[str, float] = field(default_factory=dict)
    missed_at: dict[str, float] = field(default_factory=dict)  # when quotes could not be had
    wanted: dict[str, float] = field(default_factory=dict)  # when quotes of a symbol were last needed
    reserved: Reservations = field(default_factory=Reservations)
    away_until: float = -1e9
    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: threading.Lock = field(default_factory=threading.Lock)  # for the account, which one thread does at a time

    @property
    def is_session_old(self) -> bool:
        """Tell whether the session must be asked for before anything is planned by it."""
        turned = self.session is not None and self.session.has_turned(datetime.now(UTC))
        return time.monotonic() - self.session_at > (TURNED_TTL if turned else SESSION_TTL)


def broker_facts(able: Capabilities, **heard: Any) -> BrokerFacts:
    """Return what a broker can do together with what it has said lately."""
    return BrokerFacts(
        order_types=able.order_types,
        times_in_force=able.times_in_force,
        short_selling=able.short_selling,
        extended_hours=able.extended_hours,
        reverses_in_one_order=able.reverses_in_one_order,
        quantity_step=able.quantity_step,
        **heard,
    )


class Market:
    """What one worker knows of its brokers; one thread plans by it while others keep it fresh."""

    def __init__(self, brokers: Mapping[int, Broker]) -> None:
        self._brokers: dict[int, Broker] = {}
        self._known: dict[int, _Known] = {}
        for account_id, broker in brokers.items():
            self.connect(account_id, broker)

    def connect(self, account_id: int, broker: Broker) -> None:
        """Take an account up, or its new connection; what the old one said is forgotten."""
        self._brokers[account_id], self._known[account_id] = broker, _Known()

    def drop(self, account_id: int) -> None:
        """Forget an account."""
        self._brokers.pop(account_id, None)
        self._known.pop(account_id, None)

    def facts(self, account_id: int, symbols: Sequence[str], quotes: Need) -> BrokerFacts:
        """Return what is known; raises NotKnown when something was not heard lately enough."""
        known, broker = self._known[account_id], self._brokers[account_id]
        with known.lock:
            return self._facts(account_id, known, broker, symbols, quotes)

    def _facts(
        self, account_id: int, known: _Known, broker: Broker, symbols: Sequence[str], quotes: Need
    ) -> BrokerFacts:
        now = time.monotonic()
        stale = now - known.account_at > ACCOUNT_TTL or known.is_session_old
        stale = stale or any(now - known.assets_at.get(symbol, -1e9) > ASSET_TTL for symbol in symbols)
        if quotes is not Need.NONE:
            known.wanted.update(dict.fromkeys(symbols, now))
            asked_at = known.quotes_at if quotes is Need.CHECK else known.missed_at | known.quotes_at
            stale = stale or any(now - asked_at.get(symbol, -1e9) > quotes.value for symbol in symbols)
        if stale:
            raise NotKnown(account_id, symbols, quotes)
        return broker_facts(
            broker.capabilities,
            assets={symbol: known.assets.get(symbol) for symbol in symbols},
            account=known.account,
            session=known.session,
            reserved=known.reserved.total,
            quotes={symbol: known.quotes[symbol] for symbol in symbols if symbol in known.quotes},
        )

    def pass_over(self, account_id: int, seconds: float) -> None:
        """Plan nothing for an account for a while, because its broker cannot be asked."""
        self._known[account_id].away_until = time.monotonic() + seconds

    def reachable(self) -> tuple[int, ...]:
        """Return the accounts whose brokers can be asked, as far as is known."""
        now = time.monotonic()
        return tuple(account_id for account_id, known in self._known.items() if known.away_until <= now)

    def reserve(self, account_id: int, signal_id: int, amount: Decimal) -> None:
        """Count money as spent until the account is asked after the broker has answered the signal's orders.

        To be called once the orders are committed, for by them it is seen what is still to be answered.
        """
        known = self._known[account_id]
        with known.lock:
            known.reserved.add(signal_id, amount)

    def ask(self, wanted: NotKnown) -> None:
        """Ask the broker for what was missing; raises BrokerUnavailable.

        An estimate does without quotes where there are none to be had.
        """
        account_id, now = wanted.account_id, time.monotonic()
        known = self._known[account_id]
        if known.is_session_old:
            self._ask_session(account_id)
        if now - known.account_at > ACCOUNT_TTL:
            self._ask_account(account_id)
        self._ask_assets(account_id, wanted.symbols, ASSET_TTL)
        if wanted.quotes is Need.ESTIMATE:
            self._ask_quotes_if_any(account_id, wanted.symbols)
        elif wanted.quotes is Need.CHECK:
            self._ask_quotes(account_id, wanted.symbols)

    def refresh(self, account_id: int) -> None:
        """Ask for money, session, and the quotes of what is traded; for the next plans, pages, results and what-ifs."""
        known = self._known[account_id]
        try:
            self._ask_session(account_id)
            self._ask_account(account_id)
            in_use, registered = heard.symbols_of(account_id)
            with known.lock:
                now = time.monotonic()
                known.wanted = {symbol: at for symbol, at in known.wanted.items() if now - at < REMEMBERED}
                lately = set(known.wanted)
            self._ask_assets(account_id, sorted(in_use | registered), ASSET_REFRESH)
            soon = set(sorted(registered)[:MOST_AHEAD])
            heard.keep_quotes(account_id, self._ask_quotes(account_id, sorted(in_use | lately | soon)).values())
        except BrokerError as e:
            heard.keep_account(account_id, None, None, str(e))
            raise
        heard.keep_account(account_id, known.account, known.session, None)

    def _ask_session(self, account_id: int) -> None:
        session, known = self._brokers[account_id].session(), self._known[account_id]
        with known.lock:
            known.session, known.session_at = session, time.monotonic()

    def _ask_account(self, account_id: int) -> None:
        known = self._known[account_id]
        with known.asking:  # of two that ask at once the first to ask may be the last to be answered
            with known.lock:
                reserved = known.reserved.signals
            counted = answered(reserved)  # before asking: what is answered meanwhile need not be in what is heard now
            account = self._brokers[account_id].account()
            with known.lock:
                known.account, known.account_at = account, time.monotonic()
                known.reserved.release(counted)

    def _ask_assets(self, account_id: int, symbols: Sequence[str], oldest: float) -> None:
        known, now = self._known[account_id], time.monotonic()
        due = [symbol for symbol in symbols if now - known.assets_at.get(symbol, -1e9) > oldest][:MOST_SYMBOLS]
        if not due:
            return
        found = self._brokers[account_id].list_assets(due)
        changed = {
            symbol: found.get(symbol)
            for symbol in due
            if symbol not in known.assets or known.assets[symbol] != found.get(symbol)
        }
        with known.lock:
            for symbol in due:
                known.assets[symbol], known.assets_at[symbol] = found.get(symbol), now
        if changed:
            heard.keep_assets(account_id, changed)

    def _ask_quotes_if_any(self, account_id: int, symbols: Sequence[str]) -> None:
        """Ask for quotes; where they cannot be had, older ones stand, which tell their age."""
        try:
            self._ask_quotes(account_id, symbols)
        except BrokerError as e:
            logger.warning("account %s: no quotes of %s (%s); planning without", account_id, ", ".join(symbols), e)
            known = self._known[account_id]
            with known.lock:
                known.missed_at.update(dict.fromkeys(symbols, time.monotonic()))
                for symbol in symbols:
                    known.quotes_at.pop(symbol, None)

    def _ask_quotes(self, account_id: int, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        if not symbols:
            return {}
        known = self._known[account_id]
        quotes = self._brokers[account_id].list_quotes(symbols)
        with known.lock:
            now = time.monotonic()
            for symbol in symbols:
                known.quotes_at[symbol] = now
                if symbol in quotes:
                    known.quotes[symbol] = quotes[symbol]
                else:
                    known.quotes.pop(symbol, None)
        return quotes
