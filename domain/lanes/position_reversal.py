"""Orders that may not turn a position round: how much of one may go now, by what the whole account holds.

Some brokers refuse to sell more than is held long, or to buy more than is short, by one order. What counts is
the account's position: all stocks, pairs and hands of one account together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from domain.enums import Side
from domain.lanes.leg import LegPlan
from domain.sizing import round_down

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountHolding:
    """What an account holds of a symbol, signed, and how much of that its working orders are about to close."""

    held: Decimal
    spoken_for: Decimal = ZERO

    @classmethod
    def of(cls, held: Decimal, working: Iterable[tuple[Side, Decimal]]) -> "AccountHolding":
        """Return a holding with the sides of its working orders and what each may still bring."""
        return cls(held, sum((rest for side, rest in working if side.sign * held < 0), ZERO))


@dataclass(frozen=True, slots=True)
class Parts:
    """An order in parts that each go on one side of zero.

    `now` may be sent at once, `later` when that is filled; `lost` is less than can be sold short. None now, some later:
    all that is held is spoken for by other orders.
    """

    now: Decimal
    later: Decimal = ZERO
    lost: Decimal = ZERO

    @property
    def must_wait(self) -> bool:
        """Return True if nothing of it can be sent yet."""
        return self.now == 0 and self.later > 0


def split(side: Side, quantity: Decimal, holding: AccountHolding, short_step: Decimal) -> Parts:
    """Return how an order is to be sent; `short_step` is the smallest part of a share that can be sold short."""
    against = side.sign * holding.held < 0
    closing = min(quantity, abs(holding.held)) if against else ZERO
    opening = quantity - closing
    whole = round_down(opening, short_step) if side is Side.SELL else opening
    if not against:
        return Parts(whole, lost=opening - whole)
    free = max(ZERO, abs(holding.held) - holding.spoken_for)
    now = min(closing, free)
    return Parts(now, closing - now + whole, opening - whole)


def replanned(plan: LegPlan, coming: Decimal, parts: Parts, short_step: Decimal) -> LegPlan:
    """Return what a leg comes to once its order is sent in parts; `coming` = what its fills and other orders bring.

    What is sent later follows as the opening of a position does that was closed first.
    """
    if parts.lost == parts.later == 0:
        return plan
    base, step = coming + parts.now, max(plan.step, short_step) if parts.lost else plan.step
    quantity = base + round_down(max(ZERO, plan.quantity - base), step)
    if parts.later == 0 and parts.now % short_step:  # the fraction that is held is closed, and nothing is opened
        return replace(plan, quantity=quantity)
    return replace(plan, quantity=quantity, step=step, closes=base if parts.later else plan.closes)
