"""Whether the venue will take a plan's orders, and in which parts, before any of them exists."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

from domain.enums import LegPolicy, Side, WhenClosed
from domain.exact import EXACT, plain_text
from domain.lanes.leg import LegPlan
from domain.lanes.position_reversal import AccountHolding, Parts, replanned, split
from domain.messages import Trail
from domain.order_status import SignalStatus
from domain.planning.values import ZERO, Held, PlanContext, PlanLeg, Planned, Refused, Request, Steps, note
from domain.preflight import preflight
from domain.venue.money import costs
from domain.venue.order_plans import LegOrderPlan
from domain.venue.prices import aligned, is_in_steps

LOOK_AGAIN = timedelta(seconds=1)  # a held signal whose market was to be open by now, for clocks differ


def check_venue(request: Request, context: PlanContext, plan: Planned) -> Planned | Refused | Held:
    """Return the plan as the venue takes it, with the answers on its trace; or why it takes none."""
    steps: Steps = [*plan.steps]
    if context.live_is_off:
        text = f"Live trading is not switched on for the account {request.account}; an admin does that on Accounts."
        steps.append(note("live trading", False, text, account=request.account))
        return Refused(status=SignalStatus.ERROR, reason="live trading is off", text=text, steps=steps)
    plan = _in_price_steps(request, context, plan, steps)
    orders = [_order_plan(request, context, leg) for leg in plan.legs]
    answer = preflight(orders, context.broker, context.now)
    steps += answer.steps
    if answer.refusal is None:
        return _in_parts(context, replace(plan, steps=steps, cost=costs(orders, context.broker)))
    reason, text = answer.refusal
    if not answer.is_closed:
        return Refused(status=SignalStatus.ERROR, reason=reason, text=text, steps=steps)
    choice = request.when_closed or context.rules.choice("trading_hours", context.facts.subject)
    if choice == WhenClosed.HOLD and answer.opens_at is not None:
        until = max(answer.opens_at, context.now + LOOK_AGAIN)
        return Held(until=until, reason=reason, kind=plan.kind, steps=steps)
    return Refused(status=SignalStatus.CANCELED, reason=reason, text=text, steps=steps)


def _in_price_steps(request: Request, context: PlanContext, plan: Planned, steps: Steps) -> Planned:
    """Return the plan with limits and stops as the venue takes them; the trace says what was rounded."""
    legs = []
    for leg in plan.legs:
        broker, symbol, side, asked = context.broker, leg.symbol, leg.side, leg.terms
        limit = aligned(broker, symbol, side, asked.limit_price, stop=False)
        stop = aligned(broker, symbol, side, asked.stop_price, stop=True)
        terms = replace(asked, limit_price=limit, stop_price=stop, trail=_trail(request, context, leg, steps))
        for was, price in ((asked.limit_price, limit), (asked.stop_price, stop)):
            if was is not None and price is not None and was != price:
                said = f"The price {plain_text(was)} of {symbol} is sent as {plain_text(price)}"
                text = f"{said}: the broker takes no finer one."
                steps.append(note("price step", True, text, asked=was, price=price))
        legs.append(replace(leg, terms=terms))
    return replace(plan, legs=tuple(legs))


def _trail(request: Request, context: PlanContext, leg: PlanLeg, steps: Steps) -> Trail | None:
    """Return a trail as the venue takes it: a distance in money is rather further than nearer."""
    trail, about = leg.terms.trail, _price(request, context, leg)
    if trail is None or trail.price is None or about is None:
        return trail
    step = context.broker.price_step_of(leg.symbol, about)
    if step is None or is_in_steps(trail.price, step):
        return trail
    price = EXACT.multiply(EXACT.divide(trail.price, step).to_integral_value(ROUND_CEILING, EXACT), step)
    text = f"The trail {plain_text(trail.price)} of {leg.symbol} is sent as {plain_text(price)}"
    steps.append(note("price step", True, f"{text}: the broker takes no finer one.", asked=trail.price, price=price))
    return Trail(price=price)


def _order_plan(request: Request, context: PlanContext, leg: PlanLeg) -> LegOrderPlan:
    return LegOrderPlan(
        symbol=leg.symbol,
        side=leg.side,
        quantity=leg.quantity,
        order_type=leg.terms.order_type,
        limit_price=leg.terms.limit_price,
        stop_price=leg.terms.stop_price,
        trail=leg.terms.trail,
        of_alert=leg.terms.of_alert,
        time_in_force=leg.terms.time_in_force,
        extended_hours=leg.terms.extended_hours,
        held=context.account_positions.get(leg.symbol, ZERO),
        price=_price(request, context, leg),
    )


def _price(request: Request, context: PlanContext, leg: PlanLeg) -> Decimal | None:
    quote = context.broker.quotes.get(leg.symbol)
    if quote is not None:
        return quote.ask if leg.side is Side.BUY else quote.bid
    if not request.is_pair and request.price is not None:
        return request.price
    return context.averages.get(leg.symbol) or None


def _in_parts(context: PlanContext, plan: Planned) -> Planned | Refused:
    """Let a leg that turns the account's position round be traded by two orders, where the venue asks for that."""
    if context.broker.able.reverses_in_one_order:
        return plan
    for leg in plan.legs:
        holding = context.holdings.get(leg.symbol, AccountHolding(ZERO))
        made = _exit_of(plan, leg, holding) if plan.is_exit else _turn(context, plan, leg, holding)
        if isinstance(made, Refused):
            return made
        plan = made
    return plan


