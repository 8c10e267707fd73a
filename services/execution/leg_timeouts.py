"""Pairs out of balance: the time one leg may work while the other is filled."""

from __future__ import annotations

import logging
from collections.abc import Collection

import sqlalchemy as sa

from domain.order_status import SignalStatus
from extensions import database_time, reading, transaction
from models import Signal
from models.signal import UNBALANCED
from services import failpoints
from services.account_lock import lock_signal
from services.execution.roll_up import is_overdue, refresh_signal

logger = logging.getLogger(__name__)


def tend(accounts: Collection[int], worker: str) -> int:
    """Act on signals whose legs have been out of balance for too long; returns how many were looked at.

    Of accounts other than `accounts`, which cannot be traded now, a lone leg is only told of.
    """
    with reading() as session:
        # Once it is told, it stays so until an order changes; there is nothing more to do where nothing can be traded.
        wanted = Signal.account_id.in_(accounts) | (Signal.status != SignalStatus.CRITICAL)
        query = sa.select(Signal.id).where(UNBALANCED, wanted).order_by(Signal.id)
        found = list(session.execute(query).scalars())
        now = database_time() if found else None
    for rowid in found:
        with transaction() as session:
            signal = lock_signal(session, rowid)
            if now is not None and signal is not None and is_overdue(signal, now):
                refresh_signal(session, signal, None, now, worker, timed_out=signal.account_id in accounts)
                failpoints.reach("tend before commit")
    return len(found)
