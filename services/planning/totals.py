"""Sums over many rows that limits are held against: what is open, what today earned, what a minute saw."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.checks.catalog import SLIP_FILLS
from domain.checks.facts import Facts, MeanSlip
from domain.enums import Scope, TickerType
from domain.order_status import SignalStatus
from domain.position import unrealised
from extensions import ExactDecimal
from models import BrokerAccount, DailyResult, Order, Position, Quote, Signal
from models.order import OPEN
from services.catalog.snapshots import AccountRef

MINUTE = timedelta(seconds=60)
RECENT_ORDERS = 2000  # the newest so many are looked through; no limit of a minute is larger

_OPEN_BOOKS = sa.union(
    sa.select(BrokerAccount.name.label("account"), Position.name)
    .join(BrokerAccount, BrokerAccount.id == Position.account_id)
    .where(sa.cast(Position.quantity, sa.Numeric) != 0),
    sa.select(BrokerAccount.name, Order.name)
    .join(BrokerAccount, BrokerAccount.id == Order.account_id)
    .where(OPEN, Order.is_exit.is_(False)),
)


def open_books(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    """Return the books of the whole desk that have a position or a working entry."""
    return {"open_books": frozenset((row.account, row.name) for row in session.execute(_OPEN_BOOKS))}


_TODAY = sa.union_all(
    sa.select(
        DailyResult.account_id,
        DailyResult.name,
        DailyResult.realised.label("first"),
        DailyResult.commission.label("second"),
        sa.cast(sa.literal("0"), ExactDecimal).label("bid"),
        sa.cast(sa.literal("0"), ExactDecimal).label("ask"),
        sa.literal("day").label("what"),
    ).where(DailyResult.day == sa.bindparam("day"), DailyResult.account_id.in_(sa.select(BrokerAccount.id))),
    sa.select(
        Position.account_id,
        Position.name,
        Position.quantity,
        Position.average_price,
        Quote.bid,
        Quote.ask,
        sa.literal("held"),
    )
    .join(Quote, (Quote.account_id == Position.account_id) & (Quote.symbol == Position.symbol))
    .where(sa.cast(Position.quantity, sa.Numeric) != 0),
)


def results(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    """Return what today (UTC) earned: realised less commission, and unrealised at the last quotes."""
    results: dict[Scope, Decimal] = defaultdict(Decimal)
    for row in session.execute(_TODAY, {"day": f"{facts.now:%Y-%m-%d}"}):
        if row.what == "day":
            amount = row.first - row.second
        else:  # what closing would bring: a long position is sold at the bid, a short one bought back at the ask
            amount = unrealised(row.first, row.second, row.bid if row.first > 0 else row.ask)
        for scope in _scopes(facts, account, row.account_id, row.name):
            results[scope] += amount
    return {"results": dict(results)}


def orders_in_minute(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    """Return how many orders of entries were made within the last 60 seconds, by scope."""
    newest = (
        sa.select(Order.account_id, Order.name, Order.created_at, Order.is_exit)
        .order_by(Order.id.desc())
        .limit(RECENT_ORDERS)
        .subquery()
    )
    query = (
        sa.select(newest.c.account_id, newest.c.name, sa.func.count().label("count"))
        .where(newest.c.created_at > facts.now - MINUTE, newest.c.is_exit.is_(False))
        .group_by(newest.c.account_id, newest.c.name)
    )
    counts: dict[Scope, int] = defaultdict(int)
    for account_id, name, count in session.execute(query):
        for scope in _scopes(facts, account, account_id, name):
            counts[scope] += count
    return {"orders_in_minute": dict(counts)}


def _scopes(facts: Facts, account: AccountRef, account_id: int, name: str) -> tuple[Scope, ...]:
    """Return the scopes of the signal that a row of an account and a name counts for."""
    if account_id != account.id:
        return (Scope.DESK,)
    if name != facts.subject.name:
        return (Scope.DESK, Scope.ACCOUNT)
    own = Scope.PAIR if facts.subject.kind is TickerType.PAIR else Scope.STOCK
    return (Scope.DESK, Scope.ACCOUNT, own)


def mean_slip(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    """Return the mean slip of the last fills of the name and side, weighted by their quantities."""
    query = (
        sa.select(Signal.slip, Signal.filled_quantity)
        .where(
            Signal.name == facts.subject.name,
            Signal.status == SignalStatus.FILLED,
            Signal.side == facts.side,
            Signal.account_id == account.id,
            Signal.slip.is_not(None),
            Signal.filled_quantity.is_not(None),
        )
        .order_by(Signal.received_at.desc(), Signal.id.desc())
        .limit(SLIP_FILLS)
    )
    rows = session.execute(query).all()
    quantity = sum((row.filled_quantity for row in rows), Decimal(0))
    if not quantity:
        return {"mean_slip": None}
    total = sum((row.slip * row.filled_quantity for row in rows), Decimal(0))
    return {"mean_slip": MeanSlip(total / quantity, len(rows))}
