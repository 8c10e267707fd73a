"""Asking whether the broker will take a plan's orders, before any of them exists."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain.crossing import Parts, replanned, split
from domain.enums import LegPolicy, Side, TickerType, WhenClosed
from domain.exact import plain_text
from domain.leg import LegPlan
from domain.order_status import SignalStatus
from domain.preflight import LegOrderPlan, cost, preflight
from services.execution.position_reversal import read_holding
from services.planning.desk_book import Book
from services.planning.plan_context import Leg, NotTradable, Plan, PlanContext

ASK_AGAIN = timedelta(seconds=1)  # a held signal whose market was to be open by now, for clocks differ


def check_with_broker(scene: PlanContext, book: Book, plan: Plan) -> None:
    """Ask whether the broker will take all legs; raises NotTradable, before any of them is sent."""
    _check_switch(scene)
    legs = [
        LegOrderPlan(
            symbol=leg.symbol,
            side=leg.side,
            quantity=leg.quantity,
            order_type=leg.terms.order_type,
            limit_price=leg.terms.limit_price,
            stop_price=leg.terms.stop_price,
            time_in_force=leg.terms.time_in_force,
            extended_hours=leg.terms.extended_hours,
            held=book.account_position(leg.symbol),
            price=_price(scene, book, leg),
        )
        for leg in plan.legs
    ]
    answer = preflight(legs, scene.broker, scene.now)
    scene.add(answer.steps)
    plan.cost = cost(legs)
    if answer.refusal is None:
        _split_reversals(scene, plan)
        return
    reason, text = answer.refusal
    if answer.is_closed:
        choice = scene.signal.when_closed or scene.known.rules.choice("trading_hours", scene.subject)
        until = answer.opens_at if choice == WhenClosed.HOLD else None
        if until is not None:
            until = max(until, scene.now + ASK_AGAIN)
        raise NotTradable(SignalStatus.CANCELED, reason, text, hold_until=until)
    raise NotTradable(SignalStatus.ERROR, reason, text)


def _split_reversals(scene: PlanContext, plan: Plan) -> None:
    """Let a leg that turns the account's position round be traded by two orders, where the broker asks for that."""
    if scene.broker.reverses_in_one_order:
        return
    for number, leg in enumerate(plan.legs):
        holding = read_holding(scene.session, scene.signal.account_id or 0, leg.symbol)
        short_step = scene.broker.step_of(leg.symbol, short=True)
        parts = split(leg.side, leg.quantity, holding, short_step)
        if parts.must_wait:
            plan.waits = True
            held = f"{plain_text(abs(holding.held))} {leg.symbol}"
            text = f"All {held} that the account holds are spoken for by other orders; this one waits for them."
            scene.see("reversal", True, text, held=holding.held, spoken_for=holding.spoken_for)
        elif parts.now < leg.quantity:
            asked = LegPlan(side=leg.side, quantity=leg.quantity, step=leg.step)
            made = replanned(asked, Decimal(0), parts, short_step)
            plan.legs[number] = replace(leg, quantity=made.quantity, step=made.step, closes=made.closes)
            scene.see("reversal", made.quantity > 0, _in_parts(leg, parts), closes=made.closes, left=parts.lost)
            if made.quantity <= 0:
                text = f"{leg.side} {plain_text(leg.quantity)} {leg.symbol} would be a short sale of a fraction."
                raise NotTradable(SignalStatus.ERROR, "quantity", text)
        if parts.later and plan.policy is LegPolicy.ATTACHED:
            plan.policy = LegPolicy.LEG1_FIRST  # what follows the fills of leg 1 cannot wait for a closing of its own


def _in_parts(leg: Leg, parts: Parts) -> str:
    now = f"{leg.side} {plain_text(parts.now)} {leg.symbol}"
    text = f"Only {now} can be traded now"
    if parts.later:
        text = (
            f"The broker takes no order that turns a position round: {now} closes it, "
            f"then {leg.side} {plain_text(parts.later)} opens the new one"
        )
    left = f"; {plain_text(parts.lost)} are left, for fractions cannot be sold short" if parts.lost else ""
    return f"{text}{left}."


def _check_switch(scene: PlanContext) -> None:
    """Refuse whatever it is as long as real money is not switched on."""
    name = scene.known.account_name(scene.signal.account_id or 0)
    if scene.signal.account_id not in scene.known.switched_off:
        return
    text = f"Live trading is not switched on for the account {name}; an admin does that on the page Accounts."
    scene.see("live trading", False, text, account=name)
    raise NotTradable(SignalStatus.ERROR, "live trading is off", text)


def _price(scene: PlanContext, book: Book, leg: Leg) -> Decimal | None:
    quote = scene.broker.quotes.get(leg.symbol)
    if quote is not None:
        return quote.ask if leg.side is Side.BUY else quote.bid
    if scene.signal.ticker_type == TickerType.SINGLE and scene.signal.price is not None:
        return scene.signal.price
    return book.average.get((str(scene.signal.name), leg.symbol)) or None
