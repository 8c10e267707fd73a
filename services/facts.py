"""What the checks go by, read from the database: only what those that are on need, in few statements.

Untouched rules cost two: one for the books, one for stops and the last signal of the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.checks.alert_rules import default_mode
from domain.checks.catalog import CHECKS
from domain.checks.facts import (
    BookLine,
    Facts,
    LastTarget,
    Money,
    PlannedLeg,
    StopInForce,
    signed,
)
from domain.checks.hours import Session as MarketSession
from domain.checks.hours import market_hours
from domain.checks.rules import Rules, Subject
from domain.enums import AssetClass, CheckMode, MarketPosition, Scope, Side, StopLevel, TickerType, WhenClosed
from domain.messages import QuoteReport
from domain.order_status import SignalStatus
from extensions import ExactDecimal
from models import AccountState, BrokerAccount, Instrument, Order, Position, Quote, Signal, Stop
from models.control import IN_FORCE
from models.order import OPEN
from models.signal import WAITING
from services import totals

USES_QUOTES = ("price_deviation", "max_notional", "funds_floor", "spread_limit")
REFUSED = (SignalStatus.CANCELED, SignalStatus.ERROR)
ROUTED = ("SMART", "ISLAND")  # no exchange: the broker's own choice, which for dollars is an American one


def gather(
    session: Session,
    signal: Signal,
    account: BrokerAccount,
    now: datetime,
    rules: Rules,
    *,
    desk_lifetime: timedelta,
    to_target: bool = False,
) -> Facts:
    """Return what the checks of a signal need to know; its legs are added once they are sized.

    `desk_lifetime` is the SIGNAL_LIFETIME; `to_target`: the position of the alert counts, not its contracts.
    """
    facts = _said(signal, account, now, desk_lifetime, to_target)
    on = {check for check in CHECKS if _is_on(check, facts, rules)}
    world: dict[str, Any] = {}
    for checks, read in READERS:
        if on & set(checks):
            world.update(read(session, facts, account, on))
    return replace(facts, **world)


def with_legs(facts: Facts, legs: Iterable[PlannedLeg]) -> Facts:
    """Return the facts with the sized legs."""
    return replace(facts, legs=tuple(legs))


def _is_on(check: str, facts: Facts, rules: Rules) -> bool:
    asked_for = default_mode(check, facts) is not None
    return rules.is_on(check, facts.subject) or (
        asked_for and rules.mode(check, facts.subject, CheckMode.REFUSE) is not CheckMode.OFF
    )


def _said(signal: Signal, account: BrokerAccount, now: datetime, desk_lifetime: timedelta, to_target: bool) -> Facts:
    return Facts(
        subject=Subject(account.name, str(signal.name), TickerType(str(signal.ticker_type))),
        symbols=tuple(symbol for symbol in (signal.symbol1, signal.symbol2) if symbol is not None),
        now=now,
        rowid=signal.id,
        received_at=signal.received_at,
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


_BOOKS = sa.union_all(
    sa.select(
        Position.name, Position.symbol, Position.quantity, Position.average_price.label("second"), sa.literal("held")
    ).where(
        Position.account_id == sa.bindparam("account_id"),
        (Position.name == sa.bindparam("name")) | Position.symbol.in_(sa.bindparam("symbols", expanding=True)),
    ),
    sa.select(Order.name, Order.symbol, Order.quantity, Order.filled_quantity, Order.side).where(
        OPEN,
        Order.account_id == sa.bindparam("account_id"),
        (Order.name == sa.bindparam("name")) | Order.symbol.in_(sa.bindparam("symbols", expanding=True)),
    ),
)


def _books(session: Session, facts: Facts, account: BrokerAccount, on: set[str]) -> dict[str, Any]:
    """Return what this book has, and what all others have of the same symbols."""
    given = {"account_id": account.id, "name": facts.subject.name, "symbols": facts.symbols}
    held: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    working: dict[tuple[str, str], Decimal] = {}
    for name, symbol, quantity, second, what in session.execute(_BOOKS, given):
        if what == "held":
            held[name, symbol] = (quantity, second)
        else:
            left = Side(what).sign * (quantity - second)
            working[name, symbol] = working.get((name, symbol), Decimal(0)) + left
    lines = []
    for key in sorted(held.keys() | working.keys()):
        quantity, average = held.get(key, (Decimal(0), Decimal(0)))
        left = working.get(key, Decimal(0))
        lines.append(BookLine(*key, quantity, left, average or None, is_worked=key in working))
    return {"books": tuple(lines)}


# As one row looked up: of `exists` PostgreSQL may make a hash of all orders.
_ITS_ORDER = sa.select(Order.id).where(Order.signal_id == Signal.id).limit(1).correlate(Signal).scalar_subquery()
_LAST = (
    sa.select(Signal.id, Signal.position, Signal.position_size, Signal.received_at)
    .where(
        Signal.name == sa.bindparam("name"),
        Signal.account_id == sa.bindparam("account_id"),
        Signal.id < sa.bindparam("rowid"),
        Signal.status.not_in([*REFUSED, SignalStatus.WAITING, SignalStatus.REROUTED])
        # What was canceled at the broker had orders; what was refused had none.
        | (Signal.status.in_(REFUSED) & _ITS_ORDER.is_not(None)),
    )
    .order_by(Signal.received_at.desc(), Signal.id.desc())
    .limit(1)
    .subquery()
)
_STOPS = sa.select(
    sa.literal("stop").label("what"),
    Stop.id,
    Stop.level.label("word"),
    sa.cast(sa.literal("0"), ExactDecimal).label("number"),
    Stop.at,
    Stop.scope,
    Stop.scope_name,
    Stop.reason,
).where(IN_FORCE)
_LAST_AND_STOPS = sa.union_all(
    _STOPS,
    sa.select(
        sa.literal("signal"),
        _LAST.c.id,
        _LAST.c.position,
        _LAST.c.position_size,
        _LAST.c.received_at,
        sa.literal(""),
        sa.literal(""),
        sa.literal(""),
    ),
).order_by(sa.literal_column("id"))


def _last_and_stops(session: Session, facts: Facts, account: BrokerAccount, on: set[str]) -> dict[str, Any]:
    """Return the stops in force, and the last signal of the name that was not refused."""
    if "missed_alert" in on:
        given = {"name": facts.subject.name, "account_id": account.id, "rowid": facts.rowid}
        rows = session.execute(_LAST_AND_STOPS, given).all()
    else:
        rows = session.execute(_STOPS.order_by(Stop.id)).all()
    last, stops = None, []
    for row in rows:
        if row.what == "stop":
            stops.append(StopInForce(StopLevel(row.word), Scope(row.scope), row.scope_name, row.reason, row.at))
        else:
            last = LastTarget(row.id, signed(_position(row.word), row.number), row.at)
    return {"last": last, "stops": tuple(stops)}


def _newer_waiting(session: Session, facts: Facts, account: BrokerAccount, on: set[str]) -> dict[str, Any]:
    query = sa.select(sa.func.max(Signal.id)).where(
        WAITING,
        Signal.external.is_(False),
        Signal.id > facts.rowid,
        Signal.name == facts.subject.name,
        Signal.side == facts.side,
        Signal.account_id == account.id,
    )
    return {"newer_waiting": session.execute(query).scalar_one()}


def _quotes(session: Session, facts: Facts, account: BrokerAccount, on: set[str]) -> dict[str, Any]:
    query = sa.select(Quote).where(Quote.account_id == account.id, Quote.symbol.in_(facts.symbols))
    rows = session.execute(query).scalars()
    return {
        "quotes": {
            row.symbol: QuoteReport(symbol=row.symbol, bid=row.bid, ask=row.ask, at=row.at, source=row.source)
            for row in rows
        }
    }


def _money(session: Session, facts: Facts, account: BrokerAccount, on: set[str]) -> dict[str, Any]:
    query = sa.select(AccountState.cash, AccountState.buying_power).where(AccountState.account_id == account.id)
    row = session.execute(query).one_or_none()
    return {"money": None if row is None else Money(row.cash, row.buying_power)}


def _sessions(session: Session, facts: Facts, account: BrokerAccount, on: set[str]) -> dict[str, Any]:
    query = sa.select(
        Instrument.symbol, Instrument.primary_exchange, Instrument.asset_class, Instrument.currency
    ).where(Instrument.symbol.in_(facts.symbols))
    sessions: dict[str, MarketSession | None] = dict.fromkeys(facts.symbols)
    for row in session.execute(query):
        foreign = row.primary_exchange in ROUTED and row.currency != "USD"
        exchange = "" if foreign else row.primary_exchange
        sessions[row.symbol] = market_hours(exchange, AssetClass(row.asset_class), facts.now)
    return {"sessions": sessions}


Reader = Callable[[Session, Facts, BrokerAccount, set[str]], dict[str, Any]]
ENTRIES_ONLY = (
    "exclusivity",
    "pyramiding",
    "max_quantity",
    "max_notional",
    "open_positions",
    "daily_loss",
    "orders_per_minute",
    "funds_floor",
    "slippage_guard",
)

# Which checks need which part; each part is one statement.
READERS: tuple[tuple[tuple[str, ...], Reader], ...] = (
    (("stop", *ENTRIES_ONLY), _books),
    (("stop", "missed_alert"), _last_and_stops),
    (("duplicate",), _newer_waiting),
    (USES_QUOTES, _quotes),
    (("funds_floor",), _money),
    (("open_positions",), totals.open_books),
    (("daily_loss",), totals.results),
    (("orders_per_minute",), totals.orders_in_minute),
    (("trading_hours",), _sessions),
    (("slippage_guard",), totals.mean_slip),
)
