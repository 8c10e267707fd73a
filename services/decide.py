"""Every check of a signal in its order, and the orders it comes to: for the planner and for "what would happen"."""

from __future__ import annotations

from dataclasses import replace

from domain.checks.alert_rules import not_after
from domain.checks.catalog import TARGET
from domain.checks.facts import BookLine, Facts, Money, PlannedLeg
from domain.checks.rules import Rules
from domain.checks.run import Outcome, after_sizing, before_sizing
from domain.enums import Source
from domain.intake import decide
from domain.order_status import SignalStatus
from services.ask_broker import check_with_broker
from services.coin_exits import as_held, can_be_sold, settle_fees
from services.desk_book import Book, read_book
from services.facts import World, gather, with_legs
from services.planning import NotTradable, Plan, Scene, size


def decide_plan(scene: Scene) -> tuple[Book, Plan]:
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
    plan = size(scene, book, to_target=to_target)
    plan.legs = [as_held(scene, book, leg) for leg in plan.legs]
    sized = with_legs(facts, (PlannedLeg(leg.symbol, leg.side, leg.quantity) for leg in plan.legs))
    _heed(scene, after_sizing(sized, rules, was_exit=facts.is_exit))
    for number, leg in enumerate(plan.legs):
        plan.legs[number] = replace(leg, is_exit=sized.is_exit)
    plan.not_after = not_after(facts, rules)
    check_with_broker(scene, book, plan)
    return book, plan


def _rules(scene: Scene) -> Rules:
    """Return the rules in force; a healing order was looked at by a person, and only a stop speaks against it."""
    if scene.signal.source == Source.WEBHOOK:
        return scene.known.rules
    return scene.known.rules.without_limits()


def _check_registry(scene: Scene) -> None:
    known, signal = scene.known, scene.signal
    decision = decide(signal.ticker, known.find_instrument, known.find_pair, known.terms)
    if decision.status is not SignalStatus.WAITING:  # it was tradable on arrival; the registry has changed since
        scene.add(decision.trace)
        raise NotTradable(decision.status, decision.reason or "", decision.error_text or "")


def _facts(scene: Scene, book: Book, *, to_target: bool) -> Facts:
    account = scene.broker.account
    world = World(
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


def _heed(scene: Scene, outcome: Outcome) -> None:
    scene.add(outcome.steps)
    if outcome.hold_until is not None:
        raise NotTradable(SignalStatus.CANCELED, "market closed", "", hold_until=outcome.hold_until)
    if outcome.refusal is not None:
        raise NotTradable(*outcome.refusal)
