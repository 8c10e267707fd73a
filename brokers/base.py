"""What the desk asks of a broker: one Protocol. What an account can do is asked before anything is sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from brokers.errors import BrokerError
from domain.messages import (
    AccountReport,
    AssetReport,
    Found,
    OrderRef,
    OrderReport,
    OrderRequest,
    PositionReport,
    QuoteReport,
    Replacement,
    SessionReport,
)
from domain.venue.capabilities import AccountCapabilities

OrderAnswer = OrderReport | BrokerError  # what becomes of one order of several that are sent together


class StreamListener(Protocol):
    """Who is told of a push stream. Called from a thread of the stream's own, so it must return at once."""

    def connected(self) -> None:
        """The stream has begun, for the first time or anew: what happened before was not heard."""

    def changed(self) -> None:
        """Something happened to an order; a poll says what."""

    def heard(self) -> None:
        """The other side gave a sign of life."""

    def lost(self, reason: str) -> None:
        """The stream is broken, silent or refused; `reason` in words."""


class Stream(Protocol):
    """A push stream that is listened to."""

    def close(self) -> None:
        """Stop listening."""


class Broker(Protocol):
    """One account's connection to a venue. Every call has a time-out and makes one attempt.

    Calls may come from several threads at once: both legs of a pair leave at the same moment.

    Reads raise BrokerUnavailable; `submit_order` raises any of the three errors of `brokers.errors`, which
    `submit_orders` returns.
    """

    name: str
    capabilities: AccountCapabilities

    def submit_order(self, request: OrderRequest) -> OrderReport:
        """Send one order; the report carries the fills it already has."""

    def submit_orders(self, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
        """Send several orders, and return one answer for each, in their order: its report, or the error of this one.

        Raises nothing on account of one of them. `submit_one_by_one` does it for brokers that take single orders.
        """

    def cancel_order(self, order: OrderRef) -> OrderReport:
        """Request the cancel of a working order; the report says what it has become."""

    def replace_order(self, order: OrderRef, terms: Replacement) -> OrderReport:
        """Give a working order other terms: it ends REPLACED, and the report is of the one that takes its place.

        OrderRejected where the broker cannot do it, or does not any more.
        """

    def find_order(self, order: OrderRef) -> Found:
        """Look one order up: by the broker's id where that is known, else by ours, else by what it looks like."""

    def list_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Return the open orders and those that changed since `since` (aware UTC), oldest change first.

        As far as the venue shows them: some show the last hours only. What is not listed is looked up by itself.
        """

    def list_positions(self) -> Sequence[PositionReport]:
        """Return all holdings; an empty answer means flat, never 'not known'."""

    def account(self) -> AccountReport:
        """Return the account's money and whether it takes orders."""

    def list_assets(self, symbols: Sequence[str]) -> Mapping[str, AssetReport | None]:
        """Return what may be done with these symbols; None = the venue does not know it.

        One that is left out is to be asked for once more: a venue may look up a few only at a time.
        """

    def list_quotes(self, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        """Return the quotes in force; a symbol without one is left out."""

    def session(self) -> SessionReport:
        """Return whether the market takes orders now."""

    def reads_wait(self, orders: int) -> bool:
        """Return True if reads that can wait should do so: so many orders are to be sent, and need the requests left.

        Asks nobody: it goes by what the broker has said of its limit. False where there is no limit.
        """

    def listen(self, listener: StreamListener) -> Stream | None:
        """Begin to listen to the broker's push stream; None where it has none. Reconnects by itself until closed."""

    def close(self) -> None:
        """Release connections."""
