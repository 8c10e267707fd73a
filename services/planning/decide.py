"""Every check of a signal in its order, and the orders it comes to: for the planner and for "what would happen"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from domain.checks.alert_rules import not_after
from domain.checks.catalog import TARGET
from domain.checks.facts import BookLine, Facts, Money, PlannedLeg
from domain.checks.rules import Rules
from domain.checks.run import Outcome, after_sizing, at_sizing, before_sizing
from domain.enums import LegPolicy, Source
from domain.exact import plain_text
from domain.intake import decide
from domain.order_status import SignalStatus
from domain.sizing import round_to_step
from services.ledger.closing import held_elsewhere
from services.planning.broker_check import check_with_broker
from services.planning.check_inputs import CheckInputs, gather, with_legs
from services.planning.crypto_exits import as_held, can_be_sold, settle_fees
from services.planning.desk_book import Book, read_book
from services.planning.plan_context import AT_TARGET, Leg, NotTradable, Plan, PlanContext, size


def decide_plan(scene: PlanContext) -> tuple[Book, Plan]:
    """Return what to send for a signal; every answer goes on its trace. Raises NotTradable."""
    signal = scene.signal
    book = read_book(scene.session, signal)
    if settle_fees(scene, book):
        book = read_book(scene.session, signal)
    if signal.source == Source.FLATTEN:  # nothing may keep a position from being closed
        plan = size(scene, book, to_target=False)
        check_with_broker(scene, book, plan)
        return book, plan
    if signal.source == Source.WEBHOOK:
        _check_registry(scene)
    rules = _rules(scene)
    to_target = signal.source == Source.WEBHOOK and rules.choice("sizing", scene.subject) == TARGET
    facts = _facts(scene, book, to_target=to_target)
    _heed(scene, before_sizing(facts, rules))
    plan = _size(scene, book, facts, to_target=to_target)
    plan.legs = [as_held(scene, book, leg) for leg in plan.legs]
    sized = _with_plan(facts, plan)
    clipped = at_sizing(sized, rules)
    _heed(scene, clipped)
    if clipped.legs:
        _clip(scene, plan, sized, clipped.legs)
        sized = _with_plan(facts, plan)
    _heed(scene, after_sizing(sized, rules, was_exit=facts.is_exit))
    for number, leg in enumerate(plan.legs):
        plan.legs[number] = replace(leg, is_exit=sized.is_exit)
    plan.not_after = not_after(facts, rules)
    check_with_broker(scene, book, plan)
    return book, plan


def _with_plan(facts: Facts, plan: Plan) -> Facts:
    return with_legs(facts, (PlannedLeg(leg.symbol, leg.side, leg.quantity) for leg in plan.legs))


def _clip(scene: PlanContext, plan: Plan, facts: Facts, legs: Sequence[PlannedLeg]) -> None:
    """Make the legs of a plan as small as may be traded; one of which nothing is left goes."""
    most = {leg.symbol: leg.quantity for leg in legs}
    plan.legs = [
        replace(leg, quantity=_clipped(facts, leg, most[leg.symbol])) for leg in plan.legs if leg.symbol in most
    ]
    names = " and ".join(f"{leg.side} {plain_text(leg.quantity)} {leg.symbol}" for leg in plan.legs)
    scene.see("sizing", True, f"What would close nothing is not traded; what is left is {names}.")
    if len(plan.legs) < 2:
        plan.policy = LegPolicy.TOGETHER
    elif plan.policy is LegPolicy.ATTACHED:
        plan.policy = LegPolicy.LEG1_FIRST  # the broker would size leg 2 by the ratio, and not by what is held


def _clipped(facts: Facts, leg: Leg, most: Decimal) -> Decimal:
    """Return what is left of a leg: all that it closes, and of what it opens whole steps."""
    closes = min(most, facts.closable(leg.symbol, leg.side))
    return most if most in (leg.quantity, closes) else closes + round_to_step(most - closes, leg.step)


def _size(scene: PlanContext, book: Book, facts: Facts, *, to_target: bool) -> Plan:
    try:
        return size(scene, book, to_target=to_target)
    except NotTradable as e:
        if e.reason != AT_TARGET or facts.target != 0:
            raise
        where = held_elsewhere(scene.session, scene.signal.account_id or 0, facts.subject.name)
        text = f"{e.text} Held elsewhere: {', '.join(map(str, where))}." if where else e.text
        raise NotTradable(e.status, e.reason, text) from None


def _rules(scene: PlanContext) -> Rules:
    """Return the rules in force; a healing order was looked at by a person, and only a stop speaks against it."""
    if scene.signal.source == Source.WEBHOOK:
        return scene.known.rules
    return scene.known.rules.without_limits()


def _check_registry(scene: PlanContext) -> None:
    known, signal = scene.known, scene.signal
    decision = decide(signal.ticker, known.find_instrument, known.find_pair, known.terms)
    if decision.status is not SignalStatus.WAITING:  # it was tradable on arrival; the registry has changed since
        scene.add(decision.trace)
        raise NotTradable(decision.status, decision.reason or "", decision.error_text or "")


def _facts(scene: PlanContext, book: Book, *, to_target: bool) -> Facts:
    account = scene.broker.account
    world = CheckInputs(
        books=book_lines(book),
        quotes=scene.broker.quotes,
        money=None if account is None else Money(account.cash, account.buying_power),
    )
    facts = gather(
        scene.session,
        scene.signal,
        scene.now,
        scene.known,
        world,
        desk_lifetime=scene.desk_lifetime,
        to_target=to_target,
    )
    return replace(facts, traded=can_be_sold(scene, book, facts.symbols[0], facts.side, facts.quantity))


def book_lines(book: Book) -> tuple[BookLine, ...]:
    """Return what is held and worked, a line for each symbol in each book."""
    worked = {(order.name, order.symbol) for order in book.working}
    return tuple(
        BookLine(
            name,
            symbol,
            book.position(name, symbol),
            book.coming(name, symbol),
            book.average.get((name, symbol)) or None,
            is_worked=(name, symbol) in worked,
        )
        for name, symbol in sorted({*book.held, *worked})
    )


def _heed(scene: PlanContext, outcome: Outcome) -> None:
    scene.add(outcome.steps)
    if outcome.hold_until is not None:
        raise NotTradable(SignalStatus.CANCELED, "market closed", "", hold_until=outcome.hold_until)
    if outcome.refusal is not None:
        raise NotTradable(*outcome.refusal)
