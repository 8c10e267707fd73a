"""Whatever is held, works and is asked for: exits never open, targets are never passed, a refusal changes nothing."""

import copy
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from domain.enums import Side, Source
from domain.lanes.decide import decide
from domain.lanes.values import Ahead, Kind, Nothing, Trade
from domain.order_status import OrderStatus, SignalStatus
from domain.planning.plan import ask_of, plan, rules_for
from domain.planning.values import Held, Planned, Refused
from tests.domain.planning.plan_support import (
    HOLDS,
    PAIR,
    SINGLE,
    choice,
    request,
    situation,
    working,
)

D = Decimal
S = OrderStatus
ENDS = {SignalStatus.CANCELED, SignalStatus.ERROR, SignalStatus.CRITICAL}
PROPERTY = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
statuses = st.sampled_from([S.QUEUED, S.SENDING, S.UNKNOWN, S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING])


def orders_of(draw, symbol, held):
    """Draw working orders of a symbol: exits that close no more than is held, entries, and those of another lane."""
    found, left = [], abs(held)
    for number in range(draw(st.integers(0, 2))):
        what = draw(st.sampled_from(["exit", "exit", "exit", "entry", "other"]))
        rest, side = draw(st.integers(1, 12)), draw(st.sampled_from(Side))
        more = {"status": draw(statuses), "is_market": draw(st.booleans()), "symbol": symbol}
        if what == "exit":
            side, rest = (Side.SELL if held > 0 else Side.BUY), min(rest, left)
            left -= rest
            more["is_exit"] = True
        elif what == "other":
            more["lane"] = "OTHER"
        if rest:
            found.append((number, side, rest, more))
    return found


@st.composite
def moments(draw, shape="any"):
    """Draw a signal and the situation it comes in; `shape` is what the signal is about, in a quiet lane but for exits.

    Most alerts start from what is held, and name the position after them.
    """
    symbols = draw(st.sampled_from([SINGLE, PAIR]))
    way, first = draw(st.sampled_from([1, -1])), draw(st.integers(1, 12))
    first = first if shape != "any" else draw(st.integers(0, 12))
    held, target = [way * first], way * draw(st.integers(0, first))
    if symbols == PAIR:  # leg 2 hedges leg 1, or has drifted
        held.append(-way * draw(st.sampled_from([2 * first, 2 * first, 2 * first - 1, 2 * first + 3, first, 0, -3])))
    if shape == "turn":
        target = -way * draw(st.integers(1, 12))
    elif shape == "any":
        target = draw(st.integers(-12, 12))
    side = Side.BUY if target > held[0] else Side.SELL
    if shape == "any" and draw(st.booleans()):
        side = side.opposite
    exact = draw(st.booleans()) or shape == "turn"
    asked = request(
        side,
        abs(target - held[0]) or 1 if exact else draw(st.integers(1, 24)),
        target if shape == "turn" or draw(st.integers(0, 3)) else None,
        symbols=symbols,
        source=Source.FLATTEN if shape in ("any", "exit") and draw(st.integers(0, 5)) == 5 else Source.WEBHOOK,
    )
    works = shape in ("any", "exit") and draw(st.booleans())
    orders = [
        working(10 * leg + number, side, rest, **{"lane": asked.name, **more})
        for leg, (symbol, quantity) in enumerate(zip(symbols, held, strict=True), 1)
        for number, side, rest, more in (orders_of(draw, symbol, quantity) if works else ())
    ]
    noisy = shape == "any"
    context = situation(
        asked,
        held,
        orders,
        ahead=[Ahead(signal_id=90, is_exit=False, why="it waits")] if noisy and draw(st.integers(0, 4)) == 4 else [],
        rules=[row for row in RULES if (shape == "held" and row is HOLDS) or draw(st.integers(0, 2)) == 2],
        stopped=shape != "turn" and draw(st.integers(0, 5)) == 5,
        paused=shape != "turn" and draw(st.integers(0, 5)) == 5,
        is_open=shape != "held" and (not noisy or draw(st.integers(0, 5)) < 5),
        short_selling=shape == "turn" or draw(st.integers(0, 3)) < 3,
        reverses_in_one_order=draw(st.booleans()),
    )
    return asked, context


RULES = (HOLDS, choice("sizing", "target"), choice("reversal", "refuse"))


def closable(context, leg):
    """Return what is held against an order, less what the lane's own orders already close."""
    of_lane = next(each for each in context.lane.legs if each.symbol == leg.symbol)
    if leg.side.sign * of_lane.held >= 0:
        return D(0)
    closing = sum((o.rest for o in of_lane.own(context.lane.name) if o.side is leg.side), D(0))
    return max(D(0), abs(of_lane.held) - closing)


