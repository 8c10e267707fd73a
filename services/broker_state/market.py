"""What the brokers say of accounts, assets, sessions and quotes: remembered for a moment, kept for pages and what-ifs.

A worker asks the brokers between its transactions, never inside one. What it hears is also
stored, so that the web can show it with its age without asking any broker itself.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum

from brokers.base import Broker
from brokers.errors import BrokerError, BrokerUnavailable, RateLimited
from domain.venue.costs import Costs
from domain.venue.order_plans import BrokerFacts
from services.broker_state import account_state
from services.broker_state.fetch import (
    BrokerState,
    ask_account,
    ask_ahead,
    ask_assets,
    ask_assets_again,
    ask_holdings,
    ask_quotes,
    ask_quotes_if_any,
    ask_session,
    wanted_lately,
)
from services.timing import ACCOUNT_TTL, ASSET_TTL, ESTIMATE_TTL, HOLDINGS_TTL, QUOTE_TTL

# Seconds. A worker asks again every 5 to 10 s, so that planning seldom has to wait for an answer; what it sends
# meanwhile is counted as spent, and the broker has the last word on money anyway.
MOST_AHEAD = 100  # of the registered symbols have quotes before the first alert for them comes


class Need(Enum):
    """How young quotes must be; the value is the age in seconds."""

    NONE = 0.0
    ESTIMATE = ESTIMATE_TTL
    CHECK = QUOTE_TTL


class NotKnown(Exception):
    """Something must be asked of a broker before the signal can be planned; carries what."""

    def __init__(self, account_id: int, symbols: Sequence[str], quotes: Need, *, holdings: bool = False) -> None:
        super().__init__(f"account {account_id}: {', '.join(symbols)}")
        self.account_id, self.symbols, self.quotes, self.holdings = account_id, symbols, quotes, holdings


class Market:
    """What one worker knows of its brokers; one thread plans by it while others keep it fresh."""

    def __init__(self, brokers: Mapping[int, Broker]) -> None:
        self._known = {account_id: BrokerState(broker) for account_id, broker in brokers.items()}

    def connect(self, account_id: int, broker: Broker) -> None:
        """Add an account, or its new connection; what the old one said is forgotten."""
        self._known[account_id] = BrokerState(broker)

    def drop(self, account_id: int) -> None:
        """Forget an account."""
        self._known.pop(account_id, None)

    def facts(self, account_id: int, symbols: Sequence[str], quotes: Need, *, sells: bool = False) -> BrokerFacts:
        """Return what is known; raises NotKnown when something was not heard lately enough, or the account was left.

        `sells`: something may be sold; where that is a coin whose fee is taken out of it, the holdings are asked for.
        """
        known = self._known.get(account_id)
        if known is None:
            raise NotKnown(account_id, symbols, quotes)
        with known.lock:
            return self._facts(account_id, known, symbols, quotes, sells=sells)

    def _facts(
        self, account_id: int, known: BrokerState, symbols: Sequence[str], quotes: Need, *, sells: bool
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
        coins = sells and known.broker.capabilities.coin_fee > 0 and any(map(known.is_always_open, symbols))
        if coins and now - known.holdings_at > HOLDINGS_TTL:
            raise NotKnown(account_id, symbols, quotes, holdings=True)
        return BrokerFacts(
            able=known.broker.capabilities,
            assets={symbol: known.assets.get(symbol) for symbol in symbols},
            account=known.account,
            session=known.session,
            reserved=known.reserved.total,
            holdings=dict(known.holdings) if coins else None,
            quotes={symbol: known.quotes[symbol] for symbol in symbols if symbol in known.quotes},
        )

    def holdings_heard(self, accounts: Collection[int]) -> dict[int, datetime]:
        """Return of which accounts the holdings are remembered, and since when, by the database's clock."""
        known = {account_id: self._known[account_id] for account_id in accounts if account_id in self._known}
        oldest = time.monotonic() - HOLDINGS_TTL
        return {
            account_id: each.holdings_as_of
            for account_id, each in known.items()
            if each.holdings_as_of is not None and each.holdings_at >= oldest
        }

    def drop_holdings(self, account_id: int) -> None:
        """Forget what an account holds: a fill has changed it since."""
        if (known := self._known.get(account_id)) is not None:
            with known.lock:
                known.holdings_at, known.holdings_as_of = -1e9, None

    def pass_over(self, account_id: int, seconds: float) -> None:
        """Plan nothing for an account for a while, because its broker cannot be asked."""
        if (known := self._known.get(account_id)) is not None:
            known.away_until = time.monotonic() + seconds

    def reachable(self) -> tuple[int, ...]:
        """Return the accounts whose brokers can be asked, as far as is known."""
        now = time.monotonic()
        return tuple(account_id for account_id, known in list(self._known.items()) if known.away_until <= now)

    def reserve(self, account_id: int, signal_id: int, amount: Costs) -> None:
        """Count money as spent until the account is asked after the broker has answered the signal's orders.

        To be called once the orders are committed, for by them it is seen what is still to be answered.
        """
        if (known := self._known.get(account_id)) is not None:
            with known.lock:
                known.reserved.add(signal_id, amount)

    def ask(self, wanted: NotKnown) -> None:
        """Fetch from the broker what a plan lacked; raises BrokerUnavailable.

        An estimate does without quotes where there are none to be had.
        """
        account_id, now = wanted.account_id, time.monotonic()
        known = self._known.get(account_id)
        if known is None:
            raise BrokerUnavailable("the account was left")
        if known.is_session_old:
            ask_session(known)
        if now - known.account_at > ACCOUNT_TTL:
            ask_account(known)
        ask_assets(account_id, known, wanted.symbols, ASSET_TTL)
        if wanted.holdings:
            ask_holdings(known)
        if wanted.quotes is Need.ESTIMATE:
            ask_quotes_if_any(account_id, known, wanted.symbols)
        elif wanted.quotes is Need.CHECK:
            ask_quotes(known, wanted.symbols)

    def refresh(self, account_id: int, *, sparing: bool = False) -> None:
        """Fetch money, session, and the quotes of what is traded; for the next plans, pages, results and what-ifs.

        Raises BrokerUnavailable, but not for quotes: an account is traded without them, and it is told that they lack.
        `sparing`: requests are scarce, so money and session must do; what a plan needs beyond them it asks for itself.
        """
        known = self._known.get(account_id)
        if known is None:  # it was left a moment ago
            return
        try:
            ask_session(known)
            ask_account(known)
            in_use, registered = (set[str](), set[str]()) if sparing else account_state.symbols_of(account_id)
            ask_assets_again(account_id, known, sorted(in_use | registered))
        except RateLimited:
            raise  # nothing is wrong there
        except BrokerError as e:
            if self._known.get(account_id) is known:
                account_state.keep_account(account_id, None, None, str(e))
            raise
        lately = set[str]() if sparing else wanted_lately(known)
        soon = set(sorted(registered)[:MOST_AHEAD])
        quotes = ask_ahead(account_id, known, sorted(in_use | lately | soon))
        if self._known.get(account_id) is known:  # else another connection has said more since
            account_state.keep_account(account_id, known.account, known.session, known.quotes_trouble)
            account_state.keep_quotes(account_id, quotes)
