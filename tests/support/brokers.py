"""Asking brokers for orders, by our id alone or by all that a test knows of them."""

from decimal import Decimal

from brokers.base import Broker
from domain.enums import Side
from domain.messages import OrderRef, OrderReport, OrderRequest
from domain.venue.capabilities import Identity


def ref(order: str | OrderRequest | OrderReport) -> OrderRef:
    """Return what a broker finds an order by; of one that is given by our id nothing else is known."""
    if isinstance(order, str):
        return OrderRef(client_order_id=order, symbol="", side=Side.BUY, quantity=Decimal(1))
    return OrderRef(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        broker_order_id=order.broker_order_id if isinstance(order, OrderReport) else None,
    )


def find(broker: Broker, order: str | OrderRequest | OrderReport) -> OrderReport | None:
    """Return the broker's report of an order, or of the only one like it; None where there is none."""
    found = broker.find_order(ref(order))
    if found.report is None and broker.capabilities.identity is Identity.LIKENESS and len(found.candidates) == 1:
        return found.candidates[0]
    return found.report
