"""What the desk knows of an order that a broker is asked about."""

from __future__ import annotations

from typing import Any

from domain.enums import Side
from domain.messages import OrderRef
from models import Order

# What a broker finds an order by, and how the order stands; rows of these columns cost less than whole orders.
REF_COLUMNS = (
    Order.id,
    Order.client_order_id,
    Order.symbol,
    Order.side,
    Order.quantity,
    Order.broker_order_id,
    Order.sent_at,
    Order.status,
    Order.filled_quantity,
)


def ref_of(order: Any) -> OrderRef:
    """Return what a broker finds an order by; `order` is one, or a row of REF_COLUMNS."""
    return OrderRef(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        broker_order_id=order.broker_order_id,
        sent_at=order.sent_at,
    )
