"""Orders at the broker that are not ours: put on record, told once, and left alone."""

from __future__ import annotations

import logging
from collections.abc import Collection
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Side
from domain.exact import plain_text
from domain.messages import OrderReport
from extensions import announce, insert_or_update, reading, transaction, utc_now
from models import ForeignOrder

logger = logging.getLogger(__name__)


def see_foreign(account_id: int, report: OrderReport) -> None:
    """Put an order on record that somebody else has placed; writes nothing when it has not changed."""
    filled = report.filled
    key = (ForeignOrder.account_id == account_id, ForeignOrder.broker_order_id == report.broker_order_id)
    with reading() as session:
        known = session.execute(sa.select(ForeignOrder.status, ForeignOrder.filled_quantity).where(*key)).one_or_none()
    if known is not None and (known.status, known.filled_quantity) == (report.status, filled):
        return
    new = {"status": report.status, "filled_quantity": filled, "seen_at": utc_now()}
    row = insert_or_update(ForeignOrder).values(
        account_id=account_id,
        broker_order_id=report.broker_order_id,
        client_order_id=report.client_order_id[:128],
        symbol=report.symbol,
        side=report.side,
        quantity=report.quantity,
        first_seen_at=utc_now(),
        **new,
    )
    keys = [ForeignOrder.account_id, ForeignOrder.broker_order_id]
    with transaction() as session:
        session.execute(row.on_conflict_do_update(index_elements=keys, set_=new))
        announce(session)
    if known is None:
        logger.warning(
            "account %s: order %s at the broker is not ours (%s %s %s); it is left alone",
            account_id,
            report.broker_order_id,
            report.side,
            plain_text(report.quantity),
            report.symbol,
        )


def traded_by_others(session: Session, account_id: int, symbols: Collection[str]) -> dict[str, Decimal]:
    """Return what orders that are not ours have traded of some symbols, signed, as far as they are on record."""
    traded: dict[str, Decimal] = {}
    query = sa.select(ForeignOrder.symbol, ForeignOrder.side, ForeignOrder.filled_quantity)
    for symbol, side, quantity in session.execute(
        query.where(ForeignOrder.account_id == account_id, ForeignOrder.symbol.in_(symbols))
    ):
        traded[symbol] = traded.get(symbol, Decimal(0)) + Side(side).sign * quantity
    return traded
