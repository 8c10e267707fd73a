"""Two legs or none: what is to be done next for a pair whose orders stand so.

The quantities of a plan are what the legs should come to. `net` counts what a leg's orders
have filled towards it: fills of its own side less those that traded it back.
"""

from collections.abc import Sequence
from decimal import Decimal

from domain.enums import FailurePolicy, LegPolicy, Purpose
from domain.exact import plain_text
from domain.lanes.leg import MOST_FIXES, UNSETTLED, Cancel, Leg, LegOrder, LegPlan, Move, PairPlan, Send
from domain.lanes.roll_up import SHORT, LegState
from domain.order_status import AT_BROKER, NEVER_SENT, OrderStatus
from domain.sizing import round_to_step

S = OrderStatus


def next_moves(plan: PairPlan, orders: Sequence[LegOrder], *, timed_out: bool) -> list[Move]:
    """Return what to do now; nothing while the outcome of any order is not known.

    `timed_out`: the legs have been out of balance for longer than the pair allows.
    """
    if any(order.status in UNSETTLED for order in orders):
        return []
    legs = _legs(plan, orders)
    lead, follow = legs[plan.lead - 1], legs[2 - plan.lead]
    if plan.policy is LegPolicy.LEG1_FIRST and not follow.failed:
        lacking = follow.part(follow.want - follow.ordered)
        ending = any(o.cancel_requested for o in follow.open)  # first its cancel must be done: it may yet be filled
        if lacking > 0 and not ending:
            return [Send(follow.number, follow.plan.side, lacking, Purpose.SIGNAL, 0)]
    broken = _broken(plan, lead, follow)
    if not broken and (rest := _after_closing(plan, lead, follow)):
        return rest
    if broken:
        return _after_failure(plan, broken, lead, follow, timed_out=timed_out)
    if late := _shown_late(plan, lead, follow):
        return late
    if timed_out and not _balanced(*legs):
        return _cancel_all(_behind(*legs).open, "it took too long while the other leg is filled")
    return []


def next_part(plan: LegPlan, number: int, orders: Sequence[LegOrder]) -> Send | None:
    """Return the order that opens the new position of a single, once the old one is closed by an order of its own."""
    if any(order.status in UNSETTLED for order in orders):
        return None
    return _rest(Leg(number, plan, list(orders)))


def single_state(plan: LegPlan, number: int, orders: Sequence[LegOrder]) -> LegState:
    """Return a single that is traded by several orders, for the roll-up of its signal."""
    leg = Leg(number, plan, list(orders))
    alone = PairPlan(legs=(plan, plan), policy=LegPolicy.TOGETHER, on_failure=FailurePolicy.HOLD)
    return _state(alone, leg, leg)


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


def _legs(plan: PairPlan, orders: Sequence[LegOrder]) -> tuple[Leg, Leg]:
    first, second = (
        Leg(number, leg, [o for o in orders if o.leg == number]) for number, leg in enumerate(plan.legs, 1)
    )
    if plan.policy is LegPolicy.LEG1_FIRST:
        lead, follow = (first, second) if plan.lead == 1 else (second, first)
        follow.want, follow.follows = follow.plan.attainable(_matching(follow, lead)), True
    return first, second


def _after_closing(plan: PairPlan, lead: Leg, follow: Leg) -> list[Move]:
    """Return the orders that open what the closing of an old position has made room for."""
    legs = [lead] if plan.policy is LegPolicy.LEG1_FIRST else [lead, follow]
    reversing = [leg for leg in legs if leg.plan.closes > 0]
    if plan.policy is LegPolicy.TOGETHER and not all(leg.closed_first and not leg.open for leg in reversing):
        return []  # both legs open at the same moment, as both were closed
    return [rest for leg in reversing if (rest := _rest(leg)) is not None]


