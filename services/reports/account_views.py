"""Reads of what the brokers said last, and of what does not agree with our own book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from extensions import database_time, db
from models import AccountState, BrokerAccount, ForeignOrder, PositionDifference
from models.venue_state import FOREIGN_WORKING
from services.catalog.registry_changes import find_account
from services.reports.position_queries import age

MOST_FOREIGN = 1000  # of one answer, the latest
ENDED_SHOWN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account; `state` is None as long as its broker was never asked. Ages in seconds."""

    account: BrokerAccount
    state: AccountState | None
    heard_age: Decimal | None
    reconciled_age: Decimal | None
    differences: list[PositionDifference] = field(default_factory=list)
    foreign_orders: list[ForeignOrder] = field(default_factory=list)


def list_accounts(account: str | None = None) -> Sequence[AccountView]:
    """Return all accounts, or one by name, with what their brokers said last. Raises InvalidInput.

    Foreign orders are those that work, and those that were seen within a day.
    """
    account_id = find_account(db.session(), account)
    now = database_time()
    query = (
        sa.select(BrokerAccount, AccountState)
        .outerjoin(AccountState, AccountState.account_id == BrokerAccount.id)
        .order_by(BrokerAccount.id)
    )
    differences = sa.select(PositionDifference).order_by(PositionDifference.account_id, PositionDifference.symbol)
    foreign = (
        sa.select(ForeignOrder)
        .where(sa.or_(FOREIGN_WORKING, ForeignOrder.seen_at > now - ENDED_SHOWN))
        .order_by(ForeignOrder.seen_at.desc(), ForeignOrder.broker_order_id.desc())
        .limit(MOST_FOREIGN)
    )
    if account_id is not None:
        query = query.where(BrokerAccount.id == account_id)
        differences = differences.where(PositionDifference.account_id == account_id)
        foreign = foreign.where(ForeignOrder.account_id == account_id)
    views = {
        row.id: AccountView(
            row, state, _age(state.heard_at if state else None, now), _age(state.reconciled_at if state else None, now)
        )
        for row, state in db.session.execute(query)
    }
    for difference in db.session.execute(differences).scalars():
        views[difference.account_id].differences.append(difference)
    for order in db.session.execute(foreign).scalars():
        views[order.account_id].foreign_orders.append(order)
    return list(views.values())


def count_differences() -> int:
    """Return of how many symbols, each at one account, the broker holds another quantity than we."""
    query = sa.select(sa.func.count()).select_from(PositionDifference)
    found: int = db.session.execute(query).scalar_one()
    return found


def _age(at: datetime | None, now: datetime) -> Decimal | None:
    return None if at is None else age(at, now)
