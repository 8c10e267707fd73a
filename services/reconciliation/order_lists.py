"""One list of a broker's orders instead of a look-up of each."""

from __future__ import annotations

from collections.abc import Mapping

from brokers.base import Broker
from domain.messages import OrderRef, OrderReport
from domain.order_identity import assign
from extensions import database_time, reading
from services.timing import CLOCK_MARGIN, LIST_LOOK_BACK

FEW = 3  # fewer are looked up one by one, which costs no more


def list_these(broker: Broker, orders: Mapping[int, OrderRef]) -> list[tuple[int, OrderReport]]:
    """Return what the broker's list shows of orders, given by row; those sent long ago are left out.

    Raises BrokerUnavailable.
    """
    with reading():
        oldest = database_time() - LIST_LOOK_BACK
    wanted = {row: order for row, order in orders.items() if order.sent_at and order.sent_at > oldest}
    if len(wanted) < FEW:
        return []
    first = min(order.sent_at for order in wanted.values() if order.sent_at)
    return assign(wanted, broker.list_orders(first - CLOCK_MARGIN)).ours
