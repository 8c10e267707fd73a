"""Reads of signals for the API and the pages; each list is one walk along one index, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import defer, selectinload

from domain.enums import Route
from domain.errors import InvalidInput, NotFound
from domain.order_status import SignalStatus
from extensions import database_time, db
from models import BrokerAccount, Order, OrderEvent, Signal, Worker
from models.order import OPEN
from models.signal import UNBALANCED
from services.health import STALE

ANONYMOUS_ROWS = 5
ANONYMOUS_WAITING_ROWS = 20
MOST_ROWS = 5000  # of one answer, so that one reader cannot take the memory of a web process
NAMES_FROM = 500  # the newest signals among which the latest names are looked for
CRITICAL_HOURS = 24  # how long a signal that needs a person is pointed out


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFilter:
    """What to list: a stock's or pair's name, a status, times of receipt (UTC, `until` excluded).

    `external`: those alone that an outside executor trades.
    """

    name: str | None = None
    status: SignalStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    external: bool = False


def get_signal(rowid: int) -> Signal:
    """Return a signal with its orders and fills; raises NotFound."""
    query = sa.select(Signal).where(Signal.id == rowid).options(selectinload(Signal.orders).selectinload(Order.fills))
    if (row := db.session.execute(query).scalar_one_or_none()) is None:
        raise NotFound("item not found.")
    return row


def list_signals(wanted: SignalFilter, limit: int | None, after: int | None = None) -> Sequence[Signal]:
    """Return signals, newest first, those older than the signal `after`; None = as many as one answer may hold.

    Raises InvalidInput when there is no signal `after`.
    """
    query = (
        sa.select(Signal)
        .options(defer(Signal.trace))  # the bulk of a row, and no list shows it
        .order_by(Signal.received_at.desc(), Signal.id.desc())
        .limit(min(limit or MOST_ROWS, MOST_ROWS))
    )
    if wanted.name is not None:
        query = query.where(Signal.name == wanted.name)
    if wanted.status is not None:
        query = query.where(Signal.status == wanted.status)
    if wanted.external:
        query = query.where(Signal.external)
    if wanted.since is not None:
        query = query.where(Signal.received_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Signal.received_at < wanted.until)
    if after is not None:
        received_at = db.session.execute(sa.select(Signal.received_at).where(Signal.id == after)).scalar()
        if received_at is None:
            raise InvalidInput({"after": "there is no such signal"})
        here = sa.tuple_(sa.literal(received_at, Signal.received_at.type), sa.literal(after))
        query = query.where(sa.tuple_(Signal.received_at, Signal.id) < here)
    return db.session.execute(query).scalars().all()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """How the desk is doing at `now` by the database's clock; `waiting` counts what its own worker must execute."""

    now: datetime
    account: str
    route: str
    worker_seen: datetime | None  # of a worker that did not say it stops
    worker_stopped: datetime | None
    waiting: int
    critical: int  # of the last CRITICAL_HOURS
    open_orders: int  # of the desk's own; those of outside executors want no worker
    unbalanced: int  # pairs whose legs do not hedge each other

    @property
    def worker_ok(self) -> bool:
        """Return True if a worker was heard from lately."""
        return self.worker_age is not None and self.worker_age.total_seconds() < STALE

    @property
    def worker_needed(self) -> bool:
        """Return True if a worker has anything to do here; not where another program executes all."""
        return self.route == Route.DESK or bool(self.waiting or self.open_orders or self.unbalanced)

    @property
    def worker_age(self) -> timedelta | None:
        """Return the time since a running worker was last heard from; None when none runs."""
        return None if self.worker_seen is None else max(self.now - self.worker_seen, timedelta(0))


def desk_state() -> DeskState:
    """Return route, worker and open ends in one read."""
    now = database_time()
    count = sa.select(sa.func.count()).select_from(Signal)
    waiting = count.where(Signal.status.in_((SignalStatus.WAITING, SignalStatus.REROUTED)), ~Signal.external)
    own = sa.select(BrokerAccount.id).where(BrokerAccount.route == Route.DESK)
    open_orders = sa.select(sa.func.count()).select_from(Order).where(OPEN, Order.account_id.in_(own))
    lately = now - timedelta(hours=CRITICAL_HOURS)
    critical = count.where(Signal.status == SignalStatus.CRITICAL, Signal.received_at > lately)
    row = db.session.execute(
        sa.select(
            BrokerAccount.name,
            BrokerAccount.route,
            sa.select(sa.func.max(Worker.seen_at)).where(Worker.stopped_at.is_(None)).scalar_subquery().label("seen"),
            sa.select(sa.func.max(Worker.stopped_at)).scalar_subquery().label("stopped"),
            waiting.scalar_subquery().label("waiting"),
            critical.scalar_subquery().label("critical"),
            open_orders.scalar_subquery().label("open_orders"),
            sa.select(sa.func.count()).select_from(Signal).where(UNBALANCED).scalar_subquery().label("unbalanced"),
        ).where(BrokerAccount.is_default)
    ).one()
    return DeskState(
        now=now,
        account=row.name,
        route=row.route,
        worker_seen=row.seen,
        worker_stopped=row.stopped,
        waiting=row.waiting,
        critical=row.critical,
        open_orders=row.open_orders,
        unbalanced=row.unbalanced,
    )


def count_by_status(since: datetime) -> dict[SignalStatus, int]:
    """Return how many signals received since then have each status, zeros included."""
    query = sa.select(Signal.status, sa.func.count()).where(Signal.received_at >= since).group_by(Signal.status)
    counts = {SignalStatus(status): count for status, count in db.session.execute(query).all()}
    return {status: counts.get(status, 0) for status in SignalStatus}


def latest_names(limit: int) -> Sequence[str]:
    """Return the registered stocks and pairs that signals came for lately, the newest first."""
    newest = (
        sa.select(Signal.id, Signal.name, Signal.account_id, Signal.received_at)
        .order_by(Signal.received_at.desc(), Signal.id.desc())
        .limit(NAMES_FROM)
        .subquery()
    )
    query = (
        sa.select(newest.c.name)
        .where(newest.c.account_id.is_not(None))
        .group_by(newest.c.name)
        .order_by(sa.func.max(newest.c.received_at).desc(), sa.func.max(newest.c.id).desc())
        .limit(limit)
    )
    return db.session.execute(query).scalars().all()


def has_signals() -> bool:
    """Return True if any alert was ever stored."""
    return db.session.execute(sa.select(Signal.id).limit(1)).first() is not None


def list_order_events(rowid: int) -> Sequence[OrderEvent]:
    """Return every move of a signal's orders, in order of time."""
    query = sa.select(OrderEvent).join(Order, Order.id == OrderEvent.order_id).where(Order.signal_id == rowid)
    return db.session.execute(query.order_by(OrderEvent.at, OrderEvent.order_id, OrderEvent.seq)).scalars().all()
