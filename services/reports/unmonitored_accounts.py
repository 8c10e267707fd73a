"""Accounts whose broker cannot be read now, and what works and is held there without anybody watching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from domain.enums import Route
from domain.order_status import SignalStatus
from extensions import database_time, db
from models import AccountState, BrokerAccount, Order, Position, Signal, Worker
from models.order import OPEN, WORKING
from models.signal import UNBALANCED
from services.health import STALE, Check
from services.reports.position_queries import HELD

SHORT = timedelta(seconds=20)  # one failed try is no news, the next may succeed
# Reads may have to wait for the next minute of the broker's limit, and then for their turn among the orders.
LONG = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmonitoredAccount:
    """An account that is not in step with its broker: since when (None = it never was), why, and what is at stake."""

    account_id: int
    name: str
    is_default: bool
    since: datetime | None
    why: str
    open_orders: int
    waiting: int
    books: int  # stocks and pairs that hold something
    unbalanced: int

    @property
    def at_stake(self) -> bool:
        """Return True if anything can go wrong there meanwhile."""
        return bool(self.open_orders or self.waiting or self.books or self.unbalanced)


def list_unwatched() -> Sequence[UnmonitoredAccount]:
    """Return the accounts of this desk's own that are not in step with their brokers."""
    now = database_time()
    query = (
        sa.select(BrokerAccount, AccountState, *_stakes())
        .outerjoin(AccountState, AccountState.account_id == BrokerAccount.id)
        .where(BrokerAccount.route == Route.DESK)
        .order_by(BrokerAccount.id)
    )
    rows = db.session.execute(query).all()
    running = _running_since(now)
    found = []
    for account, state, *stakes in rows:
        open_orders, oldest, waiting, books, unbalanced = stakes
        if (reason := _reason(state, oldest, running, now)) is None:
            continue
        why, since = reason
        found.append(
            UnmonitoredAccount(
                account_id=account.id,
                name=account.name,
                is_default=account.is_default,
                since=since,
                why=why,
                open_orders=open_orders,
                waiting=waiting,
                books=books,
                unbalanced=unbalanced,
            )
        )
    return found


def unwatched_by_account() -> dict[int, UnmonitoredAccount]:
    """Return the same by the accounts' numbers."""
    return {account.account_id: account for account in list_unwatched()}


def check_accounts() -> Check:
    """Return True if the default account, and all where something is at stake, are in step with their brokers."""
    try:
        found = [account for account in list_unwatched() if account.at_stake or account.is_default]
    except SQLAlchemyError as e:
        db.session.rollback()
        return Check("accounts", False, f"cannot be looked at ({type(e).__name__})")
    if not found:
        return Check("accounts", True, "none that trades is known to be out of step with its broker")
    text = "; ".join(
        f"{account.name} is not in step since {account.since:%Y-%m-%d %H:%M:%S} UTC ({account.why})"
        if account.since
        else f"{account.name} was never in step ({account.why})"
        for account in found
    )
    orders = sum(account.open_orders for account in found)
    return Check("accounts", False, f"{text}; open orders there: {orders}")


def _stakes() -> Sequence[sa.ScalarSelect[object]]:
    here = BrokerAccount.id
    count = sa.func.count()
    waiting = Signal.status.in_((SignalStatus.WAITING, SignalStatus.REROUTED)) & ~Signal.external
    return [
        sa.select(count).select_from(Order).where(OPEN, Order.account_id == here).scalar_subquery(),
        sa.select(sa.func.min(Order.sent_at)).where(WORKING, Order.account_id == here).scalar_subquery(),
        sa.select(count).select_from(Signal).where(waiting, Signal.account_id == here).scalar_subquery(),
        sa.select(sa.func.count(Position.name.distinct()))
        .where(HELD, Position.account_id == here)
        .scalar_subquery(),
        sa.select(count).select_from(Signal).where(UNBALANCED, Signal.account_id == here).scalar_subquery(),
    ]  # fmt: skip


def _running_since(now: datetime) -> datetime | None:
    """Return since when there has been a worker that could have asked; None when none runs."""
    alive = Worker.stopped_at.is_(None) & (Worker.seen_at > now - timedelta(seconds=STALE))
    return db.session.execute(sa.select(sa.func.min(Worker.started_at)).where(alive)).scalar()


def _reason(
    state: AccountState | None, oldest: datetime | None, running: datetime | None, now: datetime
) -> tuple[str, datetime | None] | None:
    """Return why an account is not in step and since when; None when it is, or when only a worker is missing."""
    heard = state.heard_at if state else None
    if state is not None and state.trouble and (heard is None or now - heard > SHORT):
        return state.trouble, heard
    if running is None or now - running < LONG:
        return None
    if heard is None or now - heard > LONG:
        return "nothing is heard from its broker", heard
    synced = state.synced_until if state else None
    if oldest is not None and now - oldest > LONG and (synced is None or now - synced > LONG):
        return "its orders cannot be read", synced
    return None
