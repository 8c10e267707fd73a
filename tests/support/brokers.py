"""Asking brokers for orders by our id alone, as tests know them."""

from decimal import Decimal

from brokers.base import Broker
from domain.enums import Side
from domain.messages import OrderRef, OrderReport


def ref(client_order_id: str, broker_order_id: str | None = None) -> OrderRef:
    """Return what a broker with unique ids finds an order by; nothing else of it is known."""
    return OrderRef(
        client_order_id=client_order_id,
        symbol="",
        side=Side.BUY,
        quantity=Decimal(1),
        broker_order_id=broker_order_id,
    )


def find(broker: Broker, client_order_id: str) -> OrderReport | None:
    """Return the broker's report of an order, None where it has none."""
    return broker.find_order(ref(client_order_id)).report
