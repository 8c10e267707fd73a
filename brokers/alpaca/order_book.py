"""Alpaca's orders as the desk reads them: one by its id, all that are open or new since a moment."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.errors import NotFound
from brokers.alpaca.executions import Executions
from brokers.alpaca.rate_budget import Priority
from brokers.alpaca.translate import moment, number, order_report
from brokers.errors import BrokerUnavailable
from domain.exact import round8
from domain.messages import FillReport, OrderRef, OrderReport
from domain.order_status import CLOSED, OrderStatus

logger = logging.getLogger(__name__)

PAGE = 500
MOST_PAGES = 40
MOST_REPLACED = 10  # times that one order was replaced


class OrderBook:
    """Reads orders, with their executions."""

    def __init__(self, client: AlpacaClient) -> None:
        self._client = client
        self._executions = Executions(client)
        self._told: set[str] = set()  # orders, by Alpaca's id, that something was logged of

    def find(self, order: OrderRef) -> OrderReport | None:
        """Return one order, or the one that has taken its place, however many were between; None = not known now.

        Raises BrokerUnavailable.
        """
        first = found = self.find_raw(order)
        for _ in range(MOST_REPLACED):
            if found is None or not found.get("replaced_by"):
                break
            successor = self.find_raw(replace(order, broker_order_id=str(found["replaced_by"])))
            if successor is None:
                break
            found = successor
        if found is None or first is None:
            return None
        report = self.report(found)
        return report if found is first else replace(report, replaces=str(first["id"]))

    def find_raw(self, order: OrderRef) -> Mapping[str, Any] | None:
        """Return one order as Alpaca writes it, found by Alpaca's id where it is known, else by ours."""
        path, asked = "/orders:by_client_order_id", {"client_order_id": order.client_order_id}
        if order.broker_order_id:
            path, asked = f"/orders/{quote(order.broker_order_id, safe='')}", {}
        try:
            found = self._client.read(path, asked, priority=Priority.OUTCOME)
        except NotFound:
            return None
        name, wanted = (
            ("id", order.broker_order_id) if order.broker_order_id else ("client_order_id", order.client_order_id)
        )
        if not isinstance(found, dict) or found.get(name) != wanted or not found.get("id"):
            raise BrokerUnavailable("Alpaca's answer to a look-up speaks of another order")
        return found

    def changed_since(self, since: datetime) -> Sequence[OrderReport]:
        """Return the open orders and those sent since `since` (aware UTC), oldest change first.

        Alpaca finds orders by when they were sent, not by when they changed; one that was sent earlier and has
        ended since is found by its own id. An order that cannot be read is left out, and told once: one of somebody
        else must not hide all others, and one of ours is asked for by its id, and then it raises.
        """
        # What is begun is brought to its end: only the first request asks whether there are enough left.
        found = self._list("open", None, Priority.NEEDED) | self._list("all", since, Priority.OUTCOME)
        orders = [order for order in found.values() if self._is_readable(order) and _has_its_place(order, found)]
        if found and not any(
            map(self._is_readable, found.values())
        ):  # it is not one that is odd, it is how they are written
            raise BrokerUnavailable("none of Alpaca's orders can be read")
        fills = self._executions.of(orders)
        reports = [self._report(order, fills.get(str(order["id"]), ())) for order in orders]
        return sorted(reports, key=lambda report: report.at)

    def report(self, order: Mapping[str, Any]) -> OrderReport:
        """Return the report of one order, with its executions. Raises BrokerUnavailable."""
        fills = self._executions.of([order])
        return self._report(order, fills.get(str(order.get("id")), ()))

    def translate(
        self, order: Mapping[str, Any], fills: Sequence[FillReport], *, are_settled: bool = False
    ) -> OrderReport:
        """Return the report of one order with these executions. Raises BrokerUnavailable."""
        try:
            return order_report(order, fills, are_settled=are_settled)
        except (KeyError, ValueError, TypeError) as e:
            raise BrokerUnavailable(f"an order of Alpaca cannot be read ({e})") from e

    def _is_readable(self, order: Mapping[str, Any]) -> bool:
        try:
            self.translate(order, ())
        except BrokerUnavailable as e:
            self._tell_once(logging.ERROR, str(order["id"]), f"{e}; it is left out")
            return False
        return True

    def _report(self, order: Mapping[str, Any], fills: Sequence[FillReport]) -> OrderReport:
        """Return the report of an order; an end that came after executions which are not shown yet waits for them.

        Nobody asks for an ended order again, and what it has filled would never be booked. One that is filled says by
        its quantity that executions lack. Those that never show are in the order's total.
        """
        report = self.translate(order, fills, are_settled=self._executions.are_settled(order))
        filled = round8(number(order.get("filled_qty")) or Decimal(0))
        if report.status not in CLOSED - {OrderStatus.FILLED} or report.filled >= filled:
            return report
        return replace(report, status=OrderStatus.PARTIALLY_FILLED, reason="")

    def _tell_once(self, level: int, order_id: str, text: str) -> None:
        if order_id not in self._told:
            self._told.add(order_id)
            logger.log(level, "order %s of Alpaca: %s", order_id, text)

    def _list(self, status: str, since: datetime | None, priority: Priority) -> dict[str, dict[str, Any]]:
        """Return all orders of a status that were sent after a moment, by Alpaca's id."""
        found: dict[str, dict[str, Any]] = {}
        asked: dict[str, Any] = {"status": status, "limit": PAGE, "direction": "asc"}
        after = None if since is None else since.astimezone(UTC)
        for _ in range(MOST_PAGES):
            from_here = {} if after is None else {"after": f"{after:%Y-%m-%dT%H:%M:%S.%f}Z"}
            page = self._page({**asked, **from_here}, priority)
            fresh = {str(order["id"]): order for order in page if str(order["id"]) not in found}
            found |= fresh
            last = _sent_at(page[-1]) if page else None
            if len(page) < PAGE:
                return found
            if not fresh or last is None:
                break
            after = last.replace(microsecond=0)  # several may have been sent within the same moment
        raise BrokerUnavailable(f"more than {MOST_PAGES * PAGE} orders: {status} since {since}")

    def _page(self, params: dict[str, Any], priority: Priority) -> list[dict[str, Any]]:
        page = self._client.read("/orders", params, priority=priority)
        if not isinstance(page, list) or not all(isinstance(order, dict) and order.get("id") for order in page):
            raise BrokerUnavailable("Alpaca's list of orders cannot be read")
        return page


def _has_its_place(order: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return False for an order that should take another one's place and has not yet, or never will.

    A PATCH is answered before it is done. Until then the other one works, and is listed as such.
    """
    if not order.get("replaces"):
        return True
    old = found.get(str(order["replaces"]))
    return order.get("status") != "rejected" if old is None else bool(old.get("replaced_by"))


def _sent_at(order: Mapping[str, Any]) -> datetime | None:
    try:
        return moment(order.get("submitted_at"))
    except ValueError as e:
        raise BrokerUnavailable(f"an order of Alpaca cannot be read ({e})") from e