def _rest(leg: Leg) -> Send | None:
    """Return the order for what a leg still lacks after its closing order is filled."""
    last = leg.forward[-1] if leg.forward else None
    lacking = leg.want - leg.ordered
    if last is None or last.status in SHORT or last.cancel_requested or leg.open:
        return None
    rest = leg.part(lacking) if leg.closed_first else Decimal(0)
    return Send(leg.number, leg.plan.side, rest, Purpose.SIGNAL, 0) if rest > 0 else None


def _matching(leg: Leg, other: Leg) -> Decimal:
    """Return how much of a leg goes with what the other one has, in steps the leg can trade."""
    if other.net == other.plan.quantity:
        return leg.plan.quantity
    return round_to_step(leg.plan.quantity * other.net / other.plan.quantity, leg.plan.step)


def _balanced(first: Leg, second: Leg) -> bool:
    """Return True if one leg is what the other asks for, as near as steps allow."""
    near1 = abs(first.net - _matching(first, second)) < first.plan.step
    near2 = abs(second.net - _matching(second, first)) < second.plan.step
    return near1 or near2


def _behind(first: Leg, second: Leg) -> Leg:
    return first if first.net * second.plan.quantity < second.net * first.plan.quantity else second


def _broken(plan: PairPlan, lead: Leg, follow: Leg) -> list[Leg]:
    """Return the legs that have failed for certain; what a lead did not get, the other leg does not need."""
    complete = plan.on_failure is FailurePolicy.COMPLETE
    if plan.policy is LegPolicy.LEG1_FIRST and not follow.failed and not complete:
        return []
    return [leg for leg in (lead, follow) if leg.failed]


def _after_failure(plan: PairPlan, broken: list[Leg], lead: Leg, follow: Leg, *, timed_out: bool) -> list[Move]:
    if plan.on_failure is FailurePolicy.COMPLETE:
        return _complete(plan, broken, (lead, follow), timed_out=timed_out)
    if lead.net == follow.net == 0:
        unsent = [o for o in (*lead.open, *follow.open) if o.status is S.QUEUED]
        if unsent:  # nothing is held yet, so nothing of the other leg is sent, whatever the policy
            return _cancel_all(unsent, f"leg {broken[0].number} {_why(broken[0].failed)}")
    return _unwind(broken[0], lead, follow) if plan.on_failure is FailurePolicy.UNWIND else []


def _shown_late(plan: PairPlan, lead: Leg, follow: Leg) -> list[Move]:
    """Return what undoes fills that came when they were given up: of an order that the venue had hidden, say.

    The other leg was traded back by then, or this one was sent again, so that it has more than it should come to.
    """
    if plan.on_failure is FailurePolicy.HOLD:
        return []
    given_up = next((leg for leg in (lead, follow) if leg.traded_back and leg.net < leg.plan.quantity), None)
    if given_up is not None:
        return _unwind(given_up, lead, follow)
    if lead.open or follow.open or any(o.filled > o.quantity for o in (*lead.orders, *follow.orders)):
        return []  # of one order more than it asked for is no case of two orders, and is for a person
    has_too_much = any(leg.net > leg.plan.quantity for leg in (lead, follow))
    return _unwind(lead, lead, follow) if has_too_much else []


def _cancel_all(orders: Sequence[LegOrder], why: str) -> list[Move]:
    return [Cancel(o.id, why) for o in orders if not o.cancel_requested]


def _complete(plan: PairPlan, broken: Sequence[Leg], legs: Sequence[Leg], *, timed_out: bool) -> list[Move]:
    if len(broken) == 2 and all(leg.net == 0 for leg in legs) and not _is_tried_again(plan, broken):
        return []  # neither leg came to be: there is nothing to complete
    moves: list[Move] = []
    for leg in legs:
        if leg not in broken and not leg.waits_to_open:
            continue
        tries = leg.tries(Purpose.COMPLETE)
        lacking = leg.part(_to_complete(leg, legs[1] if leg is legs[0] else legs[0]))
        if tries < MOST_FIXES and not timed_out and lacking > 0:
            moves.append(Send(leg.number, leg.plan.side, lacking, Purpose.COMPLETE, tries + 1))
    return moves


