"""The Alpaca simulator as the venue of a rehearsal, by its control."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import requests

from bench.venues import ALPACA
from domain.order_status import OrderStatus
from faults.venues import Told, VenueOrder, name_of

ORDERS = (
    "reject reject_later slow_fill partial work drop_after drop_before delay late hidden rate_limit status_500 "
    "status_503 status_504 status_500_after status_504_after garbage wrong_order trickle unauthorized"
)
CANCELS = "cancel_fills cancel_ignored drop_after drop_before status_503"
READS = "status_500 garbage drop_before rate_limit"
KINDS: Sequence[tuple[str, str]] = [
    (kind, where)
    for where, kinds in (("orders", ORDERS), ("cancels", CANCELS), ("reads", READS), ("events", "duplicate_event"))
    for kind in kinds.split()
]
ENDED = {
    "filled": OrderStatus.FILLED, "canceled": OrderStatus.CANCELED, "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED, "replaced": OrderStatus.REPLACED,
}  # fmt: skip


class AlpacaSide:
    """The simulator, which no fault kills: it stands for somebody else's machine."""

    name, account = ALPACA, "alpaca-sim"
    paving: Mapping[str, Told] = {
        "look-up": Told("drop_after"),
        "poll": Told("slow_fill", seconds=1.0),
        "booking": Told("slow_fill", seconds=1.0),
        "cancel": Told("work", symbol="PD.FT"),  # a leg that keeps the other one waiting
        "tend": Told("work", symbol="PB.FT"),
    }

    def __init__(self, url: str) -> None:
        self._url, self._session = f"{url}/sim", requests.Session()

    def keep_whole(self, symbols: Sequence[str]) -> None:
        """Let symbols trade in whole shares only."""
        for symbol in symbols:
            self._ask("PUT", f"assets/{symbol}", {"fractionable": False})

    def tell(self, told: Told) -> bool:
        body: dict[str, Any] = {"kind": told.kind, "where": told.where, "symbol": told.symbol}
        quantity = None if told.quantity is None else str(told.quantity)
        self._ask("POST", "faults", {**body, "seconds": told.seconds, "quantity": quantity})
        return True

    def outstanding(self) -> Sequence[str]:
        told = self._ask("GET", "faults")
        return [name_of(fault["kind"], fault["where"]) for fault in told if fault["left"] and fault["symbol"] is None]

    def done(self) -> Counter[str]:
        done: Counter[str] = Counter()
        for fault in self._ask("GET", "faults"):
            done[name_of(fault["kind"], fault["where"])] += fault["done"]
        self._ask("DELETE", "faults")
        return +done

    def old_orders(self, seconds: float) -> Sequence[str]:
        book, now = self._ask("GET", "book"), time.time()
        since = {order["client_order_id"]: datetime.fromisoformat(order["updated_at"]) for order in book["orders"]}
        return [number for number in book["resting"] if now - since[number].timestamp() > seconds]

    def fill_rest(self, client_order_id: str) -> None:
        self._ask("POST", f"orders/{client_order_id}/fill", {})

    def cancel(self, client_order_id: str) -> None:
        self._ask("POST", f"orders/{client_order_id}/cancel", {})

    def book(self) -> tuple[list[VenueOrder], Mapping[str, Decimal]]:
        book = self._ask("GET", "book")
        fills: dict[str, dict[str, tuple[Decimal, Decimal, Decimal]]] = defaultdict(dict)
        for row in book["activities"]:
            fills[row["order_id"]][row["id"]] = (Decimal(row["qty"]), Decimal(row["price"]), Decimal(0))
        orders = [
            VenueOrder(
                row["client_order_id"], row["symbol"], row["side"], Decimal(row["qty"]),
                ENDED.get(row["status"], OrderStatus.ACCEPTED), fills[row["id"]],
            )
            for row in book["orders"]
        ]  # fmt: skip
        return orders, {symbol: Decimal(quantity) for symbol, quantity in book["positions"].items()}

    def close(self) -> None:
        self._session.close()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._session.request(method, f"{self._url}/{path}", json=body, timeout=10)
        if answer.status_code == 400 and path.startswith("orders/"):  # it has been filled, or has ended, meanwhile
            return {}
        answer.raise_for_status()
        return answer.json()
