"""Asking whether the broker will take a plan's orders, before any of them exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from domain.enums import LegPolicy, Side, TickerType, WhenClosed
from domain.exact import plain_text
from domain.order_status import SignalStatus
from domain.preflight import LegOrderPlan, cost, preflight
from services.desk_book import Book
from services.planning import Leg, NotTradable, Plan, Scene


def check_with_broker(scene: Scene, book: Book, plan: Plan) -> None:
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
    answer = preflight(legs, scene.broker)
    scene.add(answer.steps)
    plan.cost = cost(legs)
    if answer.refusal is None:
        _split_reversals(scene, plan, legs)
        return
    reason, text = answer.refusal
    if answer.is_closed:
        choice = scene.signal.when_closed or scene.known.rules.choice("trading_hours", scene.subject)
        until = answer.opens_at if choice == WhenClosed.HOLD else None
        raise NotTradable(SignalStatus.CANCELED, reason, text, hold_until=until)
    raise NotTradable(SignalStatus.ERROR, reason, text)


def _split_reversals(scene: Scene, plan: Plan, legs: Sequence[LegOrderPlan]) -> None:
    """Let a leg that turns a position round be traded by two orders, where the broker asks for that."""
    if scene.broker.reverses_in_one_order:
        return
    for number, leg in enumerate(legs):
        if leg.reverses:
            plan.legs[number] = replace(plan.legs[number], closes=abs(leg.held))
            closed, opened = plain_text(abs(leg.held)), plain_text(leg.quantity - abs(leg.held))
            text = (
                f"The broker takes no order that turns a position round: {leg.side} {closed} {leg.symbol} closes it, "
                f"then {leg.side} {opened} opens the new one."
            )
            scene.see("reversal", True, text, closes=abs(leg.held))
            if (
                plan.policy is LegPolicy.ATTACHED
            ):  # what follows the fills of leg 1 cannot wait for a closing of its own
                plan.policy = LegPolicy.LEG1_FIRST


def _check_switch(scene: Scene) -> None:
    """Refuse whatever it is as long as real money is not switched on."""
    name = scene.known.account_name(scene.signal.account_id or 0)
    if scene.signal.account_id not in scene.known.switched_off:
        return
    text = f"Live trading is not switched on for the account {name}; an admin does that on the page Accounts."
    scene.see("live trading", False, text, account=name)
    raise NotTradable(SignalStatus.ERROR, "live trading is off", text)


def _price(scene: Scene, book: Book, leg: Leg) -> Decimal | None:
    quote = scene.broker.quotes.get(leg.symbol)
    if quote is not None:
        return quote.ask if leg.side is Side.BUY else quote.bid
    if scene.signal.ticker_type == TickerType.SINGLE and scene.signal.price is not None:
        return scene.signal.price
    return book.average.get((str(scene.signal.name), leg.symbol)) or None
