"""What a signal's orders add up to: its status, prices and slip, in the words of v3."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from domain.enums import Side
from domain.order_status import CLOSED, FAILED, OrderStatus, SignalStatus
from domain.pricing import slip, spread_price
from domain.sizing import round_to_step

S = OrderStatus
SHORT = FAILED | {S.REPLACED}  # ended without being filled


@dataclass(frozen=True, slots=True)
class LegState:
    """One leg as the book has it; filled less what was traded back, price is the average of its fills."""

    status: OrderStatus
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    reason: str | None = None
    step: Decimal = Decimal("1e-8")  # the smallest part of a share that can be traded
    is_ending: bool = False  # the desk has asked for the end of what works, or it has ended so


@dataclass(frozen=True, slots=True)
class RollUp:
    """What to show for a signal; filled quantity in shares of leg 1."""

    status: SignalStatus
    reason: str | None
    fill_price: Decimal | None
    slip: Decimal | None
    filled: Decimal | None


def fill_price(prices: Sequence[Decimal | None], hedge_ratio: Decimal | None) -> Decimal | None:
    """Return the single's price, or the pair's spread; None until every leg has a price."""
    known = [price for price in prices if price is not None]
    if len(known) < len(prices):
        return None
    return known[0] if hedge_ratio is None else spread_price(known[0], known[1], hedge_ratio)


def roll_up(
    side: Side,
    alert_price: Decimal | None,
    hedge_ratio: Decimal | None,
    legs: Sequence[LegState],
    *,
    only_leg: int | None = None,
) -> RollUp:
    """Return the state of a signal from the state of its legs (one for a single, two for a pair).

    `only_leg`: the leg of a pair that is traded without the other one. Its price is none of the pair's, so there is
    no slip either; and only shares of leg 1 count as filled.
    """
    status, reason = _status(legs)
    price = fill_price([leg.price for leg in legs], hedge_ratio) if only_leg is None else None
    better = slip(side, alert_price, price) if price is not None and alert_price is not None else None
    filled = legs[0].filled if legs[0].filled > 0 and only_leg != 2 else None
    return RollUp(status, reason, price, better, filled)


def with_left_out(result: RollUp, left_out: str | None, *, is_exit: bool) -> RollUp:
    """Return the state of a signal of which a part was not ordered: it is never plainly filled.

    A reversal that only closed is filled in part. An exit that could not close all is for a person.
    """
    if not left_out or result.status is not SignalStatus.FILLED:
        return result
    status = SignalStatus.CRITICAL if is_exit else SignalStatus.PART_FILLED
    return replace(result, status=status, reason=left_out)


def _status(legs: Sequence[LegState]) -> tuple[SignalStatus, str | None]:
    if all(leg.status is S.FILLED for leg in legs):
        return SignalStatus.FILLED, None
    reasons = "; ".join(
        f"leg {n}: {leg.reason or leg.status.lower()}" for n, leg in enumerate(legs, 1) if leg.status in SHORT
    )
    if any(leg.status is S.MANUAL for leg in legs):
        return SignalStatus.CRITICAL, "an order's outcome is not known; a person must look"
    if len(legs) == 2 and _one_legged(legs):
        return SignalStatus.CRITICAL, f"one leg without the other: {reasons}"
    if any(leg.status in SHORT for leg in legs) and all(leg.status in CLOSED for leg in legs):
        return _all_over(legs, reasons if len(legs) == 2 else legs[0].reason or legs[0].status.lower())
    if len(legs) == 2 and any(leg.status is S.FILLED for leg in legs):
        return SignalStatus.LEG_FILLED, None
    if any(leg.filled > 0 for leg in legs):
        return SignalStatus.PART_FILLED, None
    return SignalStatus.CREATED, None


def _one_legged(legs: Sequence[LegState]) -> bool:
    """Return True if a leg has ended short and the two do not balance, or may come not to.

    Where the desk ends both legs, the one that has ended first says nothing yet: what is held is judged at the end.
    """
    if not any(leg.status in SHORT for leg in legs):
        return False
    if any(leg.status not in CLOSED and leg.status is not S.QUEUED for leg in legs):
        return not all(leg.is_ending for leg in legs)
    first, second = legs
    return not balanced(first, second)


def balanced(first: LegState, second: LegState) -> bool:
    """Return True if one leg is what the other asks for, as near as their steps allow."""
    return _near(first, second) or _near(second, first)


def _near(leg: LegState, other: LegState) -> bool:
    asked = leg.quantity  # which may have a fraction that was held, and steps have not
    if other.filled != other.quantity:
        asked = round_to_step(leg.quantity * other.filled / other.quantity, leg.step)
    return abs(leg.filled - asked) < leg.step


def _all_over(legs: Sequence[LegState], reasons: str) -> tuple[SignalStatus, str | None]:
    if any(leg.filled > 0 for leg in legs):
        return SignalStatus.PART_FILLED, f"the rest ended unfilled: {reasons}"
    if any(leg.price is not None for leg in legs):
        return SignalStatus.CANCELED, f"nothing is left of it: {reasons}"
    if any(leg.status in (S.REJECTED, S.DENIED) for leg in legs):
        return SignalStatus.ERROR, reasons
    return SignalStatus.CANCELED, "expired" if any(leg.status is S.STALE for leg in legs) else reasons
