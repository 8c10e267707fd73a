"""One account at the paper venue, as the desk sees a broker."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from brokers.base import OrderAnswer, Stream, StreamListener
from brokers.errors import BrokerError, OrderRejected, OutcomeUnknown
from brokers.paper.placing.context import DuplicateOrderId
from brokers.paper.rules.capabilities import BATCH_SIZE, CAPABILITIES
from brokers.paper.rules.requests import is_text
from brokers.paper.venue import PaperVenue
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


class PaperBroker:
    """The Broker of one account; the venue makes single attempts with time-outs of its own."""

    name = "paper"
    capabilities = CAPABILITIES

    def __init__(self, venue: PaperVenue, account: str) -> None:
        if not is_text(account):
            raise ValueError("the name of a paper account must be 1 to 128 printable characters")
        self._venue, self._account = venue, account

    def submit_order(self, request: OrderRequest) -> OrderReport:
        """Send one order; the report carries the fills it already has."""
        (answer,) = self._submit([request])
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    def submit_orders(self, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
        """Send several orders, a batch of them in one transaction; an error is the answer of its order."""
        answers: list[OrderAnswer] = []
        for start in range(0, len(requests), BATCH_SIZE):
            answers += self._submit(requests[start : start + BATCH_SIZE])
        return answers

    def _submit(self, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
        own = [request for request in requests if request.account == self._account]
        answers = iter(self._venue.submit_all(self._account, own))
        return [
            _for_desk(next(answers))
            if request.account == self._account
            else OrderRejected(f"the order is for account '{request.account}', this is '{self._account}'")
            for request in requests
        ]

    def cancel_order(self, order: OrderRef) -> OrderReport:
        """End a working order; the report says what it has become. OrderRejected if it is unknown."""
        return self._venue.cancel(self._account, order.client_order_id)

    def replace_order(self, order: OrderRef, terms: Replacement) -> OrderReport:
        """Refuse: at this venue an order keeps its terms."""
        raise OrderRejected("the paper venue does not change orders; cancel it and send another")

    def find_order(self, order: OrderRef) -> Found:
        """Look one order up by our id; the venue knows all that it has ever taken."""
        return Found(report=self._venue.find(self._account, order.client_order_id), is_proof=True)

    def list_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Return the open orders and those that changed since `since` (aware UTC), oldest change first."""
        return self._venue.list(self._account, since)

    def list_positions(self) -> Sequence[PositionReport]:
        """Return all holdings; an empty answer means flat."""
        return self._venue.positions(self._account)

    def account(self) -> AccountReport:
        """Return the account's money and whether it takes orders."""
        return self._venue.account(self._account)

    def list_assets(self, symbols: Sequence[str]) -> Mapping[str, AssetReport | None]:
        """Return what may be done with these symbols: here each is an asset unless it cannot be a symbol."""
        return {**dict.fromkeys(symbols), **self._venue.assets(symbols)}

    def list_quotes(self, symbols: Sequence[str]) -> Mapping[str, QuoteReport]:
        """Return the quotes in force; a symbol without one is left out."""
        return self._venue.quotes(symbols)

    def session(self) -> SessionReport:
        """Return whether the market takes orders now."""
        return self._venue.session()

    def reads_wait(self, orders: int) -> bool:
        """Return False: this venue has no limit of requests."""
        return False

    def listen(self, listener: StreamListener) -> Stream | None:
        """Return None: polls of this venue cost next to nothing."""
        return None

    def close(self) -> None:
        """Release connections."""
        self._venue.close()


def _for_desk(answer: OrderAnswer) -> OrderAnswer:
    if isinstance(answer, DuplicateOrderId):
        # The id is at the venue, perhaps as this very order: only a look-up can tell.
        return OutcomeUnknown(str(answer))
    return answer
