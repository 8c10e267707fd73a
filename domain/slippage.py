"""How much better or worse than the alerts' prices the fills were, over many signals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from domain.exact import EXACT, divide, round8


@dataclass(frozen=True, slots=True)
class Slippage:
    """Slips in units of price (a pair: of spread), positive = better than the alert; quantity in shares of leg 1.

    `average` weighs each signal by its filled shares and `mean` does not; `money` is slip times filled shares.
    """

    signals: int
    quantity: Decimal
    average: Decimal
    mean: Decimal
    best: Decimal
    worst: Decimal
    money: Decimal
    money_per_share: Decimal


class Tally:
    """Adds up the slips of signals."""

    def __init__(self) -> None:
        self.signals = 0
        self.quantity = self.slips = self.money = Decimal(0)
        self.best: Decimal | None = None
        self.worst: Decimal | None = None

    def add(self, slip: Decimal, filled: Decimal) -> None:
        """Count a signal; slip in units of price, filled shares of leg 1. One without shares does not count."""
        if filled <= 0:
            return
        self.signals += 1
        self.quantity = EXACT.add(self.quantity, filled)
        self.slips = EXACT.add(self.slips, slip)
        self.money = EXACT.add(self.money, EXACT.multiply(slip, filled))
        if self.best is None or slip > self.best:
            self.best = slip
        if self.worst is None or slip < self.worst:
            self.worst = slip

    def merge(self, other: Tally) -> None:
        """Count all that the other one has counted."""
        self.signals += other.signals
        self.quantity = EXACT.add(self.quantity, other.quantity)
        self.slips = EXACT.add(self.slips, other.slips)
        self.money = EXACT.add(self.money, other.money)
        for slip in (other.best, other.worst):
            if slip is not None:
                self.best = slip if self.best is None else max(self.best, slip)
                self.worst = slip if self.worst is None else min(self.worst, slip)

    def result(self) -> Slippage | None:
        """Return what it comes to; None without a signal."""
        average, mean = divide(self.money, self.quantity), divide(self.slips, Decimal(self.signals))
        if average is None or mean is None or self.best is None or self.worst is None:
            return None
        return Slippage(
            signals=self.signals,
            quantity=round8(self.quantity),
            average=average,
            mean=mean,
            best=self.best,
            worst=self.worst,
            money=round8(self.money),
            money_per_share=average,
        )


def weigh(slips: Iterable[tuple[Decimal, Decimal]]) -> Slippage | None:
    """Return what (slip, filled shares) come to; None where nothing was filled."""
    tally = Tally()
    for slip, filled in slips:
        tally.add(slip, filled)
    return tally.result()