def decision_of(asked, context):
    return decide(context.lane, ask_of(asked, context, rules_for(asked, context.rules)), context.step_of)


@PROPERTY
@given(moment=moments("exit"))
def test_an_exit_never_plans_more_than_is_held_less_what_already_closes(moment):
    asked, context = moment
    outcome = plan(asked, context)
    assume(isinstance(outcome, Planned) and outcome.is_exit)
    for leg in outcome.legs:
        assert leg.quantity <= closable(context, leg), leg


@PROPERTY
@given(moment=st.one_of(moments("exit"), moments("turn"), moments()))
def test_no_plan_leads_beyond_the_position_that_the_alert_names(moment):
    asked, context = moment
    assume(asked.bound is not None and asked.source is Source.WEBHOOK)
    outcome = plan(asked, context)
    assume(isinstance(outcome, Planned))
    change = sum((leg.side.sign * leg.quantity for leg in outcome.legs if leg.number == 1), D(0))
    before, after = context.lane.before, context.lane.before + change
    assert min(before, asked.bound) <= after <= max(before, asked.bound)
    assert all(leg.order_quantity <= leg.quantity for leg in outcome.legs)


@PROPERTY
@given(moment=moments())
def test_under_a_stop_of_entries_and_for_a_paused_name_only_what_is_held_is_traded(moment):
    asked, context = moment
    assume(asked.source is Source.WEBHOOK)
    stopped = situation(asked, [leg.held for leg in context.lane.legs], stopped=True).facts.stops
    paused = situation(asked, [0 for _ in context.lane.legs], paused=True).registered
    for closed in (
        replace(context, facts=replace(context.facts, stops=stopped)),
        replace(context, registered=paused),
    ):
        outcome = plan(asked, closed)
        if isinstance(outcome, Planned):
            assert all(leg.quantity <= closable(closed, leg) for leg in outcome.legs)


@PROPERTY
@given(moment=moments("turn"))
def test_a_reversal_whose_opening_is_refused_closes_what_it_would_have_closed_and_no_more(moment):
    asked, context = moment
    assume(asked.source is Source.WEBHOOK)
    free = plan(asked, context)
    assume(isinstance(free, Planned) and free.kind is Kind.REVERSAL and free.left_out is None)
    stops = situation(asked, [0 for _ in context.lane.legs], stopped=True).facts.stops
    outcome = plan(asked, replace(context, facts=replace(context.facts, stops=stops)))
    if context.rules.choice("reversal", context.facts.subject) == "refuse":
        assert isinstance(outcome, Refused)
        return
    assert isinstance(outcome, Planned)
    assert outcome.kind is Kind.REVERSAL
    assert outcome.left_out
    closes = {leg.number: (leg.side, leg.closes) for leg in decision_of(asked, context).legs if leg.closes}
    assert {leg.number: (leg.side, leg.quantity) for leg in outcome.legs} == closes
    assert all(leg.is_exit for leg in outcome.legs)


@PROPERTY
@given(moment=moments("held"))
def test_a_held_signal_keeps_its_kind(moment):
    asked, context = moment
    outcome = plan(asked, context)
    assume(isinstance(outcome, Held))
    session = replace(context.broker.session, is_open=True, opens_at=None)
    at_the_open = plan(asked, replace(context, broker=replace(context.broker, session=session)))
    assert isinstance(at_the_open, Planned | Refused)
    if isinstance(at_the_open, Planned):
        assert outcome.kind is at_the_open.kind
    assert outcome.kind is decision_of(asked, context).kind
    assert outcome.until > context.now


@PROPERTY
@given(moment=moments())
def test_a_refusal_changes_nothing_and_the_same_state_gives_the_same_answer(moment):
    asked, context = moment
    before = copy.deepcopy(context)
    outcome = plan(asked, context)
    assert plan(asked, context) == outcome
    assert (context.lane, context.facts, context.first_steps, context.registered) == (
        before.lane, before.facts, before.first_steps, before.registered,
    )  # fmt: skip
    if isinstance(outcome, Refused):
        assert outcome.status in ENDS
        assert outcome.text
        decision = decision_of(asked, context)
        if isinstance(decision, Trade):
            assert outcome.passes == ()  # what waits before it goes on waiting
        elif isinstance(decision, Nothing):
            entries = {signal.signal_id for signal in context.lane.ahead if not signal.is_exit}
            assert set(outcome.passes) <= entries
