"""What the contract asks of a venue under test: an adapter, and ways to make the venue behave."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from brokers.base import Broker
from domain.enums import AssetClass
from domain.messages import OrderReport, OrderRequest
from domain.venue.capabilities import AssetRules

LONG_AGO = datetime.now(UTC) - timedelta(days=1)


class BrokerVenue(Protocol):
    """An adapter and its venue, which can be told what to do to the next order; pytest.skip if it cannot."""

    broker: Broker
    second_symbol: str  # another one than that of `make_request`

    def make_request(self, **overrides: Any) -> OrderRequest:
        """Return a market order that this venue fills at once, with an id of its own."""

    def trade(self, request: OrderRequest) -> OrderReport:
        """Send an order and return what the broker says of it once the venue has done with it for now."""

    def reconnect(self) -> Broker:
        """Return a second connection to the same account."""

    def told(self, request: OrderRequest) -> str:
        """Return our id as the venue tells it of an order, empty where it does not."""

    def will_reject(self, reason: str) -> None: ...
    def will_be_unavailable(self) -> None: ...
    def will_lose_the_request(self) -> None: ...
    def will_lose_the_answer(self) -> None: ...
    def will_leave_working(self) -> None: ...
    def will_fill_partly(self, quantity: Decimal) -> None: ...
    def will_show_it_late(self, seconds: float) -> None: ...
    def pass_time(self, seconds: float) -> None: ...
    def fill_rest(self, client_order_id: str) -> None: ...
    def quote(self, symbol: str, bid: Decimal, ask: Decimal) -> None: ...
    def close_the_market(self) -> None: ...
    def open_the_market(self) -> None: ...
    def block_the_account(self, reason: str) -> None: ...
    def restrict(self, symbol: str, *, tradable: bool, shortable: bool, quantity_step: Decimal) -> None: ...


def shares_of(venue: BrokerVenue) -> AssetRules:
    """Return the rules of the venue for shares."""
    return venue.broker.capabilities.classes[AssetClass.STOCK]
