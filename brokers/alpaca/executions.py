"""The executions of orders, from the account's activities: an order itself says only sum and mean of what is filled.

A few orders are asked for by name, many by one list. Alpaca may show an execution late, leave one out where a page
ends, and sort those of one millisecond in any order.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.errors import BadRequest
from brokers.alpaca.rate_budget import Priority
from brokers.alpaca.translate import fill_report, moment, number
from brokers.errors import BrokerUnavailable
from domain.exact import EXACT, round8
from domain.messages import FillReport

PAGE = 100
MOST_PAGES = 100
FEW = 2  # more orders than these are asked for by one list
REMEMBERED = 5000  # orders whose executions are known and complete
EARLIER = timedelta(seconds=5)  # an execution's time and its order's come from clocks of their own
SETTLE = timedelta(seconds=60)  # so long after the last change of an order its executions may still come
AGAIN = 60.0  # seconds until an order is asked for again that has settled, and whose executions lack


class Executions:
    """Finds the executions of orders; those that add up to what an order says are not asked for again."""

    def __init__(self, client: AlpacaClient) -> None:
        self._client = client
        self._known: OrderedDict[str, tuple[FillReport, ...]] = OrderedDict()
        self._settled: dict[tuple[str, Decimal], float] = {}  # when, after it had settled (monotonic)
        self._finds_orders = True  # the filter by order is newer than others: it may be refused, or ignored

    def of(self, orders: Sequence[Mapping[str, Any]]) -> dict[str, tuple[FillReport, ...]]:
        """Return the executions of these orders by Alpaca's order id, oldest first; raises BrokerUnavailable.

        They may be fewer than the orders say: activities come a moment later, and some never.
        """
        try:
            return self._of(orders)
        except (KeyError, ValueError, OverflowError) as e:
            raise BrokerUnavailable(f"an order of Alpaca cannot be read ({e})") from e

    def are_settled(self, order: Mapping[str, Any]) -> bool:
        """Return True if an order's executions are as many as Alpaca will ever show: it had the time, and was asked."""
        return (str(order["id"]), _filled(order)) in self._settled

    def _of(self, orders: Sequence[Mapping[str, Any]]) -> dict[str, tuple[FillReport, ...]]:
        traded = [order for order in orders if _filled(order) > 0]
        wanted = [order for order in traded if self._lacks(order) and not self._was_asked(order)]
        begun = datetime.now(UTC)
        if len(wanted) > FEW:
            self._keep(wanted, self._read(_since(wanted)))
            wanted = [order for order in wanted if self._lacks(order) and _is_late(order, begun)]
        for order in wanted if self._finds_orders else ():
            self._keep([order], self._read(_since([order]), str(order["id"])))
        if wanted and not self._finds_orders:
            self._keep(wanted, self._read(_since(wanted)))
        for order in wanted:
            if _is_late(order, begun) and self._lacks(order):
                self._settled[str(order["id"]), _filled(order)] = time.monotonic()
        return {str(order["id"]): self._known.get(str(order["id"]), ()) for order in traded}

    def _lacks(self, order: Mapping[str, Any]) -> bool:
        return round8(_sum(self._known.get(str(order["id"]), ()))) != _filled(order)

    def _was_asked(self, order: Mapping[str, Any]) -> bool:
        """Return True if an order was asked for a moment ago, and nobody expects any more of it."""
        return time.monotonic() - self._settled.get((str(order["id"]), _filled(order)), -1e9) < AGAIN

    def _keep(self, orders: Sequence[Mapping[str, Any]], found: Mapping[str, list[FillReport]]) -> None:
        for order in orders:
            name = str(order["id"])
            fills = {fill.execution_id: fill for fill in (*self._known.get(name, ()), *found.get(name, ()))}
            self._known[name] = tuple(sorted(fills.values(), key=lambda fill: (fill.at, fill.execution_id)))
            self._known.move_to_end(name)
        while len(self._known) > REMEMBERED:
            name, _ = self._known.popitem(last=False)
            self._settled = {key: at for key, at in self._settled.items() if key[0] != name}

    def _read(self, since: datetime, order_id: str = "") -> dict[str, list[FillReport]]:
        """Return the executions since a moment by order, of all or of one of them."""
        found: dict[str, dict[str, FillReport]] = defaultdict(dict)
        asked: dict[str, Any] = {"after": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "direction": "asc"}
        asked |= {"page_size": PAGE, **({"order_id": order_id} if order_id else {})}
        for _ in range(MOST_PAGES):
            page = self._page(asked)
            if page is None:
                self._finds_orders = False
                return {}
            before = sum(map(len, found.values()))
            for activity in page:
                name, fill = _fill(activity)
                found[name][fill.execution_id] = fill
            if order_id and found.keys() - {order_id}:
                self._finds_orders = False
            if len(page) < PAGE or sum(map(len, found.values())) == before:
                return {name: list(fills.values()) for name, fills in found.items()}
            asked["page_token"] = _token(page)
        raise BrokerUnavailable(f"more than {MOST_PAGES * PAGE} executions since {since:%Y-%m-%d %H:%M}")

    def _page(self, asked: Mapping[str, Any]) -> list[Any] | None:
        """Return a page of executions; None where the filter by order is refused."""
        try:
            page = self._client.read("/account/activities/FILL", dict(asked), priority=Priority.OUTCOME)
        except BadRequest:
            if "order_id" in asked:
                return None
            raise
        if not isinstance(page, list):
            raise BrokerUnavailable("Alpaca's list of executions cannot be read")
        return page


def _token(page: Sequence[Mapping[str, Any]]) -> str:
    """Return after which row the next page begins: the last one of an earlier millisecond than the page's end.

    An id begins with the millisecond. Those of the last one come once more, with what was left out among them.
    """
    names = [str(activity["id"]) for activity in page]
    last = names[-1].partition("::")[0]
    return next((name for name in reversed(names) if name.partition("::")[0] != last), names[-1])


def _fill(activity: Any) -> tuple[str, FillReport]:
    try:
        return str(activity["order_id"]), fill_report(activity)
    except (ValueError, KeyError, TypeError) as e:
        raise BrokerUnavailable(f"an execution of Alpaca cannot be read ({e})") from e


def _filled(order: Mapping[str, Any]) -> Decimal:
    return round8(number(order.get("filled_qty")) or Decimal(0))


def _since(orders: Sequence[Mapping[str, Any]]) -> datetime:
    """Return from when on executions of these orders may be."""
    began = (moment(order.get("submitted_at")) or moment(order.get("created_at")) for order in orders)
    return min(at or datetime.now(UTC) for at in began) - EARLIER


def _is_late(order: Mapping[str, Any], now: datetime) -> bool:
    """Return True if Alpaca has had the time to show all executions of an order."""
    changed = moment(order.get("updated_at")) or moment(order.get("created_at"))
    return changed is not None and now - changed > SETTLE


def _sum(fills: Sequence[FillReport]) -> Decimal:
    total = Decimal(0)
    for fill in fills:
        total = EXACT.add(total, fill.quantity)
    return total
