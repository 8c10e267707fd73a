"""What the demo rehearses at the paper broker: a rejection, a fill in two parts, a quote, somebody else's order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from config import Config
from local.demo_session import FOREIGN, HELD, REJECTED

if TYPE_CHECKING:
    from brokers.paper.venue import PaperVenue

PART = Decimal(60)  # shares of HELD that are filled at once; the rest waits for the quote
BID, ASK = Decimal("163.10"), Decimal("163.14")


class Rehearsal:
    """The paper broker, told beforehand what to do to some of the demo's orders."""

    def __init__(self, venue: PaperVenue, account: str, run: str) -> None:
        self._venue, self._account, self._run = venue, account, run

    def prepare(self) -> None:
        """Instruct the venue which orders to reject and to fill in part, and place one that the desk never sent."""
        from brokers.paper.instructions import Instruction, Kind
        from domain.enums import AssetClass, OrderType, Side, TimeInForce
        from domain.messages import OrderRequest

        self._venue.instruct(Instruction(kind=Kind.REJECT, symbol=REJECTED, reason="rejected for the demo"))
        self._venue.drop_quote(HELD)
        self._venue.instruct(Instruction(kind=Kind.PARTIAL, symbol=HELD, quantity=PART))
        self._venue.set_quote(FOREIGN, Decimal("250.00"), Decimal("250.10"))
        self._venue.submit(
            OrderRequest(
                client_order_id=f"somebody-else-{self._run}",
                account=self._account,
                symbol=FOREIGN,
                asset_class=AssetClass.STOCK,
                currency="USD",
                side=Side.BUY,
                quantity=Decimal(5),
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.DAY,
                limit_price=Decimal("200"),  # far from the quote: it works, and nothing is bought
            )
        )

    def quote(self) -> None:
        """Quote what is held: the rest of its order is filled, and what it has gained can be told."""
        self._venue.set_quote(HELD, BID, ASK)

    def finish(self) -> None:
        """End the order that is not the desk's."""
        from brokers.errors import BrokerError

        with contextlib.suppress(BrokerError):  # it was never placed
            self._venue.cancel(self._account, f"somebody-else-{self._run}")


@contextlib.contextmanager
def rehearsal(config: Config, account: str, run: str) -> Iterator[Rehearsal]:
    """Yield the paper broker of this folder's settings; the order that is not the desk's is ended afterwards."""
    from brokers.paper.venue import PaperVenue
    from services.accounts.connections import paper_settings

    venue = PaperVenue(paper_settings(config))
    rehearsed = Rehearsal(venue, account, run)
    try:
        yield rehearsed
    finally:
        rehearsed.finish()
        venue.close()
