"""Two legs or none: what is to be done next for a pair whose orders stand so.

The quantities of a plan are what the legs should come to. `net` counts what a leg's orders
have filled towards it: fills of its own side less those that traded it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from domain.enums import FailurePolicy, LegPolicy, Purpose, Side
from domain.order_status import AT_BROKER, CLOSED, OrderStatus
from domain.rollup import SHORT, LegState
from domain.sizing import round_to_step

S = OrderStatus
MOST_FIXES = 3  # orders to trade one leg back, or to send it again, before a person must look
UNSETTLED = frozenset({S.CLAIMED, S.SENDING, S.UNKNOWN, S.MANUAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlan:
    """What one leg should come to; quantity and step in shares."""

    side: Side
    quantity: Decimal
    step: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """How a pair is traded; `lead` is the number of the leg that goes first where one does."""

    legs: tuple[LegPlan, LegPlan]
    policy: LegPolicy
    on_failure: FailurePolicy
    lead: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LegOrder:
    """One order as the book has it."""

    id: int
    leg: int
    side: Side
    quantity: Decimal
    filled: Decimal
    status: OrderStatus
    price: Decimal | None = None
    purpose: Purpose = Purpose.SIGNAL
    reason: str | None = None
    cancel_requested: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether it may still be filled."""
        return self.status not in CLOSED


