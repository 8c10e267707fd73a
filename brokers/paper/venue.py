"""The paper venue: takes orders, fills them at quotes or alert prices, keeps positions and cash."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection

from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from brokers.paper import control_rows, holding_rows, order_rows
from brokers.paper.book import Book
from brokers.paper.instructions import Answer, Instruction
from brokers.paper.orders import MAX_TEXT, Order, is_text, new_order
from brokers.paper.pricing import LARGEST, Quote, is_exact
from brokers.paper.settings import PaperSettings
from brokers.paper.store import Store
from domain.messages import AccountReport, OrderReport, OrderRequest, PositionReport
from domain.order_status import OrderStatus

CURRENCY = "USD"  # of all accounts; a price in another currency is booked as if it were dollars


class DuplicateOrderId(OrderRejected):
    """The account has used this client order id before."""


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class PaperVenue:
    """A venue with any number of accounts; threads and processes may share its store.

    What falls due (delayed fills, ends of the day) is done by the next call of any kind, as if done in time.
    A write first locks its account, or all accounts in order of name, then anything else: nothing deadlocks.
    Any call raises BrokerUnavailable if the store fails, a write OutcomeUnknown if its commit got no answer.
    """

    def __init__(
        self,
        settings: PaperSettings,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._clock, self._sleep = settings, clock, sleep
        self._store = Store(settings.url)
        self._opened: set[str] = set()  # accounts known to exist

    def open(self) -> None:
        """Make the store unless it is there; the first call does so too."""
        self._store.open()

    def close(self) -> None:
        """Release the connections."""
        self._store.close()

    def submit(self, request: OrderRequest) -> OrderReport:
        """Place one order in one transaction; raises DuplicateOrderId or OrderRejected."""
        if not is_text(request.client_order_id) or not is_text(request.symbol):
            raise OrderRejected(f"client order id and symbol must be 1 to {MAX_TEXT} printable characters")
        with self._locked(request.account) as book:
            answer = self._place(book, request)
        return answer.deliver(self._sleep)

    def cancel(self, account: str, client_order_id: str) -> OrderReport:
        """End a working order; an ended one is reported as it is. OrderRejected if there is none."""
        with self._found(account, client_order_id) as (book, order):
            if order.closed_at is None:
                order.close(OrderStatus.CANCELED, book.now, "canceled")
                book.save(order, new_fills=0)
        return order.report()

    def fill_rest(self, account: str, client_order_id: str, quantity: Decimal | None = None) -> OrderReport:
        """Fill what is left of an order, or `quantity`; of a canceled one too: fills can cross a cancel.

        OrderRejected if there is no such order, not so much left, or no price.
        """
        with self._found(account, client_order_id) as (book, order):
            amount = order.remaining if quantity is None else quantity
            if not (is_exact(amount) and 0 < amount <= order.remaining):
                raise OrderRejected("nothing, or not so much, is left to fill")
            book.force(order, amount)
        return order.report()

    def find(self, account: str, client_order_id: str) -> OrderReport | None:
        """Look one order up; None = no such order is to be seen."""
        if not is_text(client_order_id):
            return None
        with self._reading(account) as (connection, now):
            values = {"account": account, "client_order_id": client_order_id, "now": now}
            found = order_rows.load(connection, order_rows.ONE, values)
        return found[0].report() if found else None

    def list(self, account: str, since: datetime) -> Sequence[OrderReport]:
        """Return working orders and those changed since `since` (aware), oldest change first."""
        if since.tzinfo is None:
            raise ValueError("a time without a zone")
        with self._reading(account) as (connection, now):
            found = order_rows.load(connection, order_rows.SINCE, {"account": account, "since": since, "now": now})
        return [order.report() for order in found]

    def positions(self, account: str) -> Sequence[PositionReport]:
        """Return the holdings that are not flat, by symbol."""
        with self._reading(account) as (connection, _):
            return holding_rows.positions_of(connection, account)

    def account(self, account: str) -> AccountReport:
        """Return the account's money; an account that never traded has what new ones start with."""
        with self._reading(account) as (connection, now):
            stored = holding_rows.cash(connection, account)
        cash = self._settings.cash if stored is None else stored
        return AccountReport(account=account, cash=cash, currency=CURRENCY, at=now)

    def set_quote(
        self, symbol: str, bid: Decimal, ask: Decimal, *, source: str = "manual", at: datetime | None = None
    ) -> None:
        """Set the best prices of a symbol, dollars, and fill the working orders they cross."""
        if not is_text(symbol) or not is_text(source):
            raise ValueError(f"symbol and source must be 1 to {MAX_TEXT} printable characters")
        if not (is_exact(bid) and is_exact(ask) and 0 < bid <= ask < LARGEST):
            raise ValueError("bid and ask must be above 0, with at most 8 decimals, the bid not above the ask")
        if at is not None and at.tzinfo is None:
            raise ValueError("a time without a zone")
        new = Quote(bid, ask)
        with self._all_locked() as (connection, books):
            control_rows.save_quote(connection, symbol, new, at or self._clock(), source)
            for book in books:
                book.meet(symbol, new)

    def drop_quote(self, symbol: str) -> None:
        """Forget the quote of a symbol: alert prices count again."""
        with self._all_locked() as (connection, _):
            control_rows.delete_quote(connection, symbol)

    def instruct(self, instruction: Instruction, count: int = 1) -> None:
        """Treat the next `count` orders it fits so; an order uses up the oldest one that fits."""
        if count < 1:
            raise ValueError("count must be at least 1")
        with self._store.writing() as connection:
            control_rows.insert_instruction(connection, instruction, count)

    def forget_instructions(self) -> None:
        """Treat coming orders as usual again."""
        with self._store.writing() as connection:
            control_rows.delete_instructions(connection)

    def _place(self, book: Book, request: OrderRequest) -> Answer:
        scene = order_rows.scene(book.connection, request, book.now)
        if scene.due:
            book.catch_up()
            scene = order_rows.scene(book.connection, request, book.now)
        if scene.duplicate:
            return Answer(outcome=DuplicateOrderId("client order id must be unique"))
        told = control_rows.use_instruction(book.connection, scene.instruction_id, request.symbol)
        if told is not None and (refusal := told.refusal()) is not None:
            return Answer(outcome=refusal)
        try:
            order = new_order(request, scene.quote, self._settings, book.now)
        except OrderRejected as e:
            return Answer(outcome=e).under(told)  # not raised: the instruction is used up all the same
        if told is None or told.prepare(order, book.now):
            order.trade(scene.quote, self._settings, book.now)
        elif order.due_at is None:
            order.settle_ioc(book.now)
        book.add(order, scene.holding)
        return Answer(outcome=order.report()).under(told)

    @contextmanager
    def _found(self, account: str, client_order_id: str) -> Iterator[tuple[Book, Order]]:
        if not is_text(client_order_id):
            raise OrderRejected("no such order")
        with self._locked(account) as book:
            book.catch_up()
            values = {"account": account, "client_order_id": client_order_id, "now": book.now}
            found = order_rows.load(book.connection, order_rows.ONE, values)
            if not found:
                raise OrderRejected("no such order")
            yield book, found[0]

    @contextmanager
    def _reading(self, account: str) -> Iterator[tuple[Connection, datetime]]:
        now = self._clock()
        with self._store.reading() as connection:
            due = order_rows.is_any_due(connection, account, now)
            if not due:
                yield connection, now
        if due:
            try:
                with self._locked(account) as book:
                    book.catch_up()
            except OutcomeUnknown as e:  # harmless: whoever comes next does what is still due
                raise BrokerUnavailable(str(e)) from e
            with self._store.reading() as connection:
                yield connection, self._clock()

    @contextmanager
    def _locked(self, account: str) -> Iterator[Book]:
        if account not in self._opened:
            self._open_account(account)
        with self._store.writing() as connection:
            cash = holding_rows.lock(connection, account)
            if cash is None:
                self._opened.discard(account)
                raise BrokerUnavailable("the paper store was emptied; the next call opens its accounts again")
            yield Book(connection, self._settings, account, cash, self._clock())

    @contextmanager
    def _all_locked(self) -> Iterator[tuple[Connection, Sequence[Book]]]:
        with self._store.writing(alone=True) as connection:
            accounts, now = holding_rows.lock_all(connection), self._clock()
            books = [Book(connection, self._settings, name, cash, now) for name, cash in accounts]
            for book in books:
                book.catch_up()  # at the quotes in force when they fell due
            yield connection, books

    def _open_account(self, account: str) -> None:
        # Alone: whoever locks all accounts must not miss one in the making.
        try:
            with self._store.writing(alone=True) as connection:
                holding_rows.open_account(connection, account, self._settings.cash, self._clock())
        except OutcomeUnknown as e:  # no order depends on it yet
            raise BrokerUnavailable(str(e)) from e
        self._opened.add(account)
