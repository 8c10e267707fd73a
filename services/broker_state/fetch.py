"""What one account's broker has said lately, and the asking for more of it; nothing is asked inside a transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from brokers.base import Broker
from brokers.errors import BrokerError
from domain.messages import AccountReport, AssetReport, QuoteReport, SessionReport
from extensions import database_time, reading
from services.broker_state import account_state
from services.broker_state.reservations import Reservations, answered
from services.timing import ASSET_REFRESH, QUOTES_PAUSE, QUOTES_QUIET, QUOTES_WANTED, SESSION_TTL, TURNED_TTL

logger = logging.getLogger(__name__)

# Assets that are known are asked for again a few at a time. All at once would be the broker's list of everything it
# trades: megabytes, and a third of a second in which nothing is planned. Where very many are traded it is that list
# all the same, for one by one they would take the requests that orders need.
FEW, MANY = 10, 100
MOST_SYMBOLS = 50  # asked for at a time; of these a broker may leave out what it had to look up one by one


@dataclass(slots=True)
class BrokerState:
    """One account's broker as last heard; times are monotonic seconds."""

    broker: Broker
    account: AccountReport | None = None
    account_at: float = -1e9
    session: SessionReport | None = None
    session_at: float = -1e9
    assets: dict[str, AssetReport | None] = field(default_factory=dict)
    assets_at: dict[str, float] = field(default_factory=dict)
    quotes: dict[str, QuoteReport] = field(default_factory=dict)
    quotes_at: dict[str, float] = field(default_factory=dict)
    holdings: dict[str, Decimal] = field(default_factory=dict)
    holdings_at: float = -1e9
    holdings_as_of: datetime | None = None  # by the database's clock
    missed_at: dict[str, float] = field(default_factory=dict)  # when quotes could not be had
    quotes_trouble: str | None = None  # why they could not the last time
    quotes_told: bool = False  # the log says that they cannot be had
    quotes_failed_at: float = -1e9
    wanted: dict[str, float] = field(default_factory=dict)  # when quotes of a symbol were last needed
    reserved: Reservations = field(default_factory=Reservations)
    away_until: float = -1e9
    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: threading.Lock = field(default_factory=threading.Lock)  # for the account, which one thread does at a time

    @property
    def is_session_old(self) -> bool:
        """Return True if the session must be asked for before anything is planned by it."""
        turned = self.session is not None and self.session.has_turned(datetime.now(UTC))
        return time.monotonic() - self.session_at > (TURNED_TTL if turned else SESSION_TTL)

    def is_always_open(self, symbol: str) -> bool:
        """Return True if a symbol trades day and night, as coins do."""
        asset = self.assets.get(symbol)
        return asset is not None and asset.always_open


def wanted_lately(known: BrokerState) -> set[str]:
    """Return the symbols whose quotes were needed lately; what was needed long ago is forgotten."""
    with known.lock:
        now = time.monotonic()
        known.wanted = {symbol: at for symbol, at in known.wanted.items() if now - at < QUOTES_WANTED}
        return set(known.wanted)


def ask_session(known: BrokerState) -> None:
    """Fetch whether the market is open."""
    session = known.broker.session()
    with known.lock:
        known.session, known.session_at = session, time.monotonic()


def ask_account(known: BrokerState) -> None:
    """Fetch the money of the account."""
    with known.asking:  # of two that ask at once the first to ask may be the last to be answered
        with known.lock:
            reserved = known.reserved.signals
        counted = answered(reserved)  # before asking: what is answered meanwhile need not be in what is heard now
        account = known.broker.account()
        with known.lock:
            known.account, known.account_at = account, time.monotonic()
            known.reserved.release(counted)


def ask_holdings(known: BrokerState) -> None:
    """Fetch what the account holds."""
    with reading():
        as_of = database_time()
    asked_at, holdings = time.monotonic(), dict[str, Decimal]()
    for report in known.broker.list_positions():
        holdings[report.symbol] = holdings.get(report.symbol, Decimal(0)) + report.quantity
    with known.lock:
        known.holdings, known.holdings_at, known.holdings_as_of = holdings, asked_at, as_of


def ask_assets(
    account_id: int, known: BrokerState, symbols: Sequence[str], oldest: float, *, is_ahead: bool = False
) -> None:
    """Fetch what may be done with the symbols of which nothing was heard for `oldest` seconds.

    Some may be left for the next time, where the broker looks up a few only. `is_ahead`: nothing waits for it, so that
    it ends with the first that are left.
    """
    now = time.monotonic()
    due = [symbol for symbol in symbols if now - known.assets_at.get(symbol, -1e9) > oldest]
    size = MOST_SYMBOLS if known.broker.capabilities.is_remote else len(due) or 1
    for start in range(0, len(due), size):
        part = due[start : start + size]
        found = known.broker.list_assets(part)
        changed = {
            symbol: asset
            for symbol, asset in found.items()
            if symbol not in known.assets or known.assets[symbol] != asset
        }
        with known.lock:
            for symbol, asset in found.items():
                known.assets[symbol], known.assets_at[symbol] = asset, now
        if changed:
            account_state.keep_assets(account_id, changed)
        if is_ahead and len(found) < len(part):
            return


def ask_assets_again(account_id: int, known: BrokerState, symbols: Sequence[str]) -> None:
    """Fetch assets that were never heard of, else for some of those that were heard of longest ago."""
    new = [symbol for symbol in symbols if symbol not in known.assets_at]
    if not new and len(symbols) <= MANY:
        symbols = sorted(symbols, key=lambda symbol: known.assets_at[symbol])[:FEW]
    ask_assets(account_id, known, new or symbols, ASSET_REFRESH, is_ahead=True)


def ask_ahead(account_id: int, known: BrokerState, symbols: Sequence[str]) -> Collection[QuoteReport]:
    """Return the quotes of what is traded, before they are needed; none where they cannot be had.

    That they fail is told once, and that they are back once they have not failed for a while.
    """
    now = time.monotonic()
    if now - known.quotes_failed_at < QUOTES_PAUSE:
        return []
    try:
        quotes = ask_quotes(known, symbols)
    except BrokerError as e:
        if not known.quotes_told:
            logger.warning("account %s: no quotes (%s); it is traded without them", account_id, e)
        known.quotes_told, known.quotes_trouble = True, f"no quotes: {e}"
        known.quotes_failed_at = time.monotonic()
        return []
    known.quotes_trouble = None
    if known.quotes_told and now - known.quotes_failed_at > QUOTES_QUIET:
        known.quotes_told = False
        logger.info("account %s: there are quotes again", account_id)
    return list(quotes.values())


def ask_quotes_if_any(account_id: int, known: BrokerState, symbols: Sequence[str]) -> None:
    """Fetch quotes; where they cannot be had, older ones stand, which tell their age."""
    try:
        ask_quotes(known, symbols)
    except BrokerError as e:
        logger.warning("account %s: no quotes of %s (%s); planning without", account_id, ", ".join(symbols), e)
        with known.lock:
            known.missed_at.update(dict.fromkeys(symbols, time.monotonic()))
            for symbol in symbols:
                known.quotes_at.pop(symbol, None)


def ask_quotes(known: BrokerState, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
    """Fetch quotes; returns those that there are."""
    if not symbols:
        return {}
    quotes = known.broker.list_quotes(symbols)
    with known.lock:
        now = time.monotonic()
        for symbol in symbols:
            known.quotes_at[symbol] = now
            if symbol in quotes:
                known.quotes[symbol] = quotes[symbol]
            else:
                known.quotes.pop(symbol, None)
    return quotes
