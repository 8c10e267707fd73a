"""What is to be done with a signal now: its orders, or why there are none, with every answer on the trace.

The lane is asked first: what is to be closed, what is to be opened, what has to end before. Then the checks judge what
opens, and the venue all of it. Where an opening is refused, what may be closed is closed all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain.checks.alert_rules import not_after
from domain.checks.catalog import TARGET
from domain.checks.facts import Facts, PlannedLeg
from domain.checks.rules import Rules
from domain.checks.run import run_checks
from domain.enums import CheckMode, Side, Source
from domain.exact import plain_text
from domain.lanes.aim import position_text
from domain.lanes.decide import decide
from domain.lanes.values import Ask, Kind, Lane, Note, Nothing, Trade, Wait
from domain.order_status import SignalStatus
from domain.planning.legs import lay_out
from domain.planning.own_terms import in_shares, objection
from domain.planning.values import (
    CUT,
    ZERO,
    Held,
    Outcome,
    PlanContext,
    Planned,
    Refused,
    Request,
    Steps,
    Waits,
    note,
)
from domain.planning.venue import check_venue

PAUSED = "passive ticker"
SHORTEST_WAIT = timedelta(milliseconds=50)


def plan(request: Request, context: PlanContext) -> Outcome:
    """Return what is to be done with a signal now."""
    rules = rules_for(request, context.rules)
    steps: Steps = [*context.first_steps]
    paused: Refused | None = None
    registered = context.registered
    if registered is not None and registered.status is not SignalStatus.WAITING:
        # It was tradable on arrival, and the catalog has changed since; or its name is paused and may close.
        steps += registered.trace
        refusal = Refused(
            status=registered.status, reason=registered.reason or "", text=registered.error_text or "", steps=steps
        )
        if registered.reason != PAUSED:
            return refusal
        paused = refusal
    sized = in_shares(request, context, steps)
    if isinstance(sized, Refused):
        return sized
    request, not_opened = sized
    outcome = _decide(request, context, rules, steps, paused=paused)
    if not_opened and isinstance(outcome, Planned):
        return replace(outcome, kind=Kind.REVERSAL, left_out=not_opened[:255])
    return outcome


def _decide(request: Request, context: PlanContext, rules: Rules, steps: Steps, *, paused: Refused | None) -> Outcome:
    """Return what the lane, the checks and the venue come to."""
    ask = ask_of(request, context, rules)
    if ask.quantity != request.quantity:
        asked, left = plain_text(request.quantity), plain_text(ask.quantity)
        text = f"{asked} {request.symbols[0]} are asked for; after fees {left} are held, and all of it is sold."
        steps.append(note("fee", True, text, asked=request.quantity, sold=ask.quantity))
    if ask.to_target and ask.bound is None:
        text = "Sizes go by the alert's target position, but the alert names none (mar_pos and mar_pos_size)."
        steps.append(note("sizing", False, text))
        return Refused(status=SignalStatus.CANCELED, reason="missing position size", text=text, steps=steps)
    decision = decide(context.lane, ask, context.step_of)
    match decision:
        case Wait():
            return _wait(request, context, rules, decision, steps, paused=paused)
        case Nothing():
            return _end(context, rules, decision, steps, paused=paused)
        case Trade():
            return _trade(request, context, rules, decision, steps, paused=paused)


def rules_for(request: Request, rules: Rules) -> Rules:
    """Return the rules in force; what a person or a stop has decided is only held against stops."""
    return rules if request.source is Source.WEBHOOK else rules.without_limits()


def ask_of(request: Request, context: PlanContext, rules: Rules) -> Ask:
    """Return what the signal asks of its lane."""
    subject = context.facts.subject
    of_alert = request.source is Source.WEBHOOK
    bound = request.bound if request.bound is not None else request.aimed_at
    cuts = rules.mode("reduce_only", subject) is CheckMode.REFUSE
    return Ask(
        signal_id=request.signal_id,
        side=request.side,
        quantity=_sellable(request, context),
        bound=bound if of_alert else None,
        previous=request.previous if of_alert else None,
        to_target=of_alert and rules.choice("sizing", subject) == TARGET,
        cuts=of_alert and cuts,
        closes_all=request.source is Source.FLATTEN,
    )


def _sellable(request: Request, context: PlanContext) -> Decimal:
    """Return what is asked for; of a coin all that is left, where more is asked for by no more than fees have taken."""
    broker, asked, symbol = context.broker, request.quantity, request.symbols[0]
    held = context.lane.legs[0].held
    if (
        request.side is not Side.SELL
        or not broker.able.coin_fee
        or not 0 < held < asked
        or not broker.is_always_open(symbol)
    ):
        return asked
    left = held - held % broker.step_of(symbol)
    return left if left > 0 and asked - held <= max(context.fees_on_record, asked * broker.able.coin_fee) else asked


def _wait(
    request: Request, context: PlanContext, rules: Rules, decision: Wait, steps: Steps, *, paused: Refused | None
) -> Outcome:
    if paused is not None and decision.kind is Kind.ENTRY:
        return paused
    if _is_too_late(request, context, rules):
        return _too_late(context.lane, decision, steps)
    wait = timedelta(microseconds=int(decision.seconds * 1_000_000))
    look_at = context.now + max(wait, SHORTEST_WAIT)
    return Waits(
        reason=decision.reason, kind=decision.kind, look_at=look_at, aimed_at=decision.end, cancel=decision.cancel
    )


def _is_too_late(request: Request, context: PlanContext, rules: Rules) -> bool:
    latest = not_after(context.facts, rules)
    return request.source is Source.WEBHOOK and latest is not None and latest <= context.now


def _too_late(lane: Lane, decision: Wait, steps: Steps) -> Refused:
    """Return the end of a signal that waited longer than it lives; an exit that leaves something is for a person."""
    held = " and ".join(f"{plain_text(leg.held)} {leg.symbol}" for leg in lane.legs if leg.held)
    text = f"It {decision.reason}; now the alert is too old."
    steps.append(note("age", False, text))
    if decision.kind is Kind.ENTRY or not held:
        return Refused(status=SignalStatus.CANCELED, reason="expired", text=text, steps=steps)
    text = f"The exit was not sent: it {decision.reason}. Still held: {held}."
    return Refused(status=SignalStatus.CRITICAL, reason="exit not sent", text=text, steps=steps)


def _end(context: PlanContext, rules: Rules, decision: Nothing, steps: Steps, *, paused: Refused | None) -> Refused:
    if paused is not None:
        return replace(paused, passes=decision.passes)
    _note_all(context, rules, decision.notes, steps)
    steps.append(note("sizing", decision.reason == "at target", decision.text))
    return Refused(
        status=SignalStatus.CANCELED, reason=decision.reason, text=decision.text, steps=steps, passes=decision.passes
    )


def _trade(
    request: Request, context: PlanContext, rules: Rules, trade: Trade, steps: Steps, *, paused: Refused | None
) -> Outcome:
    _note_all(context, rules, trade.notes, steps)
    if paused is not None:
        if trade.closing is None:
            return paused
        steps.append(note("active", True, f"{request.name} is paused: what is held is closed, nothing is opened."))
    whole = trade.kind is not Kind.REVERSAL or paused is None
    answer = _judge(request, context, rules, trade, steps) if whole else None
    if isinstance(answer, Planned | Held):
        return answer
    closing = trade.closing
    if trade.kind is not Kind.REVERSAL or closing is None or (answer is not None and not _closes_all_the_same(context)):
        return answer or paused or Refused(status=SignalStatus.ERROR, reason="", text="", steps=steps)
    why = answer.text if answer is not None else f"{request.name} is paused"
    steps = [*answer.steps] if answer is not None else steps
    what = f"{position_text(trade.end)} was not opened"
    steps.append(note("reversal", False, f"Only what is held is closed; {what}: {why}"))
    half = _judge(request, context, rules, closing, steps)
    if isinstance(half, Held):
        return replace(half, kind=Kind.REVERSAL)  # by then it may open, too
    if isinstance(half, Refused):
        return half
    return replace(half, kind=Kind.REVERSAL, left_out=f"{what}: {why}"[:255])


def _closes_all_the_same(context: PlanContext) -> bool:
    return context.rules.choice("reversal", context.facts.subject) != "refuse"


def _judge(
    request: Request, context: PlanContext, rules: Rules, trade: Trade, steps: Steps
) -> Planned | Refused | Held:
    """Return the plan of a trade if checks and venue agree; the answers go on a trace of its own."""
    steps = [*steps]
    if (refusal := objection(request, trade.kind, steps)) is not None:
        return refusal
    laid = lay_out(request, context, trade)
    facts = _with_legs(context.facts, trade, laid)
    if request.source is not Source.FLATTEN:  # nothing may keep a position from being closed
        outcome = run_checks(facts, rules)
        steps += outcome.steps
        if outcome.hold_until is not None:
            return Held(until=outcome.hold_until, reason="market closed", kind=trade.kind, steps=steps)
        if outcome.refusal is not None:
            status, reason, text = outcome.refusal
            return Refused(status=status, reason=reason, text=text, steps=steps)
    latest = not_after(facts, rules) if request.source is not Source.FLATTEN else None
    answer = check_venue(request, context, replace(laid, steps=[*steps, *laid.steps], not_after=latest))
    if isinstance(answer, Planned):
        return replace(answer, steps=[*answer.steps, _orders_step(request, answer)])
    return answer


def _with_legs(facts: Facts, trade: Trade, laid: Planned) -> Facts:
    legs = tuple(PlannedLeg(leg.symbol, leg.side, leg.quantity) for leg in laid.legs)
    return replace(facts, kind=trade.kind, legs=legs)


def _note_all(context: PlanContext, rules: Rules, notes: Sequence[Note], steps: Steps) -> None:
    """Put the lane's notes on the trace, unless the user does not want to hear of missed alerts."""
    told = rules.mode("missed_alert", context.facts.subject) is not CheckMode.OFF
    for each in notes:
        if not each.is_warning:
            steps.append(note("sizing", True, each.text, outcome=CUT))
        elif told:
            steps.append(note("position before", False, each.text, outcome="warning"))


def _orders_step(request: Request, answer: Planned) -> dict[str, object]:
    names = ", ".join(
        f"{leg.side} {plain_text(leg.quantity)} {leg.symbol} {leg.terms.order_type}" for leg in answer.legs
    )
    how = f", {answer.policy}, on failure {answer.on_failure}" if len(answer.legs) == 2 else ""
    return note("orders", True, f"Orders for account {request.account}: {names}{how}.", account=request.account)


__all__ = ["ZERO", "ask_of", "plan", "rules_for"]
