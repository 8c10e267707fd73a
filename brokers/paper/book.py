"""One account inside one write transaction: its orders, positions and cash change together."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from brokers.errors import OrderRejected
from brokers.paper import control_rows, holding_rows, order_rows
from brokers.paper.orders import Order
from brokers.paper.positions import Holding, cash_flow
from brokers.paper.pricing import EXACT, Price, Quote
from brokers.paper.settings import PaperSettings


@dataclass(slots=True)
class Book:
    """A locked account; `now` is read under the lock, so that its changes are stamped in order of commit."""

    connection: Connection
    settings: PaperSettings
    account: str
    cash: Decimal
    now: datetime

    def catch_up(self) -> None:
        """Do what fell due, at the quotes in force: every change of a quote does this first."""
        values = {"account": self.account, "now": self.now}
        for order in order_rows.load(self.connection, order_rows.DUE, values):
            filled = len(order.fills)
            order.catch_up(control_rows.quote(self.connection, order.symbol), self.settings, self.now)
            self.save(order, new_fills=len(order.fills) - filled)

    def meet(self, symbol: str, quote: Quote) -> None:
        """Fill the working orders of `symbol` that a new quote crosses."""
        values = {"account": self.account, "symbol": symbol}
        for order in order_rows.load(self.connection, order_rows.WAITING, values):
            filled = len(order.fills)
            order.trade(quote, self.settings, self.now)
            if len(order.fills) > filled:
                self.save(order, new_fills=len(order.fills) - filled)

    def force(self, order: Order, quantity: Decimal) -> None:
        """Fill `quantity` now at the quote, the alert's price or the limit; OrderRejected without any."""
        price = order.price(control_rows.quote(self.connection, order.symbol), self.settings.slippage_bps)
        if price is None and order.limit_price is not None:
            price = Price(order.limit_price, synthetic=True)
        if price is None:
            raise OrderRejected("no price")
        order.due_at, order.next_fill = None, None
        order.fill(quantity, price, self.settings.commission, self.now)
        self.save(order, new_fills=1)

    def add(self, order: Order, held: Holding) -> None:
        """Store a new order, give it its id, and book its fills onto what is held."""
        order_rows.insert(self.connection, order)
        if order.fills:
            self._book(order, len(order.fills), held)

    def save(self, order: Order, *, new_fills: int) -> None:
        """Store a changed order and book the last `new_fills` of its fills."""
        order_rows.save(self.connection, order)
        if new_fills:
            held = holding_rows.holding(self.connection, self.account, order.symbol)
            self._book(order, new_fills, held)

    def _book(self, order: Order, new_fills: int, held: Holding) -> None:
        new = order.fills[-new_fills:]
        for fill in new:
            held = held.after(order.side, fill.quantity, fill.price)
            flow = cash_flow(order.side, fill.quantity, fill.price, fill.commission)
            self.cash = EXACT.add(self.cash, flow)
        order_rows.insert_fills(self.connection, order, new)
        holding_rows.save_holding(self.connection, self.account, order.symbol, held, self.now)
        holding_rows.save_cash(self.connection, self.account, self.cash)
