"""One account inside one write transaction: its orders, positions and cash change together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select

from brokers.errors import OrderRejected
from brokers.paper import control_rows, holding_rows, order_rows
from brokers.paper.attached import Lead
from brokers.paper.market import Session
from brokers.paper.orders import Order, lead_of
from brokers.paper.positions import Fill, cash_flow
from brokers.paper.pricing import EXACT, Price, Quote
from brokers.paper.settings import PaperSettings


@dataclass(slots=True)
class Book:
    """A locked account; `now` is read under the lock, so that its changes are stamped in order of commit."""

    connection: Connection
    settings: PaperSettings
    account: str
    cash: Decimal
    blocked: str  # why it takes no orders, empty = it does
    now: datetime

    def catch_up(self) -> None:
        """Do what fell due, at the quotes in force: every change of a quote or of the session does this first."""
        for order in self._each(order_rows.DUE, now=self.now):
            filled = len(order.fills)
            quote, session = self._market_of(order)
            order.catch_up(quote, session, self.settings, self.now)
            self.save(order, new_fills=len(order.fills) - filled)

    def meet(self, symbol: str, quote: Quote) -> None:
        """Fill the working orders of `symbol` that a new quote crosses."""
        for order in self._each(order_rows.WAITING, symbol=symbol):
            before = _state_of(order)
            order.enter(quote, control_rows.session(self.connection), self.settings, self.now)
            if (after := _state_of(order)) != before:
                self.save(order, new_fills=after[0] - before[0])

    def reopen(self, session: Session, was: Session) -> None:
        """Let the orders that wait for the market wait for its new opening, or trade if it is open now.

        Those for the opening or the close trade if it `was` closed, or open, until now.
        """
        for order in self._each(order_rows.HELD):
            order.due_at = order.waits_until(session, self.now, was)
            order_rows.save(self.connection, order)
        self.catch_up()

    def force(self, order: Order, quantity: Decimal) -> None:
        """Fill `quantity` now at the quote, the alert's price or the limit; OrderRejected without any."""
        order.triggered = order.has_stop
        price = order.price(control_rows.quote(self.connection, order.symbol), self.settings.slippage_bps)
        if price is None and order.limit_price is not None:
            price = Price(order.limit_price, synthetic=True)
        if price is None:
            raise OrderRejected("no price")
        if not order.held:
            order.due_at = None
        order.next_fill = None
        order.fill(quantity, price, self.settings.commission, self.now)
        self.save(order, new_fills=1)

    def save(self, order: Order, *, new_fills: int) -> None:
        """Store a changed order, book the last `new_fills` of its fills, and let leg 2 follow."""
        order_rows.save(self.connection, order)
        if new_fills:
            self._book(order, order.fills[-new_fills:])
        if order.attached_to is None:
            self._lead_on(order, order.fills[-1].at if new_fills else self.now)

    def _book(self, order: Order, new: Sequence[Fill]) -> None:
        held = holding_rows.holding(self.connection, self.account, order.symbol)
        for fill in new:
            held = held.after(order.side, fill.quantity, fill.price)
            flow = cash_flow(order.side, fill.quantity, fill.price, fill.commission)
            self.cash = EXACT.add(self.cash, flow)
        order_rows.insert_fills(self.connection, [(order, fill) for fill in new])
        moved = (order.symbol, held, new[-1].price)
        holding_rows.save_holdings(self.connection, self.account, [moved], self.now)
        holding_rows.save_cash(self.connection, self.account, self.cash)

    def _lead_on(self, leg1: Order, at: datetime) -> None:
        values = {"account": self.account, "client_order_id": leg1.client_order_id}
        for order in order_rows.load(self.connection, order_rows.FOLLOWERS, values):
            before = len(order.fills)
            order.lead = leg1.as_lead(control_rows.asset(self.connection, order.symbol).quantity_step)
            quote, session = self._market_of(order)
            order.follow(quote, session, self.settings, at)
            if len(order.fills) > before or order.closed_at is not None:
                order.changed_at = self.now  # those who ask for changes since an earlier answer must see it
            self.save(order, new_fills=len(order.fills) - before)

    def _lead(self, order: Order, step: Decimal) -> Lead:
        values = {"account": self.account, "client_order_id": order.attached_to, "now": self.now}
        return lead_of(next(iter(order_rows.load(self.connection, order_rows.ONE, values)), None), step)

    def _market_of(self, order: Order) -> tuple[Quote | None, Session]:
        return control_rows.quote(self.connection, order.symbol), control_rows.session(self.connection)

    def _each(self, which: Select[Any], **values: object) -> Iterator[Order]:
        """Give the orders that `which` selects, leading ones first: those attached to them change with them."""
        values["account"] = self.account
        found = order_rows.load(self.connection, which, values)
        yield from (order for order in found if order.attached_to is None)
        if any(order.attached_to is not None for order in found):
            for order in order_rows.load(self.connection, which, values):
                if order.attached_to is not None:
                    order.lead = self._lead(order, control_rows.asset(self.connection, order.symbol).quantity_step)
                    yield order


def _state_of(order: Order) -> tuple[int, bool, datetime | None, bool, Decimal | None]:
    """Return what a quote may change of an order; first the number of its fills."""
    return len(order.fills), order.held, order.closed_at, order.triggered, order.best_price
