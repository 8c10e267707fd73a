"""How far a pair's two legs are from hedging each other, and the order that would heal it.

Quantities are signed shares, negative = short. A leg is looked at as it will be once its working orders have
filled, so that a pair in the midst of a trade has not drifted.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext

from domain.enums import Side
from domain.exact import EXACT, divide, round8
from domain.sizing import leg2_quantity

SMALLEST_STEP = Decimal("1e-8")
USUAL_LIMIT = Decimal(2)  # percent

# Why nothing is proposed.
UNKNOWN_OUTCOME = "the outcome of an order is not known"
WORKING_AGAINST = "orders of this leg are working the other way; cancel them first"
LESS_THAN_A_STEP = "less than one step of this leg is out of balance"


@dataclass(frozen=True, slots=True)
class LegHolding:
    """What is held of a leg, what its open orders may still add, and the step in which it trades."""

    symbol: str
    held: Decimal
    working: Decimal = Decimal(0)
    step: Decimal = SMALLEST_STEP

    @property
    def coming(self) -> Decimal:
        """Return what will be held once all working orders are filled."""
        return EXACT.add(self.held, self.working)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The order that would heal the pair."""

    symbol: str
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Drift:
    """Leg 2 against what would hedge leg 1.

    `target2` hedges what is held of leg 1, `coming_target2` what will be held. `imbalance2` is leg 2 as it will be
    less that; `percent` is its size relative to the target, None where the target is 0. `note` says why
    there is no proposal although the pair is not within its limit.
    """

    target2: Decimal
    coming_target2: Decimal
    imbalance2: Decimal
    percent: Decimal | None
    within: bool
    orphan: bool
    proposal: Proposal | None
    note: str | None


def measure(
    hedge_ratio: Decimal,
    leg1: LegHolding,
    leg2: LegHolding,
    limit_percent: Decimal = USUAL_LIMIT,
    *,
    unknown: bool = False,
) -> Drift:
    """Compare the legs; hedge ratio in shares of leg 2 for one of leg 1.

    Less than one step of leg 2, or at most the limit, is no drift. `unknown` says that the outcome of one of the
    pair's orders is not known: then nothing is proposed. A leg whose other leg is flat is closed, never added to.
    """
    with localcontext(EXACT):
        target2 = -leg2_quantity(leg1.held, hedge_ratio, leg2.step)
        coming_target2 = -leg2_quantity(leg1.coming, hedge_ratio, leg2.step)
        imbalance2 = leg2.coming - coming_target2
        is_small = abs(imbalance2) < leg2.step
        orphan = (leg1.coming == 0) != (leg2.coming == 0) and not is_small
        within = is_small or (not orphan and abs(imbalance2) * 100 <= limit_percent * abs(coming_target2))
        proposal, note = None, None
        if not within:
            leg, change = leg2, -imbalance2
            if orphan:
                leg = leg1 if leg1.coming else leg2
                change = -leg.coming
            proposal, note = (None, UNKNOWN_OUTCOME) if unknown else _propose(leg, change, closing=orphan)
    percent = divide(EXACT.multiply(abs(imbalance2), Decimal(100)), abs(coming_target2))
    return Drift(
        target2=round8(target2),
        coming_target2=round8(coming_target2),
        imbalance2=round8(imbalance2),
        percent=Decimal(0) if not imbalance2 else percent,
        within=within,
        orphan=orphan,
        proposal=proposal,
        note=note,
    )


def _propose(leg: LegHolding, change: Decimal, *, closing: bool) -> tuple[Proposal | None, str | None]:
    """Return the order that changes a leg by so many shares, or None and why there is none."""
    if leg.working * change < 0:  # it would trade against our own order
        return None, WORKING_AGAINST
    shares = (abs(change) / leg.step).quantize(Decimal(1), ROUND_DOWN if closing else ROUND_HALF_EVEN) * leg.step
    if shares <= 0:
        return None, LESS_THAN_A_STEP
    return Proposal(leg.symbol, Side.BUY if change > 0 else Side.SELL, round8(shares)), None
