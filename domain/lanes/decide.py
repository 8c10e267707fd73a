"""What is to be done with a waiting signal now: trade, wait, or nothing.

Closing comes first: while an order works that would enlarge what is to be closed, it is canceled and its end awaited.
An order never goes out against one's own working order on the other side. An outcome that is not known stops what
depends on it, in its lane only.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from domain.enums import Purpose, Side
from domain.exact import plain_text
from domain.lanes.aim import Aim, aim, position_text
from domain.lanes.values import (
    NOT_KNOWN,
    ZERO,
    Ahead,
    Ask,
    Decision,
    Kind,
    Lane,
    LaneLeg,
    LegChange,
    Nothing,
    Trade,
    Wait,
    Working,
)
from domain.sizing import round_to_step

GRACE = Decimal(1)  # seconds that an order to the market has to be filled, before it is canceled for an exit
Step = Callable[[str, bool], Decimal]  # symbol, is it short before or after? -> the smallest part of a share


def decide(lane: Lane, ask: Ask, step: Step) -> Decision:
    """Return what is to be done with a signal, given its lane; `step` tells in which parts a symbol is traded."""
    wanted = aim(ask, lane.before)
    goes_flat = _goes_flat(ask)
    if goes_flat and any(leg.after(lane.name) for leg in lane.legs):
        wanted = Aim(ZERO, Kind.EXIT, wanted.notes)  # also where leg 1 is flat and leg 2 is left alone
    if wanted.kind in (Kind.EXIT, Kind.REVERSAL) or (goes_flat and lane.own):
        return _close_first(lane, ask, wanted, step)
    if wanted.kind is None and lane.ahead and not goes_flat:  # what is ahead will change the position
        return _behind(lane, Kind.ENTRY, wanted.end)
    if wanted.kind is None and (first := _exit_ahead(lane)) is not None:  # a reversal ahead may open again
        return _after(first, Kind.EXIT, wanted.end)
    if wanted.kind is None:
        return _rebalance(lane, ask, wanted, step) or _nothing(lane, ask, wanted)
    return _open(lane, ask, wanted, step)


def _behind(lane: Lane, kind: Kind, end: Decimal) -> Wait:
    return _after(lane.ahead[0], kind, end)


def _after(first: Ahead, kind: Kind, end: Decimal) -> Wait:
    return Wait(reason=f"signal {first.signal_id} comes first: {first.why}", kind=kind, end=end)


def _exit_ahead(lane: Lane) -> Ahead | None:
    """Return the first exit or reversal that waits ahead in the lane."""
    return next((signal for signal in lane.ahead if signal.is_exit), None)


def _goes_flat(ask: Ask) -> bool:
    """Return True if all that is held is to be closed, whatever the alert's own size is."""
    return ask.closes_all or (ask.bound == 0 and (ask.cuts or ask.to_target))


def _rebalance(lane: Lane, ask: Ask, wanted: Aim, step: Step) -> Decision | None:
    """Return what leg 2 lacks of a pair that is sized to its target and whose leg 1 is there already."""
    if not (lane.is_pair and ask.to_target) or lane.own or lane.ahead:
        return None
    change = _second_leg(lane, ZERO, wanted.end, step)
    if not change.quantity:
        return None
    kind = Kind.EXIT if not change.opens else Kind.ENTRY
    if blocker := _first_opposite(lane, [change]):
        return Wait(reason=_awaits(blocker, "works on the other side"), kind=kind, end=wanted.end)
    return Trade(kind=kind, end=wanted.end, legs=(change,), notes=wanted.notes)


def _nothing(lane: Lane, ask: Ask, wanted: Aim) -> Nothing:
    here = position_text(lane.before)
    if ask.bound is not None and lane.before == ask.bound and ask.bound != 0:
        return Nothing(reason="at target", text=f"{lane.name} is already {here}.", notes=wanted.notes)
    text = f"{lane.name} is {here}: there is nothing to {ask.side} for this alert."
    if _goes_flat(ask) or lane.before == 0:
        text = f"{lane.name} is {here}: there is nothing to close."
    return Nothing(reason="nothing to close", text=text, notes=wanted.notes, passes=_passed(lane, ask, wanted))


def _passed(lane: Lane, ask: Ask, wanted: Aim) -> tuple[int, ...]:
    """Return the waiting entries that are over once the lane has turned, or closed to the position of the alert.

    That position counts them in: were they traded after it, they would lead beyond it.
    """
    names_it = ask.bound is not None and (ask.cuts or ask.to_target) and wanted.end == ask.bound
    if not (_goes_flat(ask) or wanted.kind is Kind.REVERSAL or (wanted.kind is Kind.EXIT and names_it)):
        return ()
    return tuple(signal.signal_id for signal in lane.ahead if not signal.is_exit)


