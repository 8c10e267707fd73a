"""What a signal was to come to by the desk's own plan, and whether its trace says why that is not the alert's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from domain.enums import Purpose, TickerType
from domain.lanes.values import Kind
from domain.planning.values import CUT

ZERO = Decimal(0)
STEP = Decimal("0.00000001")  # the smallest part of a share that the venue trades
REVERSAL = "reversal"  # the step of a trace that says why a leg was planned in another size


def planned(signal: Any, orders: Sequence[Any]) -> Mapping[int, Decimal]:
    """Return the shares that each leg was to come to, by leg; a leg that was not planned is missing.

    `orders` are all of the signal. Of a single that is not traded in parts its order is the plan.
    """
    if signal.leg_quantity1 and signal.leg_quantity2:
        return {1: signal.leg_quantity1, 2: signal.leg_quantity2}
    legs = {order.leg: ZERO for order in orders if order.purpose == Purpose.SIGNAL}
    for order in orders:
        if order.purpose == Purpose.SIGNAL:
            legs[order.leg] += order.quantity
    # What a leg comes to that is traded in parts stands in the first column, also where leg 2 is traded alone.
    return {leg: signal.leg_quantity1 or quantity for leg, quantity in legs.items()}


def asked(signal: Any) -> Mapping[int, Decimal]:
    """Return the shares that the alert asks for, by leg; of leg 2 by the hedge ratio, before it is rounded to steps."""
    if signal.ticker_type != TickerType.PAIR:
        return {1: signal.quantity}
    return {1: signal.quantity, 2: signal.quantity * signal.hedge_ratio}


def unexplained(signal: Any, orders: Sequence[Any]) -> Iterator[str]:
    """Yield each leg that was planned in another size than the alert asks for, while the trace does not say why."""
    plan = planned(signal, orders)
    if not plan:
        return
    words = {step["check"] for step in signal.trace}
    is_cut = REVERSAL in words or any(step["values"].get("outcome") == CUT for step in signal.trace)
    for leg, wanted in asked(signal).items():
        quantity = plan.get(leg, ZERO)
        rounding = (signal.leg_step2 or STEP) if leg == 2 else ZERO
        of_held = leg == 2 and signal.kind in (Kind.EXIT, Kind.REVERSAL)  # by what is held, and not by the ratio
        off = abs(quantity - wanted)
        if off == 0 or off < rounding or of_held or is_cut or signal.left_out:
            continue
        yield f"leg {leg} was planned as {quantity:f} of {wanted:f}"
