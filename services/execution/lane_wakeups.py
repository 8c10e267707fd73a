"""Waiting signals are looked at again as soon as what they wait for has changed, in the commit that changes it."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.order_status import CLOSED, OrderStatus
from extensions import announce
from models import Order, Signal
from models.signal import WAITING
from services.among import among

S = OrderStatus
CHANGED = "changed_lanes"
SIGNALS = cast(sa.Table, Signal.__table__)


_WAKE = (
    sa.update(SIGNALS)
    .where(
        WAITING,
        SIGNALS.c.look_at.is_not(None),
        among(SIGNALS.c.account_id, "accounts"),
        among(SIGNALS.c.name, "names") | among(SIGNALS.c.symbol1, "symbols") | among(SIGNALS.c.symbol2, "symbols"),
    )
    .values(look_at=None)
)


def note_change(session: Session, order: Order, old: OrderStatus, new: OrderStatus) -> None:
    """Note that an order has ended, or that its outcome has become known: others may have waited for that."""
    if new in CLOSED or old in (S.UNKNOWN, S.MANUAL):
        session.info.setdefault(CHANGED, set()).add((order.account_id, order.name, order.symbol))


@sa.event.listens_for(Session, "before_commit")
def wake_waiting(session: Session) -> None:
    """Let the waiting signals of changed lanes, and of lanes that share a symbol, be looked at now."""
    changed = session.info.pop(CHANGED, None)
    if not changed:
        return
    accounts, names, symbols = (sorted({key[part] for key in changed}) for part in range(3))
    session.flush()  # else what this transaction has to say of the same signals would be written over it
    session.connection().execute(_WAKE, {"accounts": accounts, "names": names, "symbols": symbols})
    announce(session)


@sa.event.listens_for(Session, "after_rollback")
def forget(session: Session) -> None:
    """Forget what a transaction that came to nothing had changed."""
    session.info.pop(CHANGED, None)
