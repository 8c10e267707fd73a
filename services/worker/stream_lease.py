"""Which worker listens to an account's push stream: one at a time, for brokers allow few connections."""

from __future__ import annotations

import sqlalchemy as sa

from extensions import database_time, transaction
from models import AccountState
from services.timing import STREAM_LEASE


def take_stream(account_id: int, worker: str) -> bool:
    """Take or renew the lease on an account's stream; False while another worker has it."""
    with transaction() as session:
        now = database_time()
        free = sa.or_(
            AccountState.stream_owner.is_(None),
            AccountState.stream_owner == worker,
            AccountState.stream_until.is_(None),
            AccountState.stream_until < now,
        )
        taken = sa.update(AccountState).where(AccountState.account_id == account_id, free)
        result = session.execute(taken.values(stream_owner=worker, stream_until=now + STREAM_LEASE))
        return bool(result.rowcount)  # type: ignore[attr-defined]


def give_stream_back(account_id: int, worker: str) -> None:
    """Give the lease back, so that another worker can listen at once."""
    with transaction() as session:
        mine = sa.update(AccountState).where(AccountState.account_id == account_id, AccountState.stream_owner == worker)
        session.execute(mine.values(stream_owner=None, stream_until=None))
