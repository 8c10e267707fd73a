"""What the control has told the simulator to do wrong, and how often it has done it."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from simulators.alpaca.wire import Refused, number

# Instead of doing what is asked.
NOT_DONE = {"status_500": 500, "status_503": 503, "status_504": 504}
# Instead of doing it, the page of a proxy on the way; users have seen them at the clock, the calendar and at orders.
PAGES = {"html_401": 401, "html_404": 404, "html_502": 502}
# Done, and then answered so.
DONE_ALL_THE_SAME = {"status_500_after": 500, "status_504_after": 504}
OTHERS = frozenset(
    {
        "drop_before",  # the connection is cut and nothing is done
        "drop_after",  # done, and the connection is cut without an answer
        "delay",  # done at once, answered later
        "late",  # the connection is cut at once; the order arrives later
        "hidden",  # done and cut; look-ups and lists do not show the order for a while
        "rate_limit",  # 429
        "unauthorized",  # 401
        "garbage",  # done, answered 200 with what is no JSON
        "wrong_order",  # done, answered with another order's ids
        "trickle",  # done, answered a byte a second
    }
)
# What becomes of an order, or of a cancel, that is answered as usual.
ORDER_KINDS = frozenset({"reject", "reject_later", "partial", "work", "slow_fill"})
CANCEL_KINDS = frozenset({"cancel_fills", "cancel_ignored", "cancel_rejected"})
REPLACE_KINDS = frozenset({"replace_rejected", "replace_late"})  # of a PATCH that is answered as usual
EVENT_KINDS = frozenset({"duplicate_event"})
KINDS = (
    frozenset(NOT_DONE)
    | frozenset(PAGES)
    | frozenset(DONE_ALL_THE_SAME)
    | OTHERS
    | ORDER_KINDS
    | CANCEL_KINDS
    | EVENT_KINDS
    | REPLACE_KINDS
)
TIMED = frozenset({"delay", "late", "hidden", "slow_fill", "replace_late"})
FOR_ORDERS = ORDER_KINDS | {"late", "hidden", "wrong_order"}
PLACES = {"orders": ("POST", "/v2/orders"), "cancels": ("DELETE", "/v2/orders/")}
LONGEST = 86_400


@dataclass
class Fault:
    """One instruction; `left` times it is still to be done."""

    id: int
    kind: str
    where: str
    left: int
    symbol: str | None = None
    seconds: float = 0.0
    quantity: Decimal | None = None
    reason: str = "rejected as instructed"
    done: int = 0

    def fits(self, method: str, path: str, symbol: str | None) -> bool:
        """Return True if a request is one of those it is meant for."""
        if self.symbol is not None and symbol != self.symbol:
            return False
        if self.where in PLACES:
            wanted, prefix = PLACES[self.where]
            return method == wanted and (path == prefix if self.where == "orders" else path.startswith(prefix))
        if self.where == "any":
            return path.startswith(("/v1", "/v2"))
        if self.where == "reads":
            return method == "GET" and path.startswith(("/v1", "/v2"))
        return path.startswith(self.where)

    def wire(self) -> dict[str, Any]:
        """Return it as the control shows it."""
        return {
            "id": self.id, "kind": self.kind, "where": self.where, "left": self.left, "done": self.done,
            "symbol": self.symbol, "seconds": self.seconds,
        }  # fmt: skip


@dataclass
class Faults:
    """All instructions, oldest first."""

    told: list[Fault] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def tell(self, body: dict[str, Any]) -> Fault:
        """Take an instruction; raises Refused naming what is wrong with it."""
        kind = body.get("kind")
        if kind not in KINDS:
            raise Refused(400, None, f"kind must be one of: {', '.join(sorted(KINDS))}")
        usual = "cancels" if kind in CANCEL_KINDS else "events" if kind in EVENT_KINDS else "orders"
        usual = "/v2/orders/" if kind in REPLACE_KINDS else usual
        where, times, seconds = body.get("where", usual), body.get("times", 1), body.get("seconds", 0)
        if not isinstance(where, str) or not (where in (*PLACES, "any", "reads", "events") or where.startswith("/")):
            raise Refused(400, None, "where must be orders, cancels, reads, any or a path")
        if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 10_000:
            raise Refused(400, None, "times must be a whole number from 1 to 10000")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST:
            raise Refused(400, None, f"seconds must be from 0 to {LONGEST}")
        if kind in TIMED and seconds == 0:
            raise Refused(400, None, f"{kind} needs seconds")
        if kind in FOR_ORDERS and where != "orders":
            raise Refused(400, None, f"{kind} is for orders only")
        if not isinstance(body.get("symbol"), str | None):
            raise Refused(400, None, "symbol must be a text")
        quantity = number(body.get("quantity"), "quantity")
        if kind == "partial" and (quantity is None or quantity <= 0):
            raise Refused(400, None, "partial needs a quantity above 0")
        fault = Fault(
            next(self._ids), str(kind), where, times, body.get("symbol"), float(seconds), quantity,
            str(body.get("reason") or "rejected as instructed"),
        )  # fmt: skip
        self.told.append(fault)
        return fault

    def take(self, kinds: Collection[str], method: str, path: str, symbol: str | None) -> Fault | None:
        """Use up the first instruction of these kinds that fits a request."""
        for fault in self.told:
            if fault.left > 0 and fault.kind in kinds and fault.fits(method, path, symbol):
                return self._use(fault)
        return None

    def take_event(self, symbol: str) -> Fault | None:
        """Use up the first instruction that is for an event."""
        for fault in self.told:
            if fault.left > 0 and fault.kind in EVENT_KINDS and fault.symbol in (None, symbol):
                return self._use(fault)
        return None

    def forget(self) -> None:
        """Forget what is not done yet; what was done stays counted."""
        for fault in self.told:
            fault.left = 0

    @staticmethod
    def _use(fault: Fault) -> Fault:
        fault.left -= 1
        fault.done += 1
        return fault
