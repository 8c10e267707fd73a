"""What orders cost about, in the account's currency."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Costs(NamedTuple):
    """What growing holdings need; `in_cash` is the part that is not bought on margin."""

    all: Decimal
    in_cash: Decimal

    def plus(self, other: Costs) -> Costs:
        """Return the sum of both."""
        return Costs(self.all + other.all, self.in_cash + other.in_cash)

    def minus(self, other: Costs) -> Costs:
        """Return what is left without the other."""
        return Costs(self.all - other.all, self.in_cash - other.in_cash)


NO_COSTS = Costs(Decimal(0), Decimal(0))
