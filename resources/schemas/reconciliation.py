"""What the brokers said last, and what does not agree with our book, as clients read it."""

from __future__ import annotations

from datetime import datetime

from models import AccountState, ForeignOrder, PositionDifference
from resources.schemas.fields import Out, OutNumber, Tolerant, show_iso
from resources.schemas.orders import AccountName
from services.reports.account_views import AccountView


class DifferenceOut(Out):
    """A symbol of which the broker holds another quantity than our fills add up to; signed shares."""

    symbol: str
    ours: OutNumber
    theirs: OutNumber
    first_seen_at: str
    seen_at: str

    @classmethod
    def of(cls, row: PositionDifference) -> DifferenceOut:
        """Return the difference."""
        return cls(
            symbol=row.symbol,
            ours=row.ours,
            theirs=row.theirs,
            first_seen_at=show_iso(row.first_seen_at),
            seen_at=show_iso(row.seen_at),
        )


class ForeignOrderOut(Out):
    """An order at the broker that is not ours."""

    broker_order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    quantity: OutNumber
    filled_quantity: OutNumber
    status: str
    first_seen_at: str
    seen_at: str

    @classmethod
    def of(cls, row: ForeignOrder) -> ForeignOrderOut:
        """Return the order."""
        return cls(
            broker_order_id=row.broker_order_id,
            client_order_id=row.client_order_id,
            symbol=row.symbol,
            side=row.side,
            quantity=row.quantity,
            filled_quantity=row.filled_quantity,
            status=row.status,
            first_seen_at=show_iso(row.first_seen_at),
            seen_at=show_iso(row.seen_at),
        )


class AccountStateOut(Out):
    """An account as its broker described it last; ages in seconds, null = never asked or not said."""

    account: str
    broker: str
    route: str
    cash: OutNumber | None
    currency: str | None
    buying_power: OutNumber | None
    equity: OutNumber | None
    blocked: str | None
    open: bool | None
    opens_at: str | None
    closes_at: str | None
    heard_at: str | None
    heard_age: OutNumber | None
    reconciled_at: str | None
    reconciled_age: OutNumber | None
    trouble: str | None
    differences: list[DifferenceOut]
    foreign_orders: list[ForeignOrderOut]

    @classmethod
    def of(cls, view: AccountView) -> AccountStateOut:
        """Return the account."""
        state = view.state or AccountState()  # of an account that was never asked nothing is known
        return cls(
            account=view.account.name,
            broker=view.account.broker,
            route=view.account.route,
            cash=state.cash,
            currency=state.currency,
            buying_power=state.buying_power,
            equity=state.equity,
            blocked=state.blocked,
            open=state.is_open,
            opens_at=_show(state.opens_at),
            closes_at=_show(state.closes_at),
            heard_at=_show(state.heard_at),
            heard_age=view.heard_age,
            reconciled_at=_show(state.reconciled_at),
            reconciled_age=view.reconciled_age,
            trouble=state.trouble,
            differences=[DifferenceOut.of(row) for row in view.differences],
            foreign_orders=[ForeignOrderOut.of(row) for row in view.foreign_orders],
        )


def _show(time: datetime | None) -> str | None:
    return None if time is None else show_iso(time)


class ReconciliationOut(Out):
    accounts: list[AccountStateOut]


class ReconciliationQuery(Tolerant):
    """Which account; absent = all."""

    account: AccountName | None = None
