"""Signals that an outside executor trades: what its reports come to, in fills, orders and the signal's status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from domain.enums import Side
from domain.exact import EXACT, round8
from domain.lanes.roll_up import LegState, RollUp, roll_up
from domain.order_status import OrderStatus, SignalStatus
from domain.sizing import leg2_quantity

ZERO, ONE, SMALLEST = Decimal(0), Decimal(1), Decimal("1e-8")
MOST = Decimal(10) ** 12  # in size: of any quantity, and of any price
MOST_MONEY = Decimal(10) ** 15  # in size, of what one fill may come to


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalLeg:
    """One leg of such a signal; `last` is its newest order's status, None where no order is on record."""

    quantity: Decimal  # shares that it should come to
    filled: Decimal
    last: OrderStatus | None
    has_price: bool  # a price of it stands on the signal

    @property
    def is_done(self) -> bool:
        """Return True if it is filled; of a leg without an order its price alone says so."""
        return self.has_price if self.last is None else self.filled >= self.quantity


def leg_quantity(leg: int, quantity: Decimal, hedge_ratio: Decimal | None, *, whole_shares: bool) -> Decimal | None:
    """Return how many shares of a leg a signal asks for; None where that is no quantity an order can have.

    Executors do not say how many shares of leg 2 they order, so it is estimated; in whole shares where leg 1 is.
    """
    if leg == 1:
        return quantity
    if hedge_ratio is None or EXACT.multiply(quantity, hedge_ratio) > MOST - 1:
        return None
    step = ONE if whole_shares and quantity == quantity.to_integral_value() else SMALLEST
    return leg2_quantity(quantity, hedge_ratio, step) or leg2_quantity(quantity, hedge_ratio, SMALLEST) or None


def is_all_of_leg2(told: Decimal, estimate: Decimal, quantity: Decimal, hedge_ratio: Decimal) -> bool:
    """Return True if the shares that are told of leg 2 are all of it.

    Where the hedge ratio asks for a part of a share, the executor may have rounded down what the desk rounds up.
    """
    if told >= estimate:
        return True
    fewest = EXACT.multiply(quantity, hedge_ratio).to_integral_value(ROUND_DOWN)
    return estimate == estimate.to_integral_value() and 0 < fewest <= told


def price_of_rest(booked: Sequence[tuple[Decimal, Decimal]], total: Decimal, average: Decimal) -> Decimal:
    """Return the price of what is new, so that all `total` shares of an order have this average.

    `booked` are its (quantity, price) so far, fewer than `total`. Executors report the average of the whole order.
    """
    quantity = money = ZERO
    for filled, price in booked:
        quantity = EXACT.add(quantity, filled)
        money = EXACT.add(money, EXACT.multiply(filled, price))
    return round8(EXACT.divide(EXACT.subtract(EXACT.multiply(total, average), money), EXACT.subtract(total, quantity)))


def can_be_booked(quantity: Decimal, price: Decimal) -> bool:
    """Return True if the books can hold a fill of this quantity at this price."""
    return abs(price) < MOST and abs(EXACT.multiply(quantity, price)) < MOST_MONEY


def status_after_fill(legs: Sequence[ExternalLeg], *, is_partial: bool) -> SignalStatus:
    """Return what a signal is after a report of a fill, in the words of v3: an amount leaves it filled in part."""
    if is_partial:
        return SignalStatus.PART_FILLED
    done = len(legs) == 1 or all(leg.is_done for leg in legs)
    return SignalStatus.FILLED if done else SignalStatus.LEG_FILLED


def status_of_told(legs: Sequence[ExternalLeg]) -> SignalStatus:
    """Return what a signal is where each leg's filled quantity is told."""
    if all(leg.is_done for leg in legs):
        return SignalStatus.FILLED
    touched = [leg for leg in legs if leg.filled > 0 or leg.has_price]
    only_one = len(legs) == 2 and len(touched) == 1 and touched[0].is_done
    return SignalStatus.LEG_FILLED if only_one else SignalStatus.PART_FILLED


def how_it_stands(side: Side, hedge_ratio: Decimal | None, legs: Sequence[ExternalLeg]) -> RollUp:
    """Return what the orders of a signal come to: an order that has ended may have left one leg without the other."""
    states = [
        LegState(
            OrderStatus.FILLED if leg.is_done else leg.last or OrderStatus.QUEUED,
            leg.quantity,
            leg.filled,
            None,
            None if leg.last is None else leg.last.lower(),
            SMALLEST,
        )
        for leg in legs
    ]
    return roll_up(side, None, hedge_ratio, states)
