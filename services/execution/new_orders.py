"""Making the rows of orders: with the client order id that stays theirs, and the first events of their record."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from domain.enums import OrderType, Purpose, Side, TimeInForce
from domain.messages import Trail
from domain.order_status import OrderStatus
from models import Order, OrderEvent, Signal
from services.batch_writes import add_record


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What one order is to be; quantity in shares."""

    leg: int
    symbol: str
    asset_class: str
    currency: str
    side: Side
    quantity: Decimal
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Trail | None = None
    extended_hours: bool = False
    purpose: Purpose = Purpose.SIGNAL
    generation: int = 1
    is_exit: bool = False
    closes: Decimal | None = None  # so many shares of it close what is held; None = all of an exit, none of an entry
    attached: bool = False
    not_after: datetime | None = None
    next_at: datetime | None = None


def client_order_id(installation: str, signal_id: int, leg: int, generation: int) -> str:
    """Return the id of an order: the same for every try, another for every desk, signal, leg and generation."""
    return str(uuid.uuid5(uuid.UUID(installation), f"{signal_id}:{leg}:{generation}"))


def make_order(installation: str, signal: Signal, new: NewOrder, at: datetime) -> Order:
    """Return the row of a queued order of a signal; not yet in the session."""
    return Order(
        signal_id=signal.id,
        leg=new.leg,
        generation=new.generation,
        name=signal.name,
        purpose=new.purpose,
        is_exit=new.is_exit,
        closes=new.closes if new.closes is not None else new.quantity if new.is_exit else Decimal(0),
        attached=new.attached,
        account_id=signal.account_id,
        symbol=new.symbol,
        asset_class=new.asset_class,
        currency=new.currency,
        side=new.side,
        quantity=new.quantity,
        order_type=new.order_type,
        time_in_force=new.time_in_force,
        limit_price=new.limit_price,
        stop_price=new.stop_price,
        trail_percent=None if new.trail is None else new.trail.percent,
        trail_price=None if new.trail is None else new.trail.price,
        extended_hours=new.extended_hours,
        client_order_id=client_order_id(installation, signal.id, new.leg, new.generation),
        status=OrderStatus.QUEUED,
        created_at=at,
        next_at=new.next_at or at,
        not_after=new.not_after,
        filled_quantity=Decimal(0),
        moves=1,
        lookups=0,
        send_attempts=0,
        cancel_tries=0,
        lease_epoch=0,
    )


def add_orders(session: Session, orders: Sequence[Order], cause: str, actor: str) -> None:
    """Insert orders with the first event of each; gives them their ids."""
    session.add_all(orders)
    session.flush()
    for order in orders:
        values = {
            "order_id": order.id,
            "seq": 1,
            "to_status": OrderStatus.QUEUED,
            "from_status": None,
            "cause": cause[:500],
            "actor": actor,
            "epoch": 0,
        }
        add_record(session, OrderEvent, values)
