"""The life of orders: taken, filled by and by, canceled, expired; each step an event for the stream."""

from __future__ import annotations

import heapq
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from simulators.alpaca.account import Account, Order, Position
from simulators.alpaca.activities import LISTED_AT
from simulators.alpaca.clock import Clock
from simulators.alpaca.conditions import trailing
from simulators.alpaca.faults import Fault
from simulators.alpaca.fees import take_fee
from simulators.alpaca.market import Market
from simulators.alpaca.rules import make_order
from simulators.alpaca.wire import BUSINESS, FORBIDDEN, Refused, iso, text

ZERO = Decimal(0)
# Not eligible for trading: Trading API, "Orders at Alpaca", order lifecycle.
RESTING = frozenset({"pending_cancel", "suspended", "done_for_day", "calculated"})
WITH_TIME = frozenset({"fill", "partial_fill", "canceled", "expired", "replaced", "rejected"})
Tell = Callable[[Account, dict[str, Any]], None]


@dataclass
class Engine:
    """Takes orders and lets what falls due happen; `tell` hands events to the streams."""

    market: Market
    clock: Clock
    fill_after: float
    tell: Tell
    _due: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def submit(self, account: Account, body: dict[str, Any], told: Fault | None = None) -> Order:
        """Take an order; it is `pending_new` and comes to life a moment later. Raises Refused."""
        if told is not None and told.kind == "reject":
            raise Refused(403, FORBIDDEN, told.reason)
        order = make_order(body, account, self.market, self.clock)
        account.orders[order.id] = order
        self._prepare(order, told)
        self.event(account, order, "pending_new")
        if told is not None and told.kind == "reject_later":
            self.later(self.fill_after, lambda: self.end(account, order, "rejected"))
        else:
            self.later(0.0, lambda: self.begin(account, order))
        return order

    def cancel(self, account: Account, order: Order, told: Fault | None = None) -> None:
        """Take the wish to cancel; the order ends a moment later. Raises Refused."""
        # No cancel while it is being replaced: Trading API, "Orders at Alpaca", pending_replace.
        if not order.is_open or order.status in ("pending_cancel", "pending_replace"):
            raise Refused(422, BUSINESS, f'order is already in "{order.status}" state')
        if told is not None and told.kind == "cancel_fills":
            self.fill(account, order, order.remaining)
            return
        if told is not None and told.kind == "cancel_rejected":
            before = order.status
            self.later(self.fill_after / 2, lambda: self._reject_cancel(account, order, before))
        elif told is not None:  # it is answered as if, and that is all
            return
        self.move(order, "pending_cancel")
        self.event(account, order, "pending_cancel")
        if told is None:
            self.later(self.fill_after / 2, lambda: self.end(account, order, "canceled"))

    def fill(
        self,
        account: Account,
        order: Order,
        quantity: Decimal,
        price: Decimal | None = None,
        *,
        listed_after: float = 0.0,
    ) -> None:
        """Execute a part of an order, also of one that was canceled meanwhile.

        `listed_after`: so many seconds later the execution is among the activities.
        """
        bid, ask = self.market.quote(order.symbol)
        price = price if price is not None else ask if order.side == "buy" else bid
        now = self.clock.now()
        order.filled_qty += quantity
        order.paid += quantity * price
        done = order.remaining <= 0
        if order.is_open or done:
            self.move(order, "filled" if done else "partially_filled")
        if done:
            order.filled_at = now
        row = account.positions.setdefault(order.symbol, Position())
        row.add(order.sign * quantity, price)
        if row.qty == 0:
            del account.positions[order.symbol]
        account.cash -= order.sign * quantity * price
        kind = "fill" if done else "partial_fill"
        activity: dict[str, Any] = {
            "id": f"{now:%Y%m%d%H%M%S}{now.microsecond // 1000:03d}::{uuid.uuid4()}",
            "activity_type": "FILL",
            "transaction_time": iso(now),
            "type": kind,
            "price": text(price),
            "qty": text(quantity),
            "side": order.side,
            "symbol": order.symbol,
            "leaves_qty": text(max(ZERO, order.remaining)),
            "order_id": order.id,
            "cum_qty": text(order.filled_qty),
            "order_status": order.status,
        }
        if listed_after:
            activity[LISTED_AT] = now + timedelta(seconds=listed_after)
        account.activities.append(activity)
        take_fee(account, order, quantity, price, now)
        executed = {
            "execution_id": str(activity["id"]).partition("::")[2],
            "price": text(price),
            "qty": text(quantity),
            "position_qty": text(account.held(order.symbol)),
        }
        self.event(account, order, kind, **executed)

    def expire(self, account: Account, order: Order) -> None:
        """End an order whose time is over."""
        if order.is_open:
            self.end(account, order, "expired")

    def cancel_now(self, account: Account, order: Order) -> None:
        """End an order by the venue's own hand."""
        if order.is_open:
            self.end(account, order, "canceled")

    def set_status(self, account: Account, order: Order, status: str) -> None:
        """Bring an order into a state of the venue's own, with its event."""
        self.move(order, status)
        self.event(account, order, status)

    def _reject_cancel(self, account: Account, order: Order, before: str) -> None:
        if order.status == "pending_cancel":
            self.move(order, before)
            self.event(account, order, "order_cancel_rejected")

    def later(self, seconds: float, deed: Callable[[], None]) -> None:
        """Let something happen so many seconds from now by the simulator's clock."""
        heapq.heappush(self._due, (self.clock.now() + timedelta(seconds=seconds), next(self._numbers), deed))

    def run_due(self) -> bool:
        """Let all that has fallen due happen; returns True if there was anything."""
        any_done = False
        while self._due and self._due[0][0] <= self.clock.now():
            heapq.heappop(self._due)[2]()
            any_done = True
        return any_done

    def advance_to(self, end: datetime) -> None:
        """Move the clock on; each thing that falls due on the way happens at its own moment."""
        while self._due and self._due[0][0] <= end:
            self.clock.move_to(self._due[0][0])
            heapq.heappop(self._due)[2]()
        self.clock.move_to(end)

    def look_again(self, accounts: list[Account], symbol: str | None = None) -> None:
        """Look at open orders again: the quote or the session has changed."""
        for account in accounts:
            for order in list(account.orders.values()):
                if order.is_open and symbol in (None, order.symbol) and order.status != "pending_new":
                    self._try(account, order)

    def expire_day(self, accounts: list[Account]) -> None:
        """End the day orders at the close, but for those that were taken while it was closed, and very old ones."""
        for account in accounts:
            for order in list(account.orders.values()):
                is_old = order.expires_at is not None and order.expires_at <= self.clock.now()
                if (order.time_in_force == "day" and order.status != "accepted") or is_old:
                    self.expire(account, order)

    def auction(self, accounts: list[Account], time_in_force: str) -> None:
        """Fill the orders for the opening or the close at the quote; what is left of them ends."""
        for account in accounts:
            for order in list(account.orders.values()):
                if order.is_open and order.time_in_force == time_in_force:
                    self._execute(account, order)
                    self.expire(account, order)

    def resume(self, accounts: list[Account]) -> None:
        """Go on with orders after a restart."""
        for account in accounts:
            for order in account.orders.values():
                if order.status == "pending_cancel":
                    self.later(0.0, lambda a=account, o=order: self.end(a, o, "canceled"))  # type: ignore[misc]
                elif order.is_open:
                    self.later(0.0, lambda a=account, o=order: self.begin(a, o))  # type: ignore[misc]

    def _prepare(self, order: Order, told: Fault | None) -> None:
        if told is None:
            return
        if told.kind == "partial":
            order.most = told.quantity
        order.rests = told.kind == "work"
        if told.kind == "slow_fill":
            order.fill_at = self.clock.now() + timedelta(seconds=told.seconds)
        if told.kind == "hidden":
            order.visible_at = self.clock.now() + timedelta(seconds=told.seconds)

    def begin(self, account: Account, order: Order) -> None:
        """Bring an order into the book: `new`, or `accepted` while its market is closed."""
        if not order.is_open or order.status == "pending_cancel":
            return
        status = "new" if self._trades_now(order) else "accepted"
        if order.status not in ("partially_filled", status):
            self.move(order, status)
            self.event(account, order, status)
        wait = self.fill_after
        if order.fill_at is not None:
            wait = max(wait, (order.fill_at - self.clock.now()).total_seconds())
        self.later(wait, lambda: self._try(account, order))

    def _try(self, account: Account, order: Order) -> None:
        if not order.is_open or order.status in RESTING or not self._trades_now(order):
            return
        if order.fill_at is not None and order.fill_at > self.clock.now():
            return
        if order.status == "accepted":
            self.move(order, "new")
            self.event(account, order, "new")
        self._execute(account, order)
        if order.is_open and order.time_in_force in ("ioc", "fok"):
            self.end(account, order, "canceled")

    def _execute(self, account: Account, order: Order) -> None:
        """Fill what may be filled at the quote."""
        price = self._price(order)
        quantity = min(order.remaining, order.most) if order.most is not None else order.remaining
        if price is not None and not order.rests and quantity > 0 and order.status != "pending_cancel":
            self.fill(account, order, quantity, price)
            order.rests = order.is_open  # what is left waits until it is told to go on

    def _price(self, order: Order) -> Decimal | None:
        """Return the price an order trades at now; None when it has to wait."""
        bid, ask = self.market.quote(order.symbol)
        price = ask if order.side == "buy" else bid
        if order.type == "trailing_stop" and not order.triggered:
            trailing.follow(order, price)
        if order.stop_price is not None and not order.triggered:
            order.triggered = price >= order.stop_price if order.side == "buy" else price <= order.stop_price
            if not order.triggered:
                return None
        if order.limit_price is not None:
            within = price <= order.limit_price if order.side == "buy" else price >= order.limit_price
            return price if within else None
        return price

    def _trades_now(self, order: Order) -> bool:
        if order.asset_class == "crypto":
            return True
        is_open = self.clock.is_open()
        if order.time_in_force in ("opg", "cls") and self.clock.mode != "always":
            return False  # it waits for its auction
        return is_open or (order.extended_hours and self.clock.is_extended())

    def end(self, account: Account, order: Order, status: str) -> None:
        """End an order, unless it has ended."""
        if not order.is_open:
            return
        now = self.clock.now()
        field_name = {"canceled": "canceled_at", "expired": "expired_at", "rejected": "failed_at"}[status]
        setattr(order, field_name, now)
        self.move(order, status)
        self.event(account, order, status)

    def move(self, order: Order, status: str) -> None:
        """Give an order a status."""
        order.status, order.updated_at = status, self.clock.now()

    def event(self, account: Account, order: Order, event: str, **more: Any) -> None:
        """Hand an event of an order to the streams."""
        body: dict[str, Any] = {"event": event, "order": order.wire(), **more}
        body.setdefault("execution_id", str(uuid.uuid4()))
        if event in WITH_TIME:
            body["timestamp"] = iso(self.clock.now())
        self.tell(account, body)
