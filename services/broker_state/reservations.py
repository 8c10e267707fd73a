"""Money that orders will need, from their planning until the broker's own figures count them."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from domain.venue.costs import NO_COSTS, Costs
from extensions import reading
from models import Order
from models.order import PENDING


class Reservations:
    """What was set aside for the signals of one account, in its currency. The caller keeps threads apart."""

    def __init__(self) -> None:
        self._amounts: dict[int, Costs] = {}
        self._total = NO_COSTS

    @property
    def total(self) -> Costs:
        """Return what is set aside in all."""
        return self._total

    @property
    def signals(self) -> frozenset[int]:
        """Return the signals for which something is set aside."""
        return frozenset(self._amounts)

    def add(self, signal_id: int, amount: Costs) -> None:
        """Set money aside for the orders of a signal."""
        if amount.all:
            self._amounts[signal_id] = self._amounts.get(signal_id, NO_COSTS).plus(amount)
            self._total = self._total.plus(amount)

    def release(self, signals: Iterable[int]) -> None:
        """Give back what was set aside for signals."""
        for signal_id in signals:
            self._total = self._total.minus(self._amounts.pop(signal_id, NO_COSTS))


def answered(signals: frozenset[int]) -> frozenset[int]:
    """Return the signals none of whose orders is still to be sent or to be answered by the broker.

    What the broker says of its money after this counts their orders; by whichever worker they were sent.
    """
    if not signals:
        return signals
    with reading() as session:
        pending = sa.select(Order.signal_id).where(PENDING, Order.signal_id.in_(signals))
        return signals - set(session.execute(pending).scalars())