def _is_tried_again(plan: PairPlan, broken: Sequence[Leg]) -> bool:
    """Return True for an exit that the venue has ended; one that was never sent is too old, or not wanted any more."""
    return plan.is_exit and all(leg.failed is not None and leg.failed.status not in NEVER_SENT for leg in broken)


def _to_complete(leg: Leg, other: Leg) -> Decimal:
    """Return what to send of a leg now; of a pair that was canceled as a whole only the missing hedge.

    So it is for a leg that has not failed, but whose opening waits for the other leg, which has.
    """
    working = [o for o in other.open if o.purpose is not Purpose.COMPLETE]
    by_hand = leg.failed is not None and leg.failed.cancel_requested and all(o.cancel_requested for o in working)
    if by_hand or leg.failed is None:
        return min(leg.want, _matching(leg, other)) - leg.net
    return leg.want - leg.net


def _unwind(broken: Leg, lead: Leg, follow: Leg) -> list[Move]:
    working = [*lead.open, *follow.open]
    if working:
        why = f"leg {broken.number} {_why(broken.failed)}"
        return _cancel_all([o for o in working if o.purpose is not Purpose.UNWIND], why)
    if _balanced(lead, follow):
        return []
    behind = _behind(lead, follow)
    ahead = follow if behind is lead else lead
    excess, tries = ahead.part_back(ahead.net - _matching(ahead, behind)), ahead.tries(Purpose.UNWIND)
    if tries >= MOST_FIXES or excess <= 0:
        return []
    return [Send(ahead.number, ahead.plan.side.opposite, excess, Purpose.UNWIND, tries + 1)]


def _why(order: LegOrder | None) -> str:
    return "was traded back" if order is None else f"was {order.status.lower()}"


def _state(plan: PairPlan, leg: Leg, lead: Leg) -> LegState:
    price = leg.average
    status, reason = _status(plan, leg, lead)
    return LegState(status, leg.plan.quantity, leg.net, price, reason, leg.plan.step, leg.is_ending)


def _reason(plan: PairPlan, leg: Leg, failed: LegOrder) -> str | None:
    """Return why a leg has failed, and what becomes of what was to open once it had closed what is held."""
    if leg.plan.closes <= 0 or leg.closed_first or plan.on_failure is FailurePolicy.COMPLETE:
        return failed.reason
    unsent = plain_text(leg.plan.quantity - leg.plan.closes)
    return f"{failed.reason or failed.status.lower()}; so the {unsent} that were to follow it are not sent"


def _status(plan: PairPlan, leg: Leg, lead: Leg) -> tuple[OrderStatus, str | None]:
    again = [o for o in leg.open if o.purpose is Purpose.COMPLETE]
    if again and len(again) == len(leg.open) and again[-1].status not in UNSETTLED:
        # Sent again, but as long as nothing has come of it, the leg has failed.
        failed = next((o for o in reversed(leg.forward) if o.status in SHORT), None)
        return (failed.status, failed.reason) if failed else (S.CANCELED, None)
    if leg.open:
        latest = min(leg.open, key=lambda o: (o.status not in UNSETTLED, o.status is not S.MANUAL, o.id))
        status = latest.status
        if status in AT_BROKER and leg.net > 0 and status is not S.CANCEL_PENDING:
            status = S.PARTIALLY_FILLED
        return status, latest.reason
    if leg.net >= leg.plan.quantity:
        return S.FILLED, None
    if leg.failed is not None:
        return leg.failed.status, _reason(plan, leg, leg.failed)
    if any(o.purpose is Purpose.UNWIND for o in leg.orders):
        return S.CANCELED, "traded back"
    if plan.policy is LegPolicy.LEG1_FIRST and leg is not lead and not lead.open and lead.orders:
        if lead.net == 0 and lead.failed is not None:
            return S.CANCELED, f"not sent, because leg {lead.number} {_why(lead.failed)}"
        if leg.net >= leg.want:
            return S.CANCELED, f"follows leg {lead.number}"
    return S.QUEUED, None
