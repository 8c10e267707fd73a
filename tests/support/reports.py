"""What a broker reports of the desk's orders, as tests need it."""

from decimal import Decimal

from domain.enums import Side
from domain.messages import FillReport, OrderReport
from domain.order_status import OrderStatus
from models import Order


def report_of(order: Order, status: OrderStatus = OrderStatus.ACCEPTED, *fills: tuple[str, str, str]) -> OrderReport:
    """Return a report of an order; each fill as (execution id, quantity, price), in the second the order was made."""
    return OrderReport(
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id or f"at the broker: {order.id}",
        symbol=order.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        status=status,
        at=order.created_at,
        fills=tuple(
            FillReport(
                execution_id=execution_id,
                quantity=Decimal(quantity),
                price=Decimal(price),
                commission=Decimal(0),
                at=order.created_at,
            )
            for execution_id, quantity, price in fills
        ),
    )


def filled_report(order: Order, price: str, quantity: str | None = None) -> OrderReport:
    """Return a report of one fill of an order, of all of it unless `quantity` says otherwise."""
    filled = Decimal(quantity) if quantity is not None else order.quantity
    status = OrderStatus.FILLED if filled == order.quantity else OrderStatus.PARTIALLY_FILLED
    return report_of(order, status, (f"{order.id} filled {filled}", f"{filled}", price))
