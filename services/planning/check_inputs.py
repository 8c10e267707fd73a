"""What the checks go by, read from the database: only what those that are on need, in few statements.

Untouched rules cost one, for the last signal of the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.checks.alert_rules import default_mode
from domain.checks.catalog import CHECKS, STRICT
from domain.checks.facts import (
    BookLine,
    Facts,
    LastTarget,
    Money,
    NotTraded,
    PlannedLeg,
    signed,
)
from domain.checks.hours import Session as MarketSession
from domain.checks.hours import market_hours
from domain.checks.rules import Rules, Subject
from domain.enums import AssetClass, CheckMode, MarketPosition, Side, TickerType, WhenClosed
from domain.messages import QuoteReport
from domain.order_status import SignalStatus
from models import BrokerAccount, Instrument, Signal
from models.signal import WAITING
from services.catalog.snapshots import AccountRef, Snapshot
from services.ledger.closing import read_closing
from services.planning import totals

OF_EXITS_TOO = ("price_deviation", "spread_limit")
USES_QUOTES = ("price_deviation", "max_notional", "funds_floor", "spread_limit")
REFUSED = (SignalStatus.CANCELED, SignalStatus.ERROR)
ROUTED = ("SMART", "ISLAND")  # no exchange: the broker's own choice, which for dollars is an American one


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInputs:
    """What the caller knows already: our own book, and the broker's quotes and money."""

    books: tuple[BookLine, ...]
    quotes: Mapping[str, QuoteReport]
    money: Money | None


def gather(session: Session, signal: Signal, now: datetime, known: Snapshot, world: CheckInputs, **how: Any) -> Facts:
    """Return what the checks of a signal need to know; its legs are added once they are sized.

    `how` is `desk_lifetime`, the SIGNAL_LIFETIME as a timedelta, and `to_target`: the position of the alert
    counts, not its contracts.
    """
    account_id = signal.account_id or 0
    account, rules = AccountRef(account_id, known.account_name(account_id)), known.rules
    facts = replace(
        said(signal, account, now, **how),
        books=world.books,
        stops=known.stops,
        quotes=world.quotes,
        money=world.money,
    )
    on = {check for check in CHECKS if _is_on(check, facts, rules)}
    read_too: dict[str, Any] = {}
    for checks, read in READERS:
        if on & set(checks):
            read_too.update(read(session, facts, account, on))
    return replace(facts, **read_too)


def needs_quotes(rules: Rules, subject: Subject) -> bool:
    """Tell whether a check that is on goes by quotes."""
    return any(rules.is_on(check, subject) for check in USES_QUOTES)


def insists_on_quotes(rules: Rules, subject: Subject) -> bool:
    """Tell whether a check that is on refuses exits too for want of a quote."""
    return any(rules.is_on(check, subject) and rules.choice(check, subject) == STRICT for check in OF_EXITS_TOO)


def with_legs(facts: Facts, legs: Iterable[PlannedLeg]) -> Facts:
    """Return the facts with the sized legs."""
    return replace(facts, legs=tuple(legs))


def _is_on(check: str, facts: Facts, rules: Rules) -> bool:
    asked_for = default_mode(check, facts) is not None
    return rules.is_on(check, facts.subject) or (
        asked_for and rules.mode(check, facts.subject, CheckMode.REFUSE) is not CheckMode.OFF
    )


def said(
    signal: Signal, account: AccountRef, now: datetime, *, desk_lifetime: timedelta, to_target: bool = False
) -> Facts:
    """Return what the signal itself says."""
    return Facts(
        subject=Subject(account.name, str(signal.name), TickerType(str(signal.ticker_type))),
        symbols=tuple(symbol for symbol in (signal.symbol1, signal.symbol2) if symbol is not None),
        now=now,
        rowid=signal.id,
        received_at=signal.received_at,
        alert_at=signal.alert_at,
        held_until=signal.held_until,
        desk_lifetime=Decimal(int(desk_lifetime.total_seconds())),
        side=Side(signal.side),
        quantity=signal.quantity,
        price=signal.price,
        hedge_ratio=signal.hedge_ratio,
        position=_position(signal.position),
        position_size=signal.position_size,
        previous_position=_position(signal.previous_position),
        previous_position_size=signal.previous_position_size,
        lifetime=None if signal.lifetime is None else Decimal(signal.lifetime),
        when_closed=WhenClosed(signal.when_closed) if signal.when_closed else None,
        to_target=to_target,
    )


