"""How the paper venue gets at its accounts: opened when first used, locked to change, brought up to date to read."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection

from brokers.errors import BrokerUnavailable, OutcomeUnknown
from brokers.paper import holding_rows, order_rows
from brokers.paper.book import Book
from brokers.paper.settings import PaperSettings
from brokers.paper.store import Store


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Access:
    """The store behind a venue, and the two ways to use an account in it.

    A write first locks its account, or all accounts in order of name, then anything else: nothing deadlocks.
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
            row = holding_rows.lock(connection, account)
            if row is None:
                self._opened.discard(account)
                raise BrokerUnavailable("the paper store was emptied; the next call opens its accounts again")
            yield Book(connection, self._settings, account, row.cash, row.blocked or "", self._clock())

    @contextmanager
    def _all_locked(self) -> Iterator[tuple[Connection, Sequence[Book]]]:
        with self._store.writing(alone=True) as connection:
            accounts, now = holding_rows.lock_all(connection), self._clock()
            books = [Book(connection, self._settings, row.name, row.cash, row.blocked or "", now) for row in accounts]
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
