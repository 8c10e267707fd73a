"""Reads of orders, their fills and their events; each list is one walk along one index, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager

from domain.enums import Purpose, Side
from domain.errors import InvalidInput, NotFound
from domain.order_status import CLOSED, OrderStatus
from extensions import db
from models import Fill, Order, OrderEvent
from models.order import OPEN, UNUSUAL
from services.catalog.registry_changes import find_account
from services.paging import Page, account_names, cut

# Orders are numbered as they are made, but by a clock that may have been set back, by less than this.
CLOCK_SET_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """What to list; times are those of the order's making (UTC, `until` excluded)."""

    status: OrderStatus | None = None
    is_open: bool | None = None
    symbol: str | None = None
    name: str | None = None
    account: str | None = None
    side: Side | None = None
    purpose: Purpose | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFilter:
    """What to list; times are those of the execution (UTC, `until` excluded)."""

    symbol: str | None = None
    name: str | None = None
    account: str | None = None
    order_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What to list: events of an order, of a signal's orders, of a time (UTC, `until` excluded)."""

    order_id: int | None = None
    signal_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with all that happened to it."""

    order: Order
    account: str
    fills: Sequence[Fill]
    events: Sequence[OrderEvent]


def get_order(text: str) -> Order:
    """Return an order by our number or by its client order id; raises NotFound."""
    is_number = text.isascii() and text.isdigit() and len(text) <= 18
    wanted = Order.id == int(text) if is_number else Order.client_order_id == text[:64]
    if (order := db.session.execute(sa.select(Order).where(wanted)).scalar_one_or_none()) is None:
        raise NotFound("item not found.")
    return order


def get_record(text: str) -> OrderRecord:
    """Return an order, by our number or by its client order id, with its fills and events; raises NotFound."""
    order = get_order(text)
    events = sa.select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.seq)
    return OrderRecord(
        order, account_names()[order.account_id], order.fills, db.session.execute(events).scalars().all()
    )


def list_orders(wanted: OrderFilter, limit: int, after: int | None = None) -> Page[Order, int]:
    """Return orders, newest first, those made before the order `after`; raises InvalidInput."""
    query = sa.select(Order).order_by(Order.id.desc()).limit(limit + 1)
    for condition in _order_conditions(wanted):
        query = query.where(condition)
    if after is not None:
        query = query.where(Order.id < after)
    return cut(db.session.execute(query).scalars().all(), limit, lambda order: order.id)


def count_open() -> int:
    """Return how many orders have not ended."""
    found: int = db.session.execute(sa.select(sa.func.count()).select_from(Order).where(OPEN)).scalar_one()
    return found


def _order_conditions(wanted: OrderFilter) -> list[Any]:
    equal = {
        Order.status: wanted.status,
        Order.symbol: wanted.symbol,
        Order.name: wanted.name,
        Order.account_id: find_account(db.session(), wanted.account),
        Order.side: wanted.side,
        Order.purpose: wanted.purpose,
    }
    conditions: list[Any] = [column == value for column, value in equal.items() if value is not None]
    if wanted.purpose not in (None, Purpose.SIGNAL):
        conditions.append(UNUSUAL)  # says nothing new, but the index of the few must be named so
    if wanted.is_open is not None:
        # As a list, because SQLite does not know how few are open and would walk all of a symbol's.
        is_open = Order.id.in_(sa.select(Order.id).where(OPEN).correlate(None))
        conditions.append(is_open if wanted.is_open else Order.status.in_(sorted(CLOSED)))
    return conditions + _made_between(wanted.since, wanted.until)


def _made_between(since: datetime | None, until: datetime | None) -> list[Any]:
    """Return the conditions on the time of making, with bounds on the number, along which the lists walk."""
    conditions: list[Any] = []
    if since is not None:
        conditions.append(Order.created_at >= since)
        before = sa.select(Order.id).where(Order.created_at < since - CLOCK_SET_BACK)
        newest = before.order_by(Order.created_at.desc(), Order.id.desc()).limit(1)
        if (number := db.session.execute(newest).scalar()) is not None:
            conditions.append(Order.id > number)
    if until is not None:
        conditions.append(Order.created_at < until)
        later = min(until, datetime.max.replace(tzinfo=UTC) - CLOCK_SET_BACK) + CLOCK_SET_BACK
        after = sa.select(Order.id).where(Order.created_at >= later)
        oldest = after.order_by(Order.created_at, Order.id).limit(1)
        if (number := db.session.execute(oldest).scalar()) is not None:
            conditions.append(Order.id < number)
    return conditions


def list_fills(wanted: FillFilter, limit: int, after: int | None = None) -> Page[Fill, int]:
    """Return fills with their orders, latest execution first, those before the fill `after`; raises InvalidInput."""
    query = sa.select(Fill.id).join(Order, Order.id == Fill.order_id)
    query = query.order_by(Fill.at.desc(), Fill.id.desc()).limit(limit + 1)
    equal = {
        Order.symbol: wanted.symbol,
        Order.name: wanted.name,
        Fill.account_id: find_account(db.session(), wanted.account),
        Fill.order_id: wanted.order_id,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(Fill.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Fill.at < wanted.until)
    if after is not None:
        at = db.session.execute(sa.select(Fill.at).where(Fill.id == after)).scalar()
        if at is None:
            raise InvalidInput({"after": "there is no such fill"})
        query = query.where(sa.tuple_(Fill.at, Fill.id) < sa.tuple_(sa.literal(at, Fill.at.type), sa.literal(after)))
    # The numbers first: where a symbol's fills must be sorted, little is to be moved.
    numbers = db.session.execute(query).scalars().all()
    whole = sa.select(Fill).join(Order, Order.id == Fill.order_id).options(contains_eager(Fill.order))
    found = {fill.id: fill for fill in db.session.execute(whole.where(Fill.id.in_(numbers))).scalars()}
    return cut([found[number] for number in numbers if number in found], limit, lambda fill: fill.id)


def list_events(
    wanted: EventFilter, limit: int, after: tuple[int, int] | None = None
) -> Page[OrderEvent, tuple[int, int]]:
    """Return events with their orders, newest first, those before the event `after` (order, its number there).

    Raises InvalidInput.
    """
    query = (
        sa.select(OrderEvent)
        .join(Order, Order.id == OrderEvent.order_id)
        .options(contains_eager(OrderEvent.order))
        .order_by(OrderEvent.at.desc(), OrderEvent.order_id.desc(), OrderEvent.seq.desc())
        .limit(limit + 1)
    )
    if wanted.order_id is not None:
        query = query.where(OrderEvent.order_id == wanted.order_id)
    if wanted.signal_id is not None:
        query = query.where(Order.signal_id == wanted.signal_id)
    if wanted.since is not None:
        query = query.where(OrderEvent.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(OrderEvent.at < wanted.until)
    if after is not None:
        order_id, seq = after
        found = sa.select(OrderEvent.at).where(OrderEvent.order_id == order_id, OrderEvent.seq == seq)
        if (at := db.session.execute(found).scalar()) is None:
            raise InvalidInput({"after": "there is no such event"})
        here = sa.tuple_(sa.literal(at, OrderEvent.at.type), sa.literal(order_id), sa.literal(seq))
        query = query.where(sa.tuple_(OrderEvent.at, OrderEvent.order_id, OrderEvent.seq) < here)
    rows = db.session.execute(query).scalars().all()
    return cut(rows, limit, lambda event: (event.order_id, event.seq))
