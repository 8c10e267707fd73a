"""What other accounts hold of a stock or pair, told where an exit finds nothing at its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.exact import plain_text
from domain.planning.values import Refused
from models import BrokerAccount, Order, Position, Signal
from models.order import OPEN

NOTHING = ("nothing to close", "at target")


def name_other_accounts(session: Session, signal: Signal, refused: Refused) -> Refused:
    """Return the refusal with what other accounts hold of the name, where it found nothing to close."""
    if refused.reason not in NOTHING:
        return refused
    where = held_elsewhere(session, signal.account_id or 0, str(signal.name))
    return replace(refused, text=f"{refused.text} Held elsewhere: {', '.join(where)}.") if where else refused


def held_elsewhere(session: Session, account_id: int, name: str) -> Sequence[str]:
    """Return in words what other accounts hold of a stock or pair, and where orders of it work."""
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
    found = {
        (account, symbol): f"{plain_text(quantity)} {symbol} at {account}"
        for account, symbol, quantity in session.execute(held)
        if quantity
    }
    for account, symbol in sorted(tuple(row) for row in session.execute(worked)):
        found.setdefault((account, symbol), f"working orders of {symbol} at {account}")
    return list(found.values())
