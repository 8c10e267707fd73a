"""The executions of orders, from the account's activities: an order itself says only sum and mean of what is filled."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.rate_budget import Priority
from brokers.alpaca.translate import fill_report, in_steps, moment, number
from brokers.errors import BrokerUnavailable
from domain.exact import round8
from domain.messages import FillReport

PAGE = 100
MOST_PAGES = 100
REMEMBERED = 5000  # orders whose executions are known and complete
EARLIER = timedelta(seconds=5)  # an execution's time and its order's come from clocks of their own


class Executions:
    """Finds the executions of orders; those that add up to what an order says are not asked for again."""

    def __init__(self, client: AlpacaClient) -> None:
        self._client = client
        self._complete: OrderedDict[str, tuple[FillReport, ...]] = OrderedDict()

    def of(self, orders: Sequence[Mapping[str, Any]]) -> dict[str, tuple[FillReport, ...]]:
        """Return the executions of these orders by Alpaca's order id, oldest first; raises BrokerUnavailable.

        They may be fewer than the orders say: activities come a moment later.
        """
        try:
            return self._of(orders)
        except (KeyError, ValueError, OverflowError) as e:
            raise BrokerUnavailable(f"an order of Alpaca cannot be read ({e})") from e

    def _of(self, orders: Sequence[Mapping[str, Any]]) -> dict[str, tuple[FillReport, ...]]:
        traded = [order for order in orders if _filled(order) > 0]
        wanted = [order for order in traded if _sum(self._complete.get(str(order["id"]), ())) != _filled(order)]
        if wanted:
            found = self._read(min(_began(order) for order in wanted) - EARLIER)
            for order in wanted:
                self._keep(order, found.get(str(order["id"]), []))
        return {str(order["id"]): self._complete.get(str(order["id"]), ()) for order in traded}

    def _keep(self, order: Mapping[str, Any], fills: list[FillReport]) -> None:
        fills.sort(key=lambda fill: (fill.at, fill.execution_id))
        self._complete[str(order["id"])] = tuple(in_steps(fills))
        while len(self._complete) > REMEMBERED:
            self._complete.popitem(last=False)

    def _read(self, since: datetime) -> dict[str, list[FillReport]]:
        found: dict[str, dict[str, FillReport]] = defaultdict(dict)
        after: dict[str, Any] = {"after": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        for _ in range(MOST_PAGES):
            asked = {**after, "direction": "asc", "page_size": PAGE}
            page = self._client.read("/account/activities/FILL", asked, priority=Priority.OUTCOME)
            if not isinstance(page, list):
                raise BrokerUnavailable("Alpaca's list of executions cannot be read")
            for activity in page:
                order_id, fill = _fill(activity)
                found[order_id][fill.execution_id] = fill
            if len(page) < PAGE:
                return {order: list(fills.values()) for order, fills in found.items()}
            after["page_token"] = page[-1]["id"]
        raise BrokerUnavailable(f"more than {MOST_PAGES * PAGE} executions since {since:%Y-%m-%d %H:%M}")


def _fill(activity: Any) -> tuple[str, FillReport]:
    try:
        return str(activity["order_id"]), fill_report(activity)
    except (ValueError, KeyError, TypeError) as e:
        raise BrokerUnavailable(f"an execution of Alpaca cannot be read ({e})") from e


def _filled(order: Mapping[str, Any]) -> Decimal:
    return round8(number(order.get("filled_qty")) or Decimal(0))


def _began(order: Mapping[str, Any]) -> datetime:
    return moment(order.get("submitted_at")) or moment(order.get("created_at")) or datetime.now(UTC)


def _sum(fills: Sequence[FillReport]) -> Decimal:
    return sum((fill.quantity for fill in fills), Decimal(0))
