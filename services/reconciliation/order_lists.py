"""One list of a broker's orders instead of a look-up of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from brokers.base import Broker
from domain.messages import OrderReport
from extensions import database_time, reading

FEW = 3  # fewer are looked up one by one, which costs no more
OLDEST = timedelta(days=1)  # a list of all orders since then is still short
MARGIN = timedelta(seconds=60)  # the broker's clock and ours may differ


def list_these(broker: Broker, orders: Sequence[Any]) -> list[OrderReport]:
    """Return what the broker's list shows of orders, given by `client_order_id` and `sent_at`; older ones are left out.

    Raises BrokerUnavailable.
    """
    with reading():
        oldest = database_time() - OLDEST
    wanted = {order.client_order_id: order.sent_at for order in orders if order.sent_at and order.sent_at > oldest}
    if len(wanted) < FEW:
        return []
    reports = broker.list_orders(min(wanted.values()) - MARGIN)
    return [report for report in reports if report.client_order_id in wanted]
