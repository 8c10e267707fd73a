"""What there is to do for a worker, in one look: most of the time nothing, and then nothing need be locked."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from domain.order_status import OrderStatus
from extensions import reading, utc_now
from models import Order
from models.order import OPEN

S = OrderStatus


class Due(NamedTuple):
    """Whether orders may have to be sent, canceled or looked up now."""

    sending: bool
    canceling: bool
    looking_up: bool


def look(accounts: Collection[int]) -> Due:
    """Return what is due among the orders of these accounts."""
    with reading() as session:
        rows = session.execute(_due(), {"accounts": tuple(accounts)}).scalars().all()
    return Due(S.QUEUED in rows, S.CANCEL_PENDING in rows, S.UNKNOWN in rows)


@functools.cache
def _due() -> sa.Select[str]:
    return (
        sa.select(Order.status)
        .distinct()
        .where(
            OPEN,
            Order.status.in_([S.QUEUED, S.CANCEL_PENDING, S.UNKNOWN]),
            Order.account_id.in_(sa.bindparam("accounts", expanding=True)),
            Order.next_at <= utc_now(),
        )
    )