def _exit_of(plan: Planned, leg: PlanLeg, holding: AccountHolding) -> Planned | Refused:
    """Return the plan with an exit that is no larger than what the whole account holds."""
    there = max(ZERO, -leg.side.sign * holding.held)
    if leg.quantity <= there:
        return plan
    held = f"the account holds {plain_text(holding.held)} {leg.symbol}, less than the desk's book"
    text = f"Only {plain_text(there)} of {leg.side} {plain_text(leg.quantity)} {leg.symbol} can be closed: {held}."
    steps = [*plan.steps, note("account position", False, text, held=holding.held, asked=leg.quantity)]
    if not there and len(plan.legs) == 1:
        return Refused(status=SignalStatus.CRITICAL, reason="position differs", text=text, steps=steps)
    legs = tuple(replace(each, quantity=there, closes=there) if each is leg else each for each in plan.legs)
    left_out = f"{plain_text(leg.quantity - there)} {leg.symbol} were not closed: {held}"
    return replace(plan, legs=tuple(each for each in legs if each.quantity), steps=steps, left_out=left_out)


def _turn(context: PlanContext, plan: Planned, leg: PlanLeg, holding: AccountHolding) -> Planned | Refused:
    short_step = context.step_of(leg.symbol, True)
    parts = split(leg.side, leg.quantity, holding, short_step)
    if parts.must_wait:
        held = f"{plain_text(abs(holding.held))} {leg.symbol}"
        text = f"All {held} that the account holds are spoken for by other orders; this one waits for them."
        values = {"held": holding.held, "spoken_for": holding.spoken_for}
        return replace(plan, waits=True, steps=[*plan.steps, note("reversal", True, text, **values)])
    if parts.now >= leg.quantity:
        return plan
    asked = LegPlan(side=leg.side, quantity=leg.quantity, step=leg.step)
    made = replanned(asked, ZERO, parts, short_step)
    steps = [
        *plan.steps,
        note("reversal", made.quantity > 0, _part_text(leg, parts), closes=made.closes, left=parts.lost),
    ]
    if made.quantity <= 0:
        what = f"{leg.side} {plain_text(leg.quantity)} {leg.symbol}"
        text = f"{what} would be a short sale of a fraction: short sales go in whole shares."
        return Refused(status=SignalStatus.ERROR, reason="quantity", text=text, steps=steps)
    turned = replace(leg, quantity=made.quantity, step=made.step, first=made.closes, closes=made.closes or leg.closes)
    legs = tuple(turned if each is leg else each for each in plan.legs)
    # What follows the fills of leg 1 cannot wait for a closing of its own.
    apart = parts.later and plan.policy is LegPolicy.ATTACHED
    return replace(plan, legs=legs, steps=steps, policy=LegPolicy.LEG1_FIRST if apart else plan.policy)


def _part_text(leg: PlanLeg, parts: Parts) -> str:
    now = f"{leg.side} {plain_text(parts.now)} {leg.symbol}"
    text = f"Only {now} can be traded now"
    if parts.later:
        text = (
            f"The broker takes no order that turns a position round: {now} closes it, "
            f"then {leg.side} {plain_text(parts.later)} opens the new one"
        )
    left = f"; {plain_text(parts.lost)} are left, for short sales go in whole shares" if parts.lost else ""
    return f"{text}{left}."