@dataclass(frozen=True, slots=True)
class Send:
    """Make a new order for a leg, to the market."""

    leg: int
    side: Side
    quantity: Decimal
    purpose: Purpose
    attempt: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a working order."""

    order_id: int
    why: str


Move = Send | Cancel


@dataclass(slots=True)
class _Leg:
    """One leg with its orders."""

    number: int
    plan: LegPlan
    orders: list[LegOrder]
    want: Decimal = field(init=False)
    follows: bool = False  # it is sent as the other leg fills, so what it lacks need not have failed

    def __post_init__(self) -> None:
        self.want = self.plan.quantity

    @property
    def net(self) -> Decimal:
        return sum((o.filled if o.side is self.plan.side else -o.filled for o in self.orders), Decimal(0))

    @property
    def open(self) -> list[LegOrder]:
        return [o for o in self.orders if o.is_open]

    @property
    def forward(self) -> list[LegOrder]:
        return [o for o in self.orders if o.purpose is not Purpose.UNWIND]

    @property
    def ordered(self) -> Decimal:
        """What it has and what its open orders may still bring."""
        return self.net + sum((o.quantity - o.filled for o in self.open if o.purpose is not Purpose.UNWIND), Decimal(0))

    @property
    def failed(self) -> LegOrder | None:
        """The order that ended short and left this leg short, if it did."""
        if any(o.purpose is not Purpose.UNWIND for o in self.open) or self.net >= self.want:
            return None
        short = next((o for o in reversed(self.forward) if o.status in SHORT), None)
        if self.follows and short is not None and any(_makes_good(o, short) for o in self.forward):
            return None
        return short

    def tries(self, purpose: Purpose) -> int:
        return sum(o.purpose is purpose for o in self.orders)


def next_moves(plan: PairPlan, orders: Sequence[LegOrder], *, timed_out: bool) -> list[Move]:
    """Return what to do now; nothing while the outcome of any order is not known.

    `timed_out`: the legs have been out of balance for longer than the pair allows.
    """
    if any(order.status in UNSETTLED for order in orders):
        return []
    legs = _legs(plan, orders)
    lead, follow = legs[plan.lead - 1], legs[2 - plan.lead]
    if plan.policy is LegPolicy.LEG1_FIRST and not follow.failed:
        lacking = follow.want - follow.ordered
        ending = any(o.cancel_requested for o in follow.open)  # first its cancel must be done: it may yet be filled
        if lacking >= follow.plan.step and not ending:
            return [Send(follow.number, follow.plan.side, lacking, Purpose.SIGNAL, len(follow.forward))]
    broken = _broken(plan, lead, follow)
    if broken:
        return _after_failure(plan, broken, lead, follow, timed_out=timed_out)
    if timed_out and not _balanced(*legs):
        return _cancel_all(_behind(*legs).open, "it took too long while the other leg is filled")
    return []


def leg_states(plan: PairPlan, orders: Sequence[LegOrder]) -> list[LegState]:
    """Return both legs as they stand, for the roll-up of the signal."""
    legs = _legs(plan, orders)
    return [_state(plan, leg, legs[plan.lead - 1]) for leg in legs]


def imbalance(plan: PairPlan, orders: Sequence[LegOrder]) -> tuple[int, Decimal]:
    """Return which leg has too much, and how many shares; (0, 0) when the two agree to the step."""
    first, second = _legs(plan, orders)
    if _balanced(first, second):
        return 0, Decimal(0)
    ahead = second if _behind(first, second) is first else first
    other = first if ahead is second else second
    return ahead.number, ahead.net - _matching(ahead, other)


def _legs(plan: PairPlan, orders: Sequence[LegOrder]) -> tuple[_Leg, _Leg]:
    first, second = (
        _Leg(number, leg, [o for o in orders if o.leg == number]) for number, leg in enumerate(plan.legs, 1)
    )
    if plan.policy is LegPolicy.LEG1_FIRST:
        lead, follow = (first, second) if plan.lead == 1 else (second, first)
        follow.want, follow.follows = _matching(follow, lead), True
    return first, second


def _makes_good(order: LegOrder, short: LegOrder) -> bool:
    """Tell whether an order has brought all that one which ended short had left."""
    return order.purpose is Purpose.COMPLETE and order.status is S.FILLED and order.id > short.id


def _matching(leg: _Leg, other: _Leg) -> Decimal:
    """Return how much of a leg goes with what the other one has, in steps the leg can trade."""
    if other.net == other.plan.quantity:
        return leg.plan.quantity
    return round_to_step(leg.plan.quantity * other.net / other.plan.quantity, leg.plan.step)


def _balanced(first: _Leg, second: _Leg) -> bool:
    """Tell whether one leg is what the other asks for, as near as steps allow."""
    near1 = abs(first.net - _matching(first, second)) < first.plan.step
    near2 = abs(second.net - _matching(second, first)) < second.plan.step
    return near1 or near2


def _behind(first: _Leg, second: _Leg) -> _Leg:
    return first if first.net * second.plan.quantity < second.net * first.plan.quantity else second


def _broken(plan: PairPlan, lead: _Leg, follow: _Leg) -> list[_Leg]:
    """Return the legs that have failed for certain; what a lead did not get, the other leg does not need."""
    complete = plan.on_failure is FailurePolicy.COMPLETE
    if plan.policy is LegPolicy.LEG1_FIRST and not follow.failed and not complete:
        return []
    return [leg for leg in (lead, follow) if leg.failed]


def _after_failure(plan: PairPlan, broken: list[_Leg], lead: _Leg, follow: _Leg, *, timed_out: bool) -> list[Move]:
    if plan.on_failure is FailurePolicy.COMPLETE:
        return _complete(broken, (lead, follow), timed_out=timed_out)
    if lead.net == follow.net == 0:
        unsent = [o for o in (*lead.open, *follow.open) if o.status is S.QUEUED]
        if unsent:  # nothing is held yet, so nothing of the other leg is sent, whatever the policy
            return _cancel_all(unsent, f"leg {broken[0].number} {_why(broken[0].failed)}")
    return _unwind(broken[0], lead, follow) if plan.on_failure is FailurePolicy.UNWIND else []


def _cancel_all(orders: Sequence[LegOrder], why: str) -> list[Move]:
    return [Cancel(o.id, why) for o in orders if not o.cancel_requested]


def _complete(broken: Sequence[_Leg], legs: Sequence[_Leg], *, timed_out: bool) -> list[Move]:
    if len(broken) == 2 and all(leg.net == 0 for leg in legs):
        return []  # neither leg came to be: there is nothing to complete
    moves: list[Move] = []
    for leg in broken:
        tries, lacking = leg.tries(Purpose.COMPLETE), _to_complete(leg, legs[1] if leg is legs[0] else legs[0])
        if tries < MOST_FIXES and not timed_out and lacking >= leg.plan.step:
            moves.append(Send(leg.number, leg.plan.side, lacking, Purpose.COMPLETE, tries + 1))
    return moves


def _to_complete(leg: _Leg, other: _Leg) -> Decimal:
    """Return what to send again of a failed leg; of a pair that was canceled as a whole only the missing hedge."""
    if leg.failed is not None and leg.failed.cancel_requested and all(o.cancel_requested for o in other.open):
        return min(leg.want, _matching(leg, other)) - leg.net
    return leg.want - leg.net


def _unwind(broken: _Leg, lead: _Leg, follow: _Leg) -> list[Move]:
    working = [*lead.open, *follow.open]
    if working:
        why = f"leg {broken.number} {_why(broken.failed)}"
        return _cancel_all([o for o in working if o.purpose is not Purpose.UNWIND], why)
    if _balanced(lead, follow):
        return []
    behind = _behind(lead, follow)
    ahead = follow if behind is lead else lead
    excess, tries = ahead.net - _matching(ahead, behind), ahead.tries(Purpose.UNWIND)
    if tries >= MOST_FIXES or excess < ahead.plan.step:
        return []
    return [Send(ahead.number, ahead.plan.side.opposite, excess, Purpose.UNWIND, tries + 1)]


def _why(order: LegOrder | None) -> str:
    return "failed" if order is None else f"was {order.status.lower()}"


def _state(plan: PairPlan, leg: _Leg, lead: _Leg) -> LegState:
    price = _average(leg)
    status, reason = _status(plan, leg, lead)
    return LegState(status, leg.plan.quantity, leg.net, price, reason, leg.plan.step)


def _status(plan: PairPlan, leg: _Leg, lead: _Leg) -> tuple[OrderStatus, str | None]:
    again = [o for o in leg.open if o.purpose is Purpose.COMPLETE]
    if again and len(again) == len(leg.open) and again[-1].status not in UNSETTLED:
        # Sent again, but as long as nothing has come of it, the leg has failed.
        failed = next(o for o in reversed(leg.forward) if o.status in SHORT)
        return failed.status, failed.reason
    if leg.open:
        latest = min(leg.open, key=lambda o: (o.status not in UNSETTLED, o.status is not S.MANUAL, o.id))
        status = latest.status
        if status in AT_BROKER and leg.net > 0 and status is not S.CANCEL_PENDING:
            status = S.PARTIALLY_FILLED
        return status, latest.reason
    if leg.net >= leg.plan.quantity:
        return S.FILLED, None
    if leg.failed is not None:
        return leg.failed.status, leg.failed.reason
    if leg.tries(Purpose.UNWIND):
        return S.CANCELED, "traded back"
    if plan.policy is LegPolicy.LEG1_FIRST and leg is not lead and not lead.open and lead.orders:
        if lead.net == 0 and lead.failed is not None:
            return S.CANCELED, f"not sent, because leg {lead.number} {_why(lead.failed)}"
        if leg.net >= leg.want:
            return S.CANCELED, f"follows leg {lead.number}"
    return S.QUEUED, None


def _average(leg: _Leg) -> Decimal | None:
    own = [(o.filled, o.price) for o in leg.forward if o.filled > 0 and o.price is not None]
    quantity = sum((filled for filled, _ in own), Decimal(0))
    if not quantity:
        return None
    return sum((filled * price for filled, price in own), Decimal(0)) / quantity