def _position(text: str | None) -> MarketPosition | None:
    return MarketPosition(text) if text else None


_OF_NAME = (
    sa.select(Signal.id, Signal.position, Signal.position_size, Signal.received_at, Signal.status, Signal.account_id)
    .where(Signal.name == sa.bindparam("name"), Signal.id < sa.bindparam("rowid"))
    .order_by(Signal.received_at.desc(), Signal.id.desc())
    .limit(1)
)
# A strategy knows nothing of accounts, so its last alert counts wherever it was traded.
_LAST = (
    _OF_NAME.add_columns(BrokerAccount.name.label("account"))
    .outerjoin(BrokerAccount, BrokerAccount.id == Signal.account_id)
    .where(Signal.status.not_in([*REFUSED, SignalStatus.WAITING, SignalStatus.REROUTED]))
)
_CAME_TO_NOTHING = _OF_NAME.where(Signal.status.in_(REFUSED), Signal.id > sa.bindparam("after"))


def _last(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    """Return the last signal of the name that was traded, and one after it that should have led to this one's start."""
    if facts.previous is None:  # then there is nothing to hold against it
        return {}
    given = {"name": facts.subject.name, "rowid": facts.rowid}
    row = session.execute(_LAST, given).one_or_none()
    target = None if row is None else signed(_position(row.position), row.position_size)
    found: dict[str, Any] = {}
    if row is not None:
        elsewhere = None if row.account_id == account.id else row.account
        found["last"] = LastTarget(row.id, target, row.received_at, elsewhere)
    if facts.previous != (target or Decimal(0)):
        lost = session.execute(_CAME_TO_NOTHING, {**given, "after": row.id if row else 0}).one_or_none()
        if lost is not None and signed(_position(lost.position), lost.position_size) == facts.previous:
            found["not_traded"] = NotTraded(lost.id, lost.status)
    return found


def _newer_waiting(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    query = sa.select(sa.func.max(Signal.id)).where(
        WAITING,
        Signal.external.is_(False),
        Signal.id > facts.rowid,
        Signal.name == facts.subject.name,
        Signal.side == facts.side,
        Signal.account_id == account.id,
    )
    return {"newer_waiting": session.execute(query).scalar_one()}


def _sessions(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    query = sa.select(
        Instrument.symbol, Instrument.primary_exchange, Instrument.asset_class, Instrument.currency
    ).where(Instrument.symbol.in_(facts.symbols))
    sessions: dict[str, MarketSession | None] = dict.fromkeys(facts.symbols)
    for row in session.execute(query):
        foreign = row.primary_exchange in ROUTED and row.currency != "USD"
        exchange = "" if foreign else row.primary_exchange
        sessions[row.symbol] = market_hours(exchange, AssetClass(row.asset_class), facts.now)
    return {"sessions": sessions}


Reader = Callable[[Session, Facts, AccountRef, set[str]], dict[str, Any]]
# Which checks need which part; each part is one statement.
READERS: tuple[tuple[tuple[str, ...], Reader], ...] = (
    (("missed_alert",), _last),
    (("reduce_only",), read_closing),
    (("duplicate",), _newer_waiting),
    (("open_positions",), totals.open_books),
    (("daily_loss",), totals.results),
    (("orders_per_minute",), totals.orders_in_minute),
    (("trading_hours",), _sessions),
    (("slippage_guard",), totals.mean_slip),
)
