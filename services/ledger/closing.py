"""What there is to be closed of a stock or pair: what its book holds, what is on its way to it, and what else there is.

Most exits close what the book holds, and cost no statement here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.checks.facts import Facts
from domain.closing import HeldElsewhere, closable
from domain.enums import CheckMode, Purpose, Side
from domain.order_status import FAILED, SignalStatus
from models import BrokerAccount, Order, Position, PositionDifference, Signal
from models.order import OPEN
from services.catalog.snapshots import AccountRef, snapshot

ZERO = Decimal(0)
UNDER_WAY = (SignalStatus.CREATED, SignalStatus.LEG_FILLED, SignalStatus.PART_FILLED)


def read_closing(session: Session, facts: Facts, account: AccountRef, on: set[str]) -> dict[str, Any]:
    """Return what an exit may close, as far as the book's own lines leave that open."""
    if not facts.closes:
        return {}
    clips = snapshot().rules.mode("reduce_only", facts.subject) is CheckMode.REFUSE
    if _is_covered(facts):
        return {"clips": clips}
    name = facts.subject.name
    return {
        "clips": clips,
        "promised": read_promised(session, account.id, name, before=facts.rowid),
        "unbooked": read_unbooked(session, account.id, facts.symbols),
        "elsewhere": held_elsewhere(session, account.id, name),
    }


def _is_covered(facts: Facts) -> bool:
    """Tell whether the book's own lines hold what the alert closes; of leg 2 by the alert's own ratio."""
    sides = (facts.side, facts.side.opposite)
    shares = (facts.closes, facts.closes * (facts.hedge_ratio or 1))
    return all(
        closable(side, facts.own(symbol).expected) >= share
        for symbol, side, share in zip(facts.symbols, sides, shares, strict=False)
    )


def read_promised(session: Session, account_id: int, name: str, *, before: int) -> Mapping[str, Decimal]:
    """Return by symbol what the signals under way are still to order for a book, signed: legs that follow others.

    What a failure has stopped is not to be ordered any more.
    """
    under_way = sa.select(Order.signal_id).where(OPEN, Order.account_id == account_id, Order.name == name)
    query = (
        sa.select(Signal)
        .options(sa.orm.lazyload(Signal.account))
        .where(Signal.id.in_(under_way), Signal.id < before, Signal.status.in_(UNDER_WAY))
        .where(Signal.leg_quantity1.is_not(None) | Signal.leg_quantity2.is_not(None))
    )
    promised: dict[str, Decimal] = defaultdict(Decimal)
    for signal in session.execute(query).scalars().all():
        orders = session.execute(sa.select(Order).where(Order.signal_id == signal.id)).scalars().all()
        if any(_has_failed(order) for order in orders):
            continue
        for number, symbol, planned in (
            (1, signal.symbol1, signal.leg_quantity1),
            (2, signal.symbol2, signal.leg_quantity2),
        ):
            if symbol and planned:
                ordered = sum((order.quantity for order in orders if order.leg == number), ZERO)
                promised[symbol] += _side(orders, number).sign * max(ZERO, planned - ordered)
    return dict(promised)


def _has_failed(order: Order) -> bool:
    return order.purpose == Purpose.UNWIND or order.status in FAILED or order.cancel_requested_at is not None


def _side(orders: Sequence[Order], number: int) -> Side:
    sides = {order.leg: Side(order.side) for order in orders}
    return sides.get(number) or next(iter(sides.values())).opposite


def read_unbooked(session: Session, account_id: int, symbols: Sequence[str]) -> Mapping[str, Decimal]:
    """Return by symbol what the broker holds beyond what the desk's fills add up to, signed."""
    query = sa.select(PositionDifference).where(
        PositionDifference.account_id == account_id, PositionDifference.symbol.in_(symbols)
    )
    return {row.symbol: row.theirs - row.ours for row in session.execute(query).scalars()}


def held_elsewhere(session: Session, account_id: int, name: str) -> tuple[HeldElsewhere, ...]:
    """Return what other accounts hold of a stock or pair, and where orders of it work."""
    held = (
        sa.select(BrokerAccount.name, Position.symbol, Position.quantity)
        .join(BrokerAccount, BrokerAccount.id == Position.account_id)
        .where(Position.name == name, Position.account_id != account_id)
        .order_by(BrokerAccount.id, Position.symbol)
    )
    worked = (
        sa.select(BrokerAccount.name, Order.symbol)
        .join(BrokerAccount, BrokerAccount.id == Order.account_id)
        .where(OPEN, Order.name == name, Order.account_id != account_id)
        .distinct()
    )
    found = {(account, symbol): quantity for account, symbol, quantity in session.execute(held) if quantity}
    for account, symbol in sorted(tuple(row) for row in session.execute(worked)):
        found.setdefault((account, symbol), ZERO)
    return tuple(HeldElsewhere(account, symbol, quantity) for (account, symbol), quantity in found.items())
