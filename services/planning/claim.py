"""Claiming a batch of waiting signals, one a lane, while their accounts are locked."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, lazyload

from domain.enums import MarketPosition, Source
from domain.lanes.values import Ahead, Kind
from extensions import is_postgresql, read_alone, utc_now
from models import RegistryVersion, Signal
from models.signal import WAITING
from services.account_lock import LOCKS_OF_ACCOUNTS
from services.among import among


@dataclass(frozen=True, slots=True)
class Batch:
    """Signals to plan, locked until the transaction ends; the database's time; what waits ahead of each, by lane."""

    signals: Sequence[Signal]
    now: datetime
    version: int
    ahead: Mapping[int, tuple[Ahead, ...]]

    @property
    def accounts(self) -> frozenset[int]:
        """Return the accounts of its signals."""
        return frozenset(signal.account_id or 0 for signal in self.signals)


def is_any_due(accounts: Collection[int]) -> bool:
    """Return True if a signal of these accounts can be planned now; locks nothing."""
    return bool(read_alone(_any_due(), {"accounts": sorted(accounts)}))


def claim(session: Session, accounts: Collection[int], most: int) -> Batch | None:
    """Lock accounts that have due signals, and up to `most` of these signals; None when there is none.

    The first due one of each lane: those behind it are decided when it is. Exits go first.
    """
    given = {"accounts": sorted(accounts)}
    if is_postgresql():
        # The lock is taken in a statement of its own: what the next one reads must not be older than the lock.
        locked = [row.account_id for row in session.execute(_lock_due(), given) if row.is_locked]
        if not locked:  # nothing is due, or another worker is about to do it
            return None
        given = {"accounts": locked}
    rows = session.execute(_claimable(), {**given, "most": most}).all()
    if not rows:
        return None
    signals = [row[0] for row in rows]
    followers = [row[0] for row in rows if row.has_ahead]
    return Batch(signals, rows[0].now, rows[0].version, _ahead(session, followers))


def _due(signal: Any) -> sa.ColumnElement[bool]:
    """Return the condition that nothing puts a waiting signal off now."""
    return sa.and_(
        signal.held_until.is_(None) | (signal.held_until <= utc_now()),
        signal.look_at.is_(None) | (signal.look_at <= utc_now()),
    )


@functools.cache
def _due_accounts() -> Any:
    accounts = among(Signal.account_id, "accounts")
    return sa.select(Signal.account_id).where(WAITING, Signal.external.is_(False), accounts, _due(Signal)).distinct()


@functools.cache
def _any_due() -> Any:
    return _due_accounts().limit(1)


@functools.cache
def _lock_due() -> sa.Select[Any]:
    wanted = _due_accounts().order_by(Signal.account_id).subquery()
    is_locked = sa.func.pg_try_advisory_xact_lock(LOCKS_OF_ACCOUNTS, wanted.c.account_id)
    return sa.select(wanted.c.account_id, is_locked.label("is_locked"))


@functools.cache
def _claimable() -> sa.Select[Any]:
    waiting = sa.text("earlier.status in ('waiting', 'rerouted')")
    earlier = aliased(Signal, name="earlier")
    ahead = aliased(Signal, name="ahead")
    same_lane = sa.exists().where(
        earlier.account_id == Signal.account_id,
        earlier.name == Signal.name,
        earlier.id < Signal.id,
        waiting,
        _due(earlier),
    )
    has_ahead = sa.exists().where(
        ahead.account_id == Signal.account_id,
        ahead.name == Signal.name,
        ahead.id < Signal.id,
        sa.text("ahead.status in ('waiting', 'rerouted')"),
    )
    exits_first = sa.case((Signal.position == MarketPosition.FLAT, 0), else_=1)
    version = sa.select(RegistryVersion.version).scalar_subquery()
    return (
        sa.select(Signal, utc_now().label("now"), version.label("version"), has_ahead.label("has_ahead"))
        .options(lazyload(Signal.account))
        .where(WAITING, Signal.external.is_(False), among(Signal.account_id, "accounts"))
        .where(_due(Signal), ~same_lane)
        .order_by(exits_first, Signal.id)
        .limit(sa.bindparam("most"))
        .with_for_update(skip_locked=True, of=Signal)
    )


def _ahead(session: Session, signals: Sequence[Signal]) -> dict[int, tuple[Ahead, ...]]:
    """Return what waits ahead of signals in their lanes, oldest first."""
    if not signals:
        return {}
    lanes: dict[tuple[int, str], list[Any]] = defaultdict(list)
    accounts, names = {signal.account_id for signal in signals}, {signal.name for signal in signals}
    for row in session.execute(_waiting_of(accounts, names)):
        lanes[row.account_id, row.name].append(row)
    return {
        signal.id: tuple(
            _as_ahead(row) for row in lanes[signal.account_id or 0, str(signal.name)] if row.id < signal.id
        )
        for signal in signals
    }


def ahead_of(session: Session, signal: Signal) -> tuple[Ahead, ...]:
    """Return what waits ahead of a signal that somebody only asks about."""
    return tuple(_as_ahead(row) for row in session.execute(_waiting_of({signal.account_id}, {signal.name})))


def _waiting_of(accounts: Collection[int | None], names: Collection[str | None]) -> Any:
    return (
        sa.select(
            Signal.id, Signal.account_id, Signal.name, Signal.kind, Signal.position, Signal.source, Signal.status_reason
        )
        .where(WAITING, Signal.external.is_(False), Signal.account_id.in_(accounts), Signal.name.in_(names))
        .order_by(Signal.id)
    )


def _as_ahead(row: Any) -> Ahead:
    return Ahead(signal_id=row.id, is_exit=_closes(row), why=row.status_reason or "it is to be planned")


def _closes(row: Any) -> bool:
    """Return True if a waiting signal closes something: later ones wait for it, whatever they are."""
    if row.kind is not None:
        return bool(row.kind in (Kind.EXIT, Kind.REVERSAL))
    return bool(row.source == Source.FLATTEN or row.position == MarketPosition.FLAT)
