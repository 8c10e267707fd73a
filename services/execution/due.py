"""What there is to do for a worker, in one look: most of the time nothing, and then nothing need be locked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

from domain.messages import OrderRef
from domain.order_status import OrderStatus
from extensions import database_time, read_alone, reading, transaction, utc_now
from models import Order, Signal
from models.order import OPEN, PENDING
from models.signal import WAITING
from services.among import among
from services.execution.claims import ref_of

S = OrderStatus


class InHand(NamedTuple):
    """An order that one worker asks its broker about; the others pass it over until its next time has come."""

    order_id: int
    account_id: int
    ref: OrderRef


class Due(NamedTuple):
    """Which accounts have orders that may have to be sent now, and which some to be canceled or looked up."""

    sending: frozenset[int]
    asking: frozenset[int]


def look(accounts: Collection[int]) -> Due:
    """Return what is due among the orders of these accounts."""
    rows = read_alone(_due(), {"accounts": tuple(accounts)})
    sending = frozenset(row.account_id for row in rows if row.status == S.QUEUED)
    return Due(sending, frozenset(row.account_id for row in rows if row.status != S.QUEUED))


@functools.cache
def _due() -> sa.Select[int, str]:
    return (
        sa.select(Order.account_id, Order.status)
        .distinct()
        .where(
            OPEN,
            Order.status.in_([S.QUEUED, S.CANCEL_PENDING, S.UNKNOWN]),
            among(Order.account_id, "accounts"),
            Order.next_at <= utc_now(),
        )
    )


def count_to_be_sent(account_id: int) -> int:
    """Return how many orders of an account are still to be sent, or on their way; those of waiting signals included."""
    with reading() as session:
        return int(session.execute(_to_be_sent(), {"account": account_id}).scalar_one())


@functools.cache
def _to_be_sent() -> sa.Select[int]:
    account: sa.BindParameter[int] = sa.bindparam("account")
    orders = sa.select(sa.func.count()).where(
        PENDING, Order.account_id == account, Order.status.in_([S.QUEUED, S.CLAIMED, S.SENDING])
    )
    legs = sa.func.coalesce(sa.func.sum(sa.case((Signal.symbol2.is_(None), 1), else_=2)), 0)
    due = Signal.look_at.is_(None) | (Signal.look_at <= utc_now())  # others wait for something else than their turn
    signals = sa.select(legs).where(WAITING, Signal.account_id == account, Signal.external.is_(False), due)
    return sa.select(orders.scalar_subquery() + signals.scalar_subquery())


def take(status: OrderStatus, accounts: Collection[int], pause: Callable[[Order], timedelta]) -> InHand | None:
    """Return the next due order of that status, and postpone it by `pause` for all other workers."""
    with transaction() as session:
        now = database_time()
        query = (
            sa.select(Order)
            .where(OPEN, Order.status == status, Order.account_id.in_(tuple(accounts)), Order.next_at <= now)
            .order_by(Order.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=Order)
        )
        order = session.execute(query).scalar_one_or_none()
        if order is None:
            return None
        order.next_at = now + pause(order)
        return InHand(order.id, order.account_id, ref_of(order))