def _close_first(lane: Lane, ask: Ask, wanted: Aim, step: Step) -> Decision:
    kind = wanted.kind or Kind.EXIT
    if (first := _exit_ahead(lane)) is not None:
        return _after(first, kind, wanted.end)
    entries = [order for order in lane.own if not order.only_closes]
    if entries or any(leg.promised for leg in lane.legs):
        return _await_entries(lane, entries, kind, wanted.end)
    mends = [order for order in lane.own if order.purpose is Purpose.UNWIND]
    if mends:
        return Wait(reason=_awaits(mends[0], "trades a leg back"), kind=kind, end=wanted.end)
    exits_at_work = lane.own
    if kind is Kind.REVERSAL and exits_at_work:
        return Wait(reason=_awaits(exits_at_work[0], "closes the position first"), kind=kind, end=wanted.end)
    changes = _closing_changes(lane, ask, wanted, step)
    if not any(change.quantity for change in changes):
        return _all_promised(lane, ask, wanted, exits_at_work)
    if blocker := _first_opposite(lane, changes):
        ends = () if blocker.only_closes or blocker.cancel_requested else (blocker.order_id,)
        return Wait(reason=_awaits(blocker, "works on the other side"), kind=kind, end=wanted.end, cancel=ends)
    legs = tuple(change for change in changes if change.quantity)
    return Trade(kind=kind, end=wanted.end, legs=legs, notes=wanted.notes, passes=_passed(lane, ask, wanted))


def _await_entries(lane: Lane, entries: list[Working], kind: Kind, end: Decimal) -> Wait:
    """Return the wait for entries to end: an order to the market gets a moment to be filled, others are canceled."""
    if not entries:
        return Wait(reason="waits for a leg that is about to be ordered", kind=kind, end=end)
    young = [order for order in entries if _is_about_to_fill(order, lane, end)]
    # Legs of one signal end together. If one ended alone, the pair would be taken for broken, and be mended.
    have_their_turn = {o.signal_id for o in young if o.may_be_at_venue and not o.follows and o.signal_id is not None}
    ends = [order for order in entries if order not in young and order.signal_id not in have_their_turn]
    cancel = tuple(order.order_id for order in ends if not order.cancel_requested)
    unknown = next((order for order in entries if order.status in NOT_KNOWN), None)
    reason = _awaits(unknown or entries[0], "opens what is to be closed")
    left = [GRACE - (order.age or ZERO) for order in young]
    seconds = max(min(left, default=Decimal(5)), Decimal("0.05"))
    return Wait(reason=reason, kind=kind, end=end, cancel=cancel, seconds=seconds)


def _is_about_to_fill(order: Working, lane: Lane, end: Decimal) -> bool:
    if not order.is_market or order.cancel_requested or order.status in NOT_KNOWN:
        return False
    if order.age is None or not order.may_be_at_venue:
        # What is held at the end comes from it or by way of it, or it hedges what is filled: it is left its turn.
        return order.follows or order.side.sign * end > 0 or (_brings_back(order, lane) and end != 0)
    return order.age < GRACE


def _brings_back(order: Working, lane: Lane) -> bool:
    """Return True if an order goes against what its leg holds: a reversal that has not closed all of it yet."""
    return any(leg.symbol == order.symbol and leg.held * order.side.sign < 0 for leg in lane.legs)


def _awaits(order: Working, what: str) -> str:
    side = f"{order.side} {plain_text(order.rest)} {order.symbol}"
    where = f" of {order.signal_id}" if order.signal_id is not None else ""
    if order.status in NOT_KNOWN:
        return f"waits: the outcome of order {order.order_id}{where} ({side}) is not known yet"
    return f"waits for the end of order {order.order_id}{where} ({side}), which {what}"


def _closing_changes(lane: Lane, ask: Ask, wanted: Aim, step: Step) -> list[LegChange]:
    """Return what each leg trades, once nothing works any more that enlarges the position."""
    before = lane.before
    first = lane.legs[0]
    closes1 = abs(before) if before * wanted.end <= 0 else abs(before) - abs(wanted.end)
    opens1 = abs(wanted.end) if before * wanted.end < 0 or before == 0 else ZERO
    side1 = _closing_side(before) if before else _opening_side(wanted.end)
    changes = [LegChange(number=1, symbol=first.symbol, side=side1, closes=closes1, opens=opens1)]
    if lane.is_pair:
        to_target = ask.to_target and wanted.end != 0
        second = _second_leg(lane, closes1, wanted.end if opens1 or to_target else None, step)
        # What leg 2 lacks of its target is no business of an exit, which passes the limits: it opens nothing.
        changes.append(second if opens1 else replace(second, opens=ZERO))
    return changes


