"""What the paper venue is told from outside; kept in its store, so that every process goes by it."""

from datetime import datetime
from decimal import Decimal

from brokers.paper import control_rows, holding_rows
from brokers.paper.access import Access
from brokers.paper.instructions import Instruction
from brokers.paper.market import Asset, Session
from brokers.paper.pricing import LARGEST, STEP, Quote, is_exact
from brokers.paper.rules.requests import MAX_TEXT, is_text


class Controls(Access):
    """Quotes, assets, the session, blocked accounts, and how coming orders and cancels are treated."""

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
        """Apply an instruction to the next `count` orders that it fits; an order uses up the oldest one that fits."""
        if count < 1:
            raise ValueError("count must be at least 1")
        with self._store.writing() as connection:
            control_rows.insert_instruction(connection, instruction, count)

    def forget_instructions(self) -> None:
        """Treat coming orders as usual again."""
        with self._store.writing() as connection:
            control_rows.delete_instructions(connection)

    def set_asset(
        self, symbol: str, *, tradable: bool = True, shortable: bool = True, quantity_step: Decimal = STEP
    ) -> None:
        """Set what may be done with a symbol from now on; `quantity_step` in shares. ValueError if impossible."""
        if not is_text(symbol):
            raise ValueError(f"the symbol must be 1 to {MAX_TEXT} printable characters")
        new = Asset(tradable=tradable, shortable=shortable, quantity_step=quantity_step)
        with self._store.writing() as connection:
            control_rows.save_asset(connection, symbol, new)

    def forget_asset(self, symbol: str) -> None:
        """Forget what was set for a symbol: it is tradable and shortable, in the smallest steps."""
        with self._store.writing() as connection:
            control_rows.delete_asset(connection, symbol)

    def set_session(
        self, is_open: bool, *, opens_at: datetime | None = None, closes_at: datetime | None = None
    ) -> None:
        """Open or close the market, and say when that changes by itself (aware, ahead). ValueError if impossible.

        While it is closed orders are taken and wait; those that wait trade when it opens.
        """
        new = Session(is_open=is_open, opens_at=opens_at, closes_at=closes_at)
        new.check(self._clock())
        with self._all_locked() as (connection, books):
            was = control_rows.session(connection)
            control_rows.save_session(connection, new)
            for book in books:
                book.reopen(new, was)

    def forget_session(self) -> None:
        """Let the market be open always, and the orders that wait for it trade."""
        with self._all_locked() as (connection, books):
            was = control_rows.session(connection)
            control_rows.delete_session(connection)
            for book in books:
                book.reopen(Session(), was)

    def block(self, account: str, reason: str) -> None:
        """Refuse the account's orders from now on, for `reason`; what works goes on, cancels are taken."""
        if not is_text(account) or not is_text(reason):
            raise ValueError(f"account and reason must be 1 to {MAX_TEXT} printable characters")
        with self._locked(account) as book:
            holding_rows.save_block(book.connection, account, reason)

    def unblock(self, account: str) -> None:
        """Take the account's orders again."""
        if not is_text(account):
            raise ValueError(f"the account must be 1 to {MAX_TEXT} printable characters")
        with self._locked(account) as book:
            holding_rows.save_block(book.connection, account, None)
