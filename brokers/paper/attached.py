"""How the second leg of a pair follows the fills of the first. Pure."""

from dataclasses import dataclass
from decimal import Decimal, localcontext

from brokers.paper.pricing import EXACT
from domain.sizing import round_to_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What has become of leg 1, and in which steps leg 2 trades."""

    filled: Decimal
    is_complete: bool
    is_over: bool  # it ended before it was complete: no more fills are to come
    step: Decimal

    def owes(self, hedge_ratio: Decimal, quantity: Decimal, filled: Decimal) -> Decimal:
        """Return what leg 2 of `quantity` shares, `filled` so far, has to fill now to be in the ratio.

        Counted from all fills of leg 1 at once, so that what is rounded off never adds up.
        """
        with localcontext(EXACT):
            if self.is_complete:
                return quantity - filled
            return max(Decimal(0), min(quantity, round_to_step(hedge_ratio * self.filled, self.step)) - filled)
