"""The paper venue: takes orders, fills them at quotes or alert prices, keeps positions and cash."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from brokers.base import OrderAnswer
from brokers.errors import BrokerError, OrderRejected, OutcomeUnknown
from brokers.paper import control_rows, holding_rows, order_rows
from brokers.paper.book import Book
from brokers.paper.controls import Controls
from brokers.paper.instructions import Answer, Kind
from brokers.paper.margin import worth_of
from brokers.paper.market import Asset
from brokers.paper.orders import Order
from brokers.paper.placing.reads import read_context
from brokers.paper.placing.writes import store
from brokers.paper.pricing import is_exact
from brokers.paper.rules.requests import MAX_TEXT, is_text
from brokers.paper.store import RowRefused
from brokers.paper.worth_rows import worth
from domain.messages import (
    AccountReport,
    AssetReport,
    OrderReport,
    OrderRequest,
    PositionReport,
    QuoteReport,
    SessionReport,
)
from domain.order_status import OrderStatus

logger = logging.getLogger(__name__)

CURRENCY = "USD"  # of all accounts; a price in another currency is booked as if it were dollars


class PaperVenue(Controls):
    """A venue with any number of accounts; threads and processes may share its store.

    What falls due (delayed fills, the opening of the market, ends of the day) is done by the next call for an
    account, or the next change of a quote or of the session, as if done in time.
    Any call raises BrokerUnavailable if the store fails, a write OutcomeUnknown if its commit got no answer.
    """

    def submit(self, request: OrderRequest) -> OrderReport:
        """Place one order in one transaction; raises DuplicateOrderId or OrderRejected."""
        (answer,) = self.submit_all(request.account, [request])
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    def submit_all(self, account: str, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
        """Place orders of one account in one transaction, each after the ones before it; one answer for each.

        An order that raises what nobody foresaw, or that the store does not take, leaves the others alone.
        """
        placed = self._place(account, [request for request in requests if _is_readable(request)])
        if pause := max((answer.pause for answer in placed), default=0.0):
            self._sleep(pause)  # they are answered together, with the last of them
        answers = iter(placed)
        return [
            next(answers).outcome
            if _is_readable(request)
            else OrderRejected(f"client order id and symbol must be 1 to {MAX_TEXT} printable characters")
            for request in requests
        ]

    def cancel(self, account: str, client_order_id: str) -> OrderReport:
        """End a working order; an ended one is reported as it is. OrderRejected if there is none."""
        with self._found(account, client_order_id) as (book, order):
            answer = self._end(book, order)
        return answer.deliver(self._sleep)

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

    def now(self) -> datetime:
        """Return the venue's own time, UTC."""
        return self._clock()

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
            found = worth(connection, account, self._settings)
        money, blocked = (worth_of(self._settings.cash, []), "") if found is None else found
        return AccountReport(
            account=account,
            cash=money.cash,
            currency=CURRENCY,
            at=now,
            buying_power=money.buying_power(self._settings.leverage),
            equity=money.equity,
            cash_power=money.buying_power(self._settings.leverage),
            may_short=True,
            coins_blocked="",
            blocked=blocked,
        )

    def assets(self, symbols: Sequence[str]) -> Mapping[str, AssetReport]:
        """Return what may be done with these symbols; all that can be one are known here."""
        usable, now = list(filter(is_text, symbols)), self._clock()
        with self._store.reading() as connection:
            told = control_rows.assets_of(connection, usable)
        return {symbol: told.get(symbol, Asset()).report(symbol, now) for symbol in usable}

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        """Return the quotes in force of these symbols."""
        with self._store.reading() as connection:
            return control_rows.quotes_of(connection, list(filter(is_text, symbols)))

    def session(self) -> SessionReport:
        """Return whether the market is open."""
        with self._store.reading() as connection:
            return control_rows.session(connection).report(self._clock())

    def _place(self, account: str, requests: Sequence[OrderRequest]) -> Sequence[Answer]:
        if not requests:
            return []
        try:
            with self._locked(account) as book:
                context = read_context(book, requests)
                decisions = [context.place(request) for request in requests]
                store(book, context)
                return [decision.answer() for decision in decisions]
        except RowRefused as e:
            if len(requests) == 1:
                return [Answer(outcome=e)]
        except BrokerError as e:
            return [Answer(outcome=e) for _ in requests]
        except Exception as e:
            if len(requests) == 1:
                logger.exception("order %s: unexpected at the paper venue", requests[0].client_order_id)
                unknown = OutcomeUnknown(f"unexpected at the paper venue: {type(e).__name__}: {e}")
                unknown.__cause__ = e
                return [Answer(outcome=unknown)]
        # Nothing of them was written. Which of them it was shows when each is placed on its own.
        logger.warning("%d orders cannot be placed together; placing them one by one", len(requests))
        return [answer for request in requests for answer in self._place(account, [request])]

    def _end(self, book: Book, order: Order) -> Answer:
        told = control_rows.use_cancel_instruction(book.connection, order.symbol)
        if told is not None and (refusal := told.refusal()) is not None:
            return Answer(outcome=refusal)
        if order.closed_at is None and told is not None and told.kind is Kind.CANCEL_FILLS:
            book.force(order, order.remaining)
        elif order.closed_at is None:
            order.close(OrderStatus.CANCELED, book.now, "canceled")
            book.save(order, new_fills=0)
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


def _is_readable(request: OrderRequest) -> bool:
    return is_text(request.client_order_id) and is_text(request.symbol)
