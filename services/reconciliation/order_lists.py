"""One list of a broker's orders instead of a look-up of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brokers.base import Broker
from domain.messages import OrderReport
from extensions import database_time, reading
from services.timing import CLOCK_MARGIN, LIST_LOOK_BACK

FEW = 3  # fewer are looked up one by one, which costs no more


def list_these(broker: Broker, orders: Sequence[Any]) -> list[OrderReport]:
    """Return what the broker's list shows of orders, given by `client_order_id` and `sent_at`; older ones are left out.

    Raises BrokerUnavailable.
    """
    with reading():
        oldest = database_time() - LIST_LOOK_BACK
    wanted = {order.client_order_id: order.sent_at for order in orders if order.sent_at and order.sent_at > oldest}
    if len(wanted) < FEW:
        return []
    reports = broker.list_orders(min(wanted.values()) - CLOCK_MARGIN)
    return [report for report in reports if report.client_order_id in wanted]
