"""One decision at a time for an account: whoever plans, sends or records for it holds its lock until the commit.

What an account holds, works and has promised is read and changed under this lock, so no two workers can each take the
last free place, and no fill is missed between two reads.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from extensions import is_postgresql
from models import Signal

LOCKS_OF_ACCOUNTS = 7_310_001  # the class of these advisory locks; any number that nothing else in the database uses
# In order of account, so that no two transactions wait for each other. The lock is taken in a statement of its own:
# what a statement reads is as old as its beginning, and must not be older than the lock.
_LOCK = sa.text(
    "select pg_advisory_xact_lock(:locks, account) from "
    "(select unnest(cast(:accounts as integer[])) as account order by 1) as wanted"
)
_TRY = sa.text(
    "select account from (select unnest(cast(:accounts as integer[])) as account order by 1) as wanted "
    "where pg_try_advisory_xact_lock(:locks, account)"
)


def is_account_locked(e: Exception) -> bool:
    """Return True if somebody else has held the lock of an account for too long."""
    return isinstance(e, DBAPIError) and str(e.statement).startswith(_LOCK.text.partition("(")[0])


def try_lock_accounts(session: Session, accounts: Iterable[int]) -> list[int]:
    """Lock those accounts that nobody has locked now, and return them: who has the others does what is to be done."""
    wanted = sorted(set(accounts))
    if not wanted or not is_postgresql():
        return wanted
    return list(session.execute(_TRY, {"locks": LOCKS_OF_ACCOUNTS, "accounts": wanted}).scalars())


def lock_accounts(session: Session, accounts: Iterable[int]) -> None:
    """Lock accounts until the end of the transaction, before anything of them is read or locked.

    The order of locks is always the same: accounts, signals, orders, positions. On SQLite a transaction that writes
    has the whole database to itself from its beginning.
    """
    wanted = sorted(set(accounts))
    if wanted and is_postgresql():
        session.execute(_LOCK, {"locks": LOCKS_OF_ACCOUNTS, "accounts": wanted})


def lock_signal(session: Session, rowid: int) -> Signal | None:
    """Return a signal locked together with its account until the end of the transaction; None when there is none."""
    account = session.execute(sa.select(Signal.account_id).where(Signal.id == rowid)).scalar()
    if account is not None:
        lock_accounts(session, [account])
    return session.execute(sa.select(Signal).where(Signal.id == rowid).with_for_update(of=Signal)).scalar_one_or_none()
