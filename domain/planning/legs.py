"""The legs of a plan: terms, steps, policies, and the words for their sizes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from domain.enums import FailurePolicy, LegPolicy, Side, Source
from domain.exact import plain_text
from domain.lanes.values import Kind, LegChange, Trade
from domain.planning.own_terms import entry_terms, registered_terms
from domain.planning.values import (
    MARKET,
    ZERO,
    InstrumentTerms,
    OrderTerms,
    PlanContext,
    PlanLeg,
    Planned,
    Request,
    Steps,
    note,
)
from domain.sizing import is_short, leg2_quantity


def lay_out(request: Request, context: PlanContext, trade: Trade) -> Planned:
    """Return the plan of a trade: its legs with their terms, and the policy by which they belong together."""
    is_exit = trade.kind is Kind.EXIT
    legs = tuple(_leg(request, context, change, is_exit=is_exit) for change in trade.legs)
    steps: Steps = []
    if request.is_pair and request.source is not Source.FLATTEN:
        _note_rounding(request, context, legs, steps)
    plan = Planned(kind=trade.kind, legs=legs, steps=steps, passes=trade.passes)
    if request.source is Source.FLATTEN:
        # The short leg first, for its loss has no bound.
        lead = next((leg.number for leg in legs if leg.side is Side.BUY), 1)
        return replace(plan, policy=LegPolicy.LEG1_FIRST, on_failure=FailurePolicy.COMPLETE, lead=lead)
    return _with_policy(context, plan, steps) if request.is_pair else plan


def _leg(request: Request, context: PlanContext, change: LegChange, *, is_exit: bool) -> PlanLeg:
    instrument = context.terms_of(change.symbol)
    held = context.account_positions.get(change.symbol, ZERO)
    short = is_short(held, change.side, change.quantity)
    # A limit on one leg could leave the other one alone, so legs of a pair go to the market.
    at_terms = not request.is_pair and request.source is not Source.FLATTEN
    return PlanLeg(
        number=_number(request, change),
        symbol=change.symbol,
        asset_class=instrument.asset_class,
        currency=instrument.currency,
        side=change.side,
        quantity=change.quantity,
        step=context.step_of(change.symbol, short),
        terms=_terms(request, instrument, is_exit=is_exit) if at_terms else MARKET,
        closes=change.closes,
        is_exit=is_exit,
    )


def _terms(request: Request, instrument: InstrumentTerms, *, is_exit: bool) -> OrderTerms:
    if is_exit:
        return registered_terms(instrument, request.price)
    return entry_terms(request.own_terms, instrument, request.price)


def _number(request: Request, change: LegChange) -> int:
    """Return the number of a leg; a signal of one symbol may be for leg 2 of a pair."""
    if request.is_pair or len(request.symbols) != 1:
        return change.number
    alone = request.symbols[0]
    return 2 if request.name != alone and not request.name.startswith(f"{alone}-") else 1


def _with_policy(context: PlanContext, plan: Planned, steps: Steps) -> Planned:
    """Return the plan with its pair's policies. What an exit has closed stays closed: the other leg is tried again."""
    policy, on_failure, timeout = context.pair
    if plan.is_exit and on_failure is FailurePolicy.UNWIND:
        on_failure = FailurePolicy.COMPLETE
    if policy is LegPolicy.ATTACHED and not context.attached_hedge:
        text = "The broker has no attached orders; leg 2 follows the fills of leg 1 instead."
        steps.append(note("legs", True, text))
        policy = LegPolicy.LEG1_FIRST
    if policy is LegPolicy.ATTACHED and not _is_hedged_by_ratio(context, plan):
        policy = LegPolicy.LEG1_FIRST  # the broker would size leg 2 by the ratio, and not by what is held
    if len(plan.legs) < 2 or plan.legs[0].side is plan.legs[1].side:
        policy = LegPolicy.TOGETHER  # legs that do not hedge each other cannot follow each other
    return replace(plan, policy=policy, on_failure=on_failure, timeout=timeout)


def _is_hedged_by_ratio(context: PlanContext, plan: Planned) -> bool:
    if len(plan.legs) < 2:
        return False
    first, second = plan.legs
    return second.quantity == leg2_quantity(first.quantity, context.lane.hedge_ratio or Decimal(1), second.step)


def _note_rounding(request: Request, context: PlanContext, legs: tuple[PlanLeg, ...], steps: Steps) -> None:
    quantities = {leg.symbol: leg.quantity for leg in legs}
    symbol1, symbol2 = request.symbols
    quantity1, quantity2 = quantities.get(symbol1, ZERO), quantities.get(symbol2, ZERO)
    ratio = request.hedge_ratio or Decimal(1)
    off = quantity2 - quantity1 * ratio
    step2 = next((leg.step for leg in legs if leg.symbol == symbol2), context.step_of(symbol2))
    quote = context.broker.quotes.get(symbol2)
    price = quote.middle if quote else context.averages.get(symbol2)
    money = f"{abs(off) * (price or ZERO):.2f}" if price or not off else "not known, there is no price"
    text = (
        f"{plain_text(quantity1)} {symbol1} are hedged by {plain_text(quantity2)} {symbol2} "
        f"(ratio {plain_text(ratio)}, steps of {plain_text(step2)})."
    )
    if not quantity2 and quantity1:
        text += " Leg 2 rounds to nothing, so there is no price of the spread."
    steps.append(
        note(
            "sizing", quantity2 > 0 or quantity1 == 0, text, quantity1=quantity1, quantity2=quantity2,
            hedge_ratio=ratio, rounding=off, rounding_in_money=money,
        )
    )  # fmt: skip