def _second_leg(lane: Lane, closes1: Decimal, target1: Decimal | None, step: Step) -> LegChange:
    """Return leg 2: in proportion to what leg 1 closes of what is held, and hedging what leg 1 opens."""
    first, second = lane.legs
    held1, held2 = first.after(lane.name), second.after(lane.name)
    if target1 is not None:
        size = round_to_step(abs(target1) * (lane.hedge_ratio or 1), step(second.symbol, target1 > 0))
        return _toward(second, held2, -size if target1 > 0 else size)
    if held1 == 0 or closes1 == abs(held1):
        part = abs(held2)
    else:
        part = min(abs(held2), round_to_step(abs(held2) * closes1 / abs(held1), step(second.symbol, held2 < 0)))
    return LegChange(number=2, symbol=second.symbol, side=_closing_side(held2), closes=part)


def _toward(leg: LaneLeg, held: Decimal, target: Decimal) -> LegChange:
    missing = target - held
    closes = min(abs(missing), abs(held)) if missing * held < 0 else ZERO
    side = Side.BUY if missing > 0 else Side.SELL
    return LegChange(number=2, symbol=leg.symbol, side=side, closes=closes, opens=abs(missing) - closes)


def _closing_side(position: Decimal) -> Side:
    return Side.SELL if position > 0 else Side.BUY


def _opening_side(position: Decimal) -> Side:
    return Side.BUY if position > 0 else Side.SELL


def _all_promised(lane: Lane, ask: Ask, wanted: Aim, exits: list[Working]) -> Decision:
    if not exits:
        return _nothing(lane, ask, wanted)
    first = next((order for order in exits if order.status in NOT_KNOWN), exits[0])
    if first.status in NOT_KNOWN:
        return Wait(reason=_awaits(first, ""), kind=Kind.EXIT, end=wanted.end)
    text = f"Nothing is left to close of {lane.name}: signal {first.signal_id} is closing it."
    return Nothing(reason="nothing left to close", text=text, notes=wanted.notes, passes=_passed(lane, ask, wanted))


def _first_opposite(lane: Lane, changes: Iterable[LegChange]) -> Working | None:
    """Return an order of the account that ours would meet at the venue: the same symbol, the other side."""
    for change in changes:
        leg = lane.legs[change.number - 1]
        for order in leg.working:
            meets = order.lane == lane.name or order.may_be_at_venue
            if change.quantity and order.side is not change.side and meets:
                return order
    return None


def _open(lane: Lane, ask: Ask, wanted: Aim, step: Step) -> Decision:
    kind, end = Kind.ENTRY, wanted.end
    if lane.ahead:
        return _behind(lane, kind, end)
    unknown = next((order for order in lane.own if order.status in NOT_KNOWN), None)
    if unknown is not None:
        return Wait(reason=_awaits(unknown, ""), kind=kind, end=end)
    closing = next((order for order in lane.own if order.only_closes or _brings_back(order, lane)), None)
    if closing is not None:  # were it to fail, what opens now would only have made smaller what is held
        return Wait(reason=_awaits(closing, "closes the position first"), kind=kind, end=end)
    opens = abs(end - lane.before)
    side = Side.BUY if end > lane.before else Side.SELL
    changes = [LegChange(number=1, symbol=lane.legs[0].symbol, side=side, opens=opens)]
    if lane.is_pair:
        hedge = _second_leg(lane, ZERO, end, step) if ask.to_target else _hedge(lane, side, opens, step)
        changes.append(hedge)
    if blocker := _first_opposite(lane, changes):
        return Wait(reason=_awaits(blocker, "works on the other side"), kind=kind, end=end)
    return Trade(kind=kind, end=end, legs=tuple(changes), notes=wanted.notes)


def _hedge(lane: Lane, side: Side, opens: Decimal, step: Step) -> LegChange:
    """Return leg 2 of an entry: what hedges the new shares of leg 1, in steps that leg 2 can trade."""
    second = lane.legs[1]
    is_short = side is Side.BUY or second.after(lane.name) < 0
    size = round_to_step(opens * (lane.hedge_ratio or 1), step(second.symbol, is_short))
    return LegChange(number=2, symbol=second.symbol, side=side.opposite, opens=size)
