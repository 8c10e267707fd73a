"""Which delivery without an id of the sender is a repeat: as SQL, so that it is told where the signal is stored.

All signals of one body form a chain: the key of each ends with the number of the one before it. Deliveries that race
each other all see the same last one, so they come to the same key, and the database takes one of them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from domain.alert import REDELIVERY_SPAN
from domain.order_status import SignalStatus
from extensions import utc_now
from models import Order, Signal

FIRST = 10**16  # larger than any rowid: so all endings have 17 digits, and stand in the order of their numbers
ENDED = (SignalStatus.CANCELED, SignalStatus.ERROR)
LATE = "expired"  # the end of an alert that nobody has refused


def key_range(key: str) -> tuple[str, str]:
    """Return the smallest and the largest key that a weak key begins."""
    return f"{key}{FIRST}", f"{key}{'9' * len(str(FIRST))}"


def last_of_body() -> sa.Subquery:
    """Return the last signal of a body; binds `source`, `body_sha256`, and `first_key`, `last_key` of `key_range`."""
    return (
        sa.select(Signal.id, Signal.received_at, Signal.status, Signal.status_reason, Signal.error_text)
        .where(
            Signal.source == sa.bindparam("source"),
            Signal.dedupe_key >= sa.bindparam("first_key", type_=sa.String()),
            Signal.dedupe_key <= sa.bindparam("last_key", type_=sa.String()),
            Signal.body_sha256 == sa.bindparam("body_sha256"),
        )
        .order_by(Signal.dedupe_key.desc())
        .limit(sa.literal_column("1"))
        .subquery("last")
    )


def next_key(last: sa.Subquery) -> sa.ColumnElement[str]:
    """Return the key of the next signal of a body; binds `dedupe_key`, the weak key."""
    number = sa.func.coalesce(last.c.id, sa.literal_column("0")) + sa.literal_column(str(FIRST))
    beginning = sa.cast(sa.bindparam("dedupe_key", type_=sa.String()), sa.String())
    return beginning + sa.cast(number, sa.String())


def is_new(last: sa.Subquery) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is no repeat of the last signal of its body; binds `name` and `source`.

    The parts stand in the order of their cost: the later ones are looked at for a repeat only.
    """
    return sa.or_(
        last.c.id.is_(None),
        last.c.received_at <= utc_now(-REDELIVERY_SPAN),
        _is_refused(last.c),
        _another_came_after(last.c),
    )


def _is_refused(last: Any) -> sa.ColumnElement[bool]:
    """Return the condition that intake or the planner refused a signal.

    A person or an executor that ends a signal leaves no reason with a sentence, and what came to an order may have
    been at the broker: a delivery that comes after that must not be traded.
    """
    an_order = sa.select(Order.id).where(Order.signal_id == last.id).limit(sa.literal_column("1")).scalar_subquery()
    return sa.and_(
        sa.or_(*(last.status == sa.literal_column(f"'{status}'") for status in ENDED)),
        last.error_text.is_not(None),
        last.status_reason.is_not(None),
        last.status_reason != sa.literal_column(f"'{LATE}'"),
        an_order.is_(None),
    )


def _another_came_after(last: Any) -> sa.ColumnElement[bool]:
    other = sa.orm.aliased(Signal, name="other")
    return sa.exists().where(
        other.name == sa.bindparam("name"),
        other.received_at >= last.received_at,  # for the index
        other.id > last.id,
        other.source == sa.bindparam("source"),
        other.body_sha256 != sa.bindparam("body_sha256"),
    )
