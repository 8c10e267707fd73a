"""What the desk asks of a broker: one Protocol, and flags that are asked before anything is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from domain.enums import OrderType, TimeInForce
from domain.messages import (
    AccountReport,
    AssetReport,
    OrderReport,
    OrderRequest,
    PositionReport,
    QuoteReport,
    SessionReport,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a broker can do; an order beyond it is denied here and never sent."""

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    short_selling: bool
    quantity_step: Decimal  # the smallest part of a share it trades; 1 = whole shares
    lookup_by_client_order_id: bool  # without it an unknown outcome needs a person
    refuses_repeated_client_order_id: bool  # only then may an order that is surely absent be sent again
    attached_pair_hedge: bool  # leg 2 can be an order that follows the fills of leg 1
    settle_seconds: float  # how long an order may stay invisible after it was sent
    poll_seconds: float  # how often working orders are asked for


class Broker(Protocol):
    """One account's connection to a venue. Every call has a time-out and makes one attempt.

    Calls may come from several threads at once: both legs of a pair leave at the same moment.

    Reads raise BrokerUnavailable; `submit_order` raises any of the three errors of `brokers.errors`.
    """

    name: str
    capabilities: Capabilities

    def submit_order(self, request: OrderRequest) -> OrderReport:
        """Send one order; the report carries the fills it already has."""

    def cancel_order(self, client_order_id: str) -> OrderReport:
        """Ask for the end of a working order; the report says what it has become."""

    def find_order(self, client_order_id: str) -> OrderReport | None:
        """Look one order up by our id; None = the venue does not know it now."""

    def list_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Return the open orders and those that changed since `since` (aware UTC), oldest change first."""

    def list_positions(self) -> Sequence[PositionReport]:
        """Return all holdings; an empty answer means flat, never 'not known'."""

    def account(self) -> AccountReport:
        """Return the account's money and whether it takes orders."""

    def list_assets(self, symbols: Sequence[str]) -> Mapping[str, AssetReport]:
        """Return what may be done with these symbols; one that the venue does not know is left out."""

    def list_quotes(self, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        """Return the quotes in force; a symbol without one is left out."""

    def session(self) -> SessionReport:
        """Return whether the market takes orders now."""

    def close(self) -> None:
        """Release connections."""
