"""Which order of ours a broker speaks of: by the broker's own id first, then by ours, then by what it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from domain.messages import OrderRef, OrderReport


@dataclass(frozen=True, slots=True)
class Assigned:
    """Reports of orders of ours, by the row of the order and under our id, and those of orders that are not known."""

    ours: list[tuple[int, OrderReport]]
    others: list[OrderReport]


def assign(orders: Mapping[int, OrderRef], reports: Sequence[OrderReport]) -> Assigned:
    """Return whose each report is, in their order; `orders` are ours, by row.

    The broker's id decides where it is known: two orders may bear one id of ours at a venue that takes repeats, or none
    at a venue that does not tell it. An order that takes the place of one of ours is ours too, however many times.
    """
    by_broker = {order.broker_order_id: row for row, order in orders.items() if order.broker_order_id}
    by_client = {order.client_order_id: row for row, order in orders.items()}
    for report in reports:
        if report.client_order_id in by_client:
            by_broker.setdefault(report.broker_order_id, by_client[report.client_order_id])
    while found := _in_their_places(by_broker, reports):
        by_broker |= found
    assigned = Assigned([], [])
    for report in reports:
        row = by_broker.get(report.broker_order_id)
        if row is None:
            assigned.others.append(report)
        else:
            assigned.ours.append((row, replace(report, client_order_id=orders[row].client_order_id)))
    return assigned


def _in_their_places(by_broker: Mapping[str, int], reports: Sequence[OrderReport]) -> dict[str, int]:
    """Return the rows of orders that took the place of known ones, or whose place known ones took."""
    found = {}
    for report in reports:
        if report.broker_order_id not in by_broker:
            row = by_broker.get(report.replaces) or by_broker.get(report.replaced_by)
            if row is not None:
                found[report.broker_order_id] = row
    return found


def as_ours(order: OrderRef, report: OrderReport) -> OrderReport:
    """Return the report that a look-up of an order brought under our id.

    It lacks where the broker does not tell it, and an order that took the place of ours bears an id of its own.
    """
    if report.client_order_id and not report.replaces:
        return report
    return replace(report, client_order_id=order.client_order_id)


def is_like(order: OrderRef, report: OrderReport, clocks_differ: timedelta) -> bool:
    """Return True if a report without our id may speak of this order: same terms, and not sent before it was.

    `clocks_differ` is how far the broker's clock and ours may be apart.
    """
    if report.client_order_id not in ("", order.client_order_id):
        return False
    if (report.symbol, report.side, report.quantity) != (order.symbol, order.side, order.quantity):
        return False
    return order.sent_at is None or report.sent_at is None or report.sent_at >= order.sent_at - clocks_differ
