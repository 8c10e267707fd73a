"""What the brokers say of accounts, assets, sessions and quotes: remembered for a moment, kept for pages and what-ifs.

A worker asks the brokers between its transactions, never inside one. What it hears is also
stored, so that the web can show it with its age without asking any broker itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

import sqlalchemy as sa

from brokers.base import Broker
from brokers.errors import BrokerError
from domain.enums import Activity
from domain.messages import AccountReport, AssetReport, QuoteReport, SessionReport
from domain.preflight import BrokerFacts
from extensions import insert_or_update, reading, transaction, utc_now
from models import AccountState, AssetState, Instrument, Order, Pair, Position, Quote
from models.order import OPEN

logger = logging.getLogger(__name__)

# Seconds. A worker asks again every 5 s, so that planning seldom has to wait for an answer; what it sends
# meanwhile is counted as spent, and the broker has the last word on money anyway.
ACCOUNT_TTL = SESSION_TTL = 15.0
ASSET_TTL = 600.0
ASSET_REFRESH = 300.0
QUOTE_TTL = 1.0  # where a check goes by the quote
ESTIMATE_TTL = 15.0  # where a quote only tells what legs cost about
REMEMBERED = 600.0  # so long after a symbol was planned its quotes are kept fresh
MOST_SYMBOLS = 500  # asked for at a time


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
    wanted: dict[str, float] = field(default_factory=dict)  # when quotes of a symbol were last needed
    reserved: Decimal = Decimal(0)
    away_until: float = -1e9


class Market:
    """What one worker knows of its brokers."""

    def __init__(self, brokers: Mapping[int, Broker]) -> None:
        self._brokers = brokers
        self._known = {account_id: _Known() for account_id in brokers}

    def facts(self, account_id: int, symbols: Sequence[str], quotes: Need) -> BrokerFacts:
        """Return what is known; raises NotKnown when something was not heard lately enough."""
        known, broker, now = self._known[account_id], self._brokers[account_id], time.monotonic()
        stale = now - known.account_at > ACCOUNT_TTL or now - known.session_at > SESSION_TTL
        stale = stale or any(now - known.assets_at.get(symbol, -1e9) > ASSET_TTL for symbol in symbols)
        if quotes is not Need.NONE:
            known.wanted.update(dict.fromkeys(symbols, now))
            stale = stale or any(now - known.quotes_at.get(symbol, -1e9) > quotes.value for symbol in symbols)
        if stale:
            raise NotKnown(account_id, symbols, quotes)
        able = broker.capabilities
        return BrokerFacts(
            order_types=able.order_types,
            short_selling=able.short_selling,
            quantity_step=able.quantity_step,
            assets={symbol: known.assets.get(symbol) for symbol in symbols},
            account=known.account,
            session=known.session,
            reserved=known.reserved,
            quotes={symbol: known.quotes[symbol] for symbol in symbols if symbol in known.quotes},
        )

    def pass_over(self, account_id: int, seconds: float) -> None:
        """Plan nothing for an account for a while, because its broker cannot be asked."""
        self._known[account_id].away_until = time.monotonic() + seconds

    def reachable(self) -> tuple[int, ...]:
        """Return the accounts whose brokers can be asked, as far as is known."""
        now = time.monotonic()
        return tuple(account_id for account_id, known in self._known.items() if known.away_until <= now)

    def reserve(self, account_id: int, amount: Decimal) -> None:
        """Count money as spent until the account is asked again."""
        self._known[account_id].reserved += amount

    def ask(self, wanted: NotKnown) -> None:
        """Ask the broker for what was missing; raises BrokerUnavailable."""
        known, broker, now = self._known[wanted.account_id], self._brokers[wanted.account_id], time.monotonic()
        if now - known.session_at > SESSION_TTL:
            known.session, known.session_at = broker.session(), now
        if now - known.account_at > ACCOUNT_TTL:
            known.account, known.account_at, known.reserved = broker.account(), now, Decimal(0)
        self._ask_assets(wanted.account_id, wanted.symbols, ASSET_TTL)
        if wanted.quotes is not Need.NONE:
            self._ask_quotes(wanted.account_id, wanted.symbols)

    def refresh(self) -> None:
        """Ask for money, session, and the quotes of what is held or worked; for pages, results and what-ifs."""
        for account_id, broker in self._brokers.items():
            known = self._known[account_id]
            try:
                known.session, known.session_at = broker.session(), time.monotonic()
                known.account, known.account_at = broker.account(), time.monotonic()
                known.reserved = Decimal(0)
                in_use, registered = _symbols(account_id)
                lately = {symbol for symbol, at in known.wanted.items() if time.monotonic() - at < REMEMBERED}
                known.wanted = {symbol: known.wanted[symbol] for symbol in lately}
                self._ask_assets(account_id, sorted(in_use | registered), ASSET_REFRESH)
                _keep_quotes(account_id, self._ask_quotes(account_id, sorted(in_use | lately)).values())
            except BrokerError as e:
                logger.warning("account %s: cannot be asked for its state (%s)", account_id, e)
                _keep_account(account_id, None, None, str(e))
            else:
                _keep_account(account_id, known.account, known.session, None)

    def _ask_assets(self, account_id: int, symbols: Sequence[str], oldest: float) -> None:
        known, now = self._known[account_id], time.monotonic()
        due = [symbol for symbol in symbols if now - known.assets_at.get(symbol, -1e9) > oldest][:MOST_SYMBOLS]
        if not due:
            return
        found = self._brokers[account_id].list_assets(due)
        changed = [symbol for symbol in due if symbol not in known.assets or known.assets[symbol] != found.get(symbol)]
        for symbol in due:
            known.assets[symbol], known.assets_at[symbol] = found.get(symbol), now
        if changed:
            self._keep_assets(account_id, changed)

    def _ask_quotes(self, account_id: int, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        if not symbols:
            return {}
        known, now = self._known[account_id], time.monotonic()
        quotes = self._brokers[account_id].list_quotes(symbols)
        for symbol in symbols:
            known.quotes_at[symbol] = now
            if symbol in quotes:
                known.quotes[symbol] = quotes[symbol]
            else:
                known.quotes.pop(symbol, None)
        return quotes

    def _keep_assets(self, account_id: int, symbols: Sequence[str]) -> None:
        known = self._known[account_id]
        with transaction() as session:
            for symbol in symbols:
                asset = known.assets[symbol]
                row = insert_or_update(AssetState).values(
                    account_id=account_id,
                    symbol=symbol,
                    tradable=asset is not None and asset.tradable,
                    shortable=asset is not None and asset.shortable,
                    quantity_step=asset.quantity_step if asset else Decimal(1),
                    heard_at=utc_now(),
                )
                new = {name: row.excluded[name] for name in ("tradable", "shortable", "quantity_step", "heard_at")}
                keys = [AssetState.account_id, AssetState.symbol]
                session.execute(row.on_conflict_do_update(index_elements=keys, set_=new))


def _symbols(account_id: int) -> tuple[set[str], set[str]]:
    """Return the symbols that are held or worked, and those that alerts may come for."""
    with reading() as session:
        held = session.execute(
            sa.select(Position.symbol, Position.quantity).where(Position.account_id == account_id)
        ).all()
        worked = session.execute(sa.select(Order.symbol).where(OPEN, Order.account_id == account_id)).scalars().all()
        active = sa.select(Instrument.symbol).where(Instrument.activity == Activity.ACTIVE)
        legs = sa.select(Instrument.symbol).join(
            Pair, sa.or_(Pair.leg1_id == Instrument.id, Pair.leg2_id == Instrument.id)
        )
        registered = sa.union(active, legs.where(Pair.activity == Activity.ACTIVE))
        names = session.execute(registered).scalars().all()
    return {row.symbol for row in held if row.quantity != 0} | set(worked), set(names)


def _keep_account(
    account_id: int, account: AccountReport | None, state: SessionReport | None, trouble: str | None
) -> None:
    values: dict[str, object] = {"trouble": trouble and trouble[:255]}
    if account is not None and state is not None:
        values |= {
            "cash": account.cash,
            "currency": account.currency,
            "buying_power": account.buying_power,
            "equity": account.equity,
            "blocked": account.blocked[:255],
            "is_open": state.is_open,
            "opens_at": state.opens_at,
            "closes_at": state.closes_at,
            "heard_at": utc_now(),
        }
    with transaction() as session:
        row = insert_or_update(AccountState).values(account_id=account_id, **values)
        session.execute(row.on_conflict_do_update(index_elements=[AccountState.account_id], set_=values))


def _keep_quotes(account_id: int, quotes: Iterable[QuoteReport]) -> None:
    found = list(quotes)
    if not found:
        return
    with transaction() as session:
        for quote in found:
            new = {"bid": quote.bid, "ask": quote.ask, "source": quote.source, "at": quote.at, "heard_at": utc_now()}
            row = insert_or_update(Quote).values(account_id=account_id, symbol=quote.symbol, **new)
            keys = [Quote.account_id, Quote.symbol]
            session.execute(row.on_conflict_do_update(index_elements=keys, set_=new))
