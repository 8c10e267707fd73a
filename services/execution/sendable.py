"""The queries of what may be sent: queued orders whose turn it is, one at a time for an account and symbol."""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased, lazyload

from domain.enums import LegPolicy, Purpose
from domain.order_status import OrderStatus
from extensions import utc_now
from models import BrokerAccount, Order, Signal
from models.order import PENDING as ORDER_PENDING

S = OrderStatus
PENDING = (S.QUEUED, S.CLAIMED, S.SENDING, S.UNKNOWN, S.MANUAL)


@functools.cache
def sendable() -> Any:
    """Return the query of the orders that may be sent next; made once, for it is asked all the time."""
    earlier, first_leg = aliased(Order), aliased(Order)
    # Written out in the statement: SQLite uses a partial index only where it can read the condition.
    pending: sa.BindParameter[Any] = sa.bindparam("pending", list(PENDING), expanding=True, literal_execute=True)
    # One order at a time for an account and symbol, in the order they were planned; an order whose
    # outcome is not known keeps the later ones waiting.
    blocked = sa.exists().where(
        earlier.account_id == Order.account_id,
        earlier.symbol == Order.symbol,
        earlier.status.in_(pending),
        earlier.id < Order.id,
    )
    # Legs that go together wait for each other's symbols.
    other, before_other = aliased(Order), aliased(Order)
    other_blocked = sa.exists().where(
        Signal.leg_policy == LegPolicy.TOGETHER,
        Order.purpose == Purpose.SIGNAL,
        other.signal_id == Order.signal_id,
        other.generation == Order.generation,
        other.leg != Order.leg,
        other.status == S.QUEUED,
        before_other.account_id == other.account_id,
        before_other.symbol == other.symbol,
        before_other.status.in_(pending),
        before_other.id < other.id,
    )
    # Leg 2 never leaves while leg 1 waits, or while nobody knows what became of it, but together with it.
    leg1_pending = sa.exists().where(
        first_leg.signal_id == Order.signal_id,
        first_leg.leg < Order.leg,
        first_leg.generation == Order.generation,
        first_leg.status.in_(pending),
    )
    return (
        sa.select(Order, BrokerAccount.name.label("account"), utc_now().label("now"), Signal)
        .join(BrokerAccount, BrokerAccount.id == Order.account_id)
        .outerjoin(Signal, Signal.id == Order.signal_id)
        .options(lazyload(Signal.account))
        .where(ORDER_PENDING, Order.status == S.QUEUED, Order.account_id.in_(sa.bindparam("accounts", expanding=True)))
        .where(Order.next_at <= utc_now())
        .where(Order.not_after.is_(None) | (Order.not_after > utc_now()))  # expire_orders ends the others
        .where(~blocked, ~other_blocked, ~leg1_pending)
        .order_by(Order.is_exit.desc(), Order.id)
        .limit(sa.bindparam("most"))
        .with_for_update(skip_locked=True, of=Order)
    )


@functools.cache
def legs_together() -> Any:
    """Return the query of the queued orders of signals whose legs leave together; locks nothing."""
    return (
        sa.select(Order.id, Order.signal_id, Order.generation)
        .where(ORDER_PENDING, Order.status == S.QUEUED, Order.purpose == Purpose.SIGNAL)
        .where(Order.signal_id.in_(sa.bindparam("signals", expanding=True)))
        .order_by(Order.id)
    )
