"""Two legs or none: whatever becomes of each order, the pair comes to an end that is told as it is."""

import os
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.enums import FailurePolicy, LegPolicy, Purpose, Side
from domain.lanes.leg import MOST_FIXES, UNSETTLED, Cancel, Leg, LegOrder, LegPlan, PairPlan, Send
from domain.lanes.pair_moves import imbalance, leg_states, next_moves, next_part, single_state
from domain.lanes.roll_up import roll_up
from domain.order_status import CLOSED, OrderStatus, SignalStatus

D = Decimal
S = OrderStatus
UNWIND, COMPLETE, HOLD = FailurePolicy.UNWIND, FailurePolicy.COMPLETE, FailurePolicy.HOLD
TOGETHER, LEG1_FIRST, ATTACHED = LegPolicy.TOGETHER, LegPolicy.LEG1_FIRST, LegPolicy.ATTACHED
TOLD_WELL = {SignalStatus.FILLED, SignalStatus.CANCELED, SignalStatus.ERROR}
FAIL_AT_ARRIVAL = [S.REJECTED, S.DENIED, S.STALE]


def make_plan(policy=TOGETHER, on_failure=UNWIND, quantities=("10", "30"), steps=("1", "1"), lead=1, closes=("0", "0")):
    legs = tuple(
        LegPlan(side=side, quantity=D(quantity), step=D(step), closes=D(close))
        for side, quantity, step, close in zip((Side.BUY, Side.SELL), quantities, steps, closes, strict=True)
    )
    return PairPlan(legs=(legs[0], legs[1]), policy=policy, on_failure=on_failure, lead=lead)


@dataclass
class Venue:
    """The orders of one pair; `choose` says what becomes of each, one event after another."""

    plan: PairPlan
    orders: list[LegOrder] = field(default_factory=list)

    def __post_init__(self):
        first = (self.plan.lead,) if self.plan.policy is LEG1_FIRST else (1, 2)
        for number in first:
            leg = self.plan.legs[number - 1]
            self.add(Send(number, leg.side, leg.closes or leg.quantity, Purpose.SIGNAL, 0))

    def add(self, move):
        leg = self.plan.legs[move.leg - 1]
        own = [order for order in self.orders if order.leg == move.leg]
        net = sum((o.filled if o.side is leg.side else -o.filled for o in own), D(0))
        if move.side is leg.side:
            coming = net + sum((o.quantity - o.filled for o in own if o.is_open and o.side is leg.side), D(0))
            crosses = coming < leg.closes and coming + move.quantity > leg.closes
            assert not crosses, "one order would close a position and open another"
            assert coming < leg.closes or net >= leg.closes, "it would open before all is closed"
            assert not 0 < leg.closes <= coming or move.quantity % leg.step == 0, "fractions are not opened"
        else:
            assert not 0 < leg.closes < net or move.quantity % leg.step == 0, "a fraction would be left open"
            assert not (net > leg.closes > net - move.quantity), "trading back would cross"
        self.orders.append(
            LegOrder(
                id=len(self.orders) + 1, leg=move.leg, side=move.side, quantity=move.quantity, filled=D(0),
                status=S.QUEUED, purpose=move.purpose,
            )
        )  # fmt: skip

    def change(self, order, **values):
        self.orders[order.id - 1] = replace(self.orders[order.id - 1], **values)

    def follow_up(self, *, timed_out=False):
        """Do what the orders ask for, as the desk does after each change; holds the rules of sending."""
        for _ in range(4):
            moves = next_moves(self.plan, self.orders, timed_out=timed_out)
            if any(order.status in UNSETTLED for order in self.orders):
                assert moves == [], "nothing is done while an outcome is not known"
            for move in moves:
                if isinstance(move, Cancel):
                    self.cancel(self.orders[move.order_id - 1])
                else:
                    assert move.quantity >= self.plan.legs[move.leg - 1].step or self.ends_at_flat(move)
                    self.add(move)
            self.check()
            if not moves:
                return
        raise AssertionError("the moves do not come to rest")

    def ends_at_flat(self, move):
        """Return True if an order ends just where what the leg closes is closed."""
        leg = self.plan.legs[move.leg - 1]
        working = [o for o in self.orders if o.leg == move.leg and o.is_open and o.side is move.side]
        coming = sum((o.quantity - o.filled for o in working), move.quantity)
        return self.net(move.leg) + coming * (1 if move.side is leg.side else -1) == leg.closes

    def cancel(self, order):
        assert order.is_open, "only what is open is canceled"
        status = S.CANCELED if order.status is S.QUEUED else S.CANCEL_PENDING
        status = order.status if order.status in UNSETTLED else status
        self.change(order, status=status, cancel_requested=True)

    def check(self):
        """Hold what must be true at every moment."""
        for number, leg in enumerate(self.plan.legs, 1):
            own = [order for order in self.orders if order.leg == number]
            net = sum((o.filled if o.side is leg.side else -o.filled for o in own), D(0))
            bought = sum((o.quantity - o.filled for o in own if o.is_open and o.side is leg.side), D(0))
            sold = sum((o.quantity - o.filled for o in own if o.is_open and o.side is not leg.side), D(0))
            assert net + bought <= leg.quantity, f"leg {number} would be over-traded"
            assert net - sold >= 0, f"leg {number} would be traded back through zero"
            fixes = [o for o in own if o.purpose is not Purpose.SIGNAL]
            failed = [o.purpose for o in fixes if o.status is not S.FILLED]
            assert failed.count(Purpose.UNWIND) <= MOST_FIXES
            assert failed.count(Purpose.COMPLETE) <= MOST_FIXES
        told = self.told()
        assert told not in TOLD_WELL or self.is_balanced, f"told as {told}, but the legs do not balance"
        if all(order.status in CLOSED for order in self.orders) and not self.is_balanced:
            assert told is SignalStatus.CRITICAL

    @property
    def is_balanced(self):
        return imbalance(self.plan, self.orders) == (0, 0)

    def told(self):
        return roll_up(Side.BUY, None, D(3), leg_states(self.plan, self.orders)).status

    def net(self, number):
        side = self.plan.legs[number - 1].side
        return sum((o.filled if o.side is side else -o.filled for o in self.orders if o.leg == number), D(0))

    def fill(self, order, quantity):
        filled = order.filled + quantity
        whole = filled == order.quantity
        part = order.status if order.status is S.CANCEL_PENDING else S.PARTIALLY_FILLED
        self.change(order, filled=filled, status=S.FILLED if whole else part, price=D(100))

    def happen(self, choose):
        """Let one thing happen to one open order; `choose` picks from a list."""
        order = choose([order for order in self.orders if order.is_open])
        if order.status is S.QUEUED:
            event = choose(["fill", "part", "accept", "fail", "doubt"])
        elif order.status is S.UNKNOWN:
            event = choose(["fill", "part", "accept", "end", "absent", "manual"])
        elif order.status is S.MANUAL:
            event = choose(["fill", "part", "accept", "end"])
        elif order.status is S.CANCEL_PENDING:
            event = choose(["end", "fill", "part", "refuse"])
        else:
            event = choose(["fill", "part", "end", "lost", "by hand", "too long"])
        self.do(event, order, choose)
        if event == "too long" and not self.is_balanced:
            self.follow_up(timed_out=True)
        self.follow_up()

    def do(self, event, order, choose):
        """Change an order as the event says."""
        if event == "by hand":
            for each in self.orders:
                if each.is_open and not each.cancel_requested:
                    self.cancel(each)
        elif event in ("fill", "part"):
            rest, step = order.quantity - order.filled, self.plan.legs[order.leg - 1].step
            parts = [step * n for n in range(1, int(rest / step) + 1)] or [rest]
            self.fill(order, rest if event == "fill" else choose(parts))
        elif event != "too long":
            self.change(order, **self.values_after(event, order, choose))

    @staticmethod
    def values_after(event, order, choose):
        working = S.PARTIALLY_FILLED if order.filled else S.ACCEPTED
        match event:
            case "accept":
                return {"status": S.CANCEL_PENDING if order.cancel_requested else working}
            case "refuse":
                return {"status": working, "cancel_requested": False}
            case "fail":
                return {"status": choose(FAIL_AT_ARRIVAL)}
            case "end":
                return {"status": choose([S.CANCELED, S.EXPIRED, *([] if order.filled else [S.REJECTED])])}
            case "absent":
                return {"status": S.MANUAL if order.filled else S.QUEUED}
            case "manual":
                return {"status": S.MANUAL}
        return {"status": S.UNKNOWN}

    def settle(self, choose):
        """Let everything come to its end: outcomes become known, cancels are done, the rest is filled."""
        for _ in range(200):
            open_ = [order for order in self.orders if order.is_open]
            if not open_:
                return
            order = open_[0]
            event = "end" if order.status is S.CANCEL_PENDING else choose(["fill", "fail"])
            self.do("end" if event == "fail" and order.status is not S.QUEUED else event, order, choose)
            self.follow_up()
        raise AssertionError("orders are made without end")


PLANS = st.builds(
    make_plan,
    policy=st.sampled_from(LegPolicy),
    on_failure=st.sampled_from(FailurePolicy),
    quantities=st.sampled_from([("10", "30"), ("7", "9"), ("1", "1"), ("3", "1"), ("0.5", "2.25"), ("10", "12.5")]),
    steps=st.sampled_from([("1", "1"), ("0.01", "1"), ("1", "0.25"), ("0.01", "0.01"), ("1e-8", "1e-8")]).filter(bool),
    lead=st.sampled_from([1, 2]),
).map(lambda plan: replace(plan, legs=tuple(_tradable(leg) for leg in plan.legs)))
# On a venue that does not reverse in one order, part of a leg closes what is held the other way.
SHARES_CLOSED = st.sampled_from([D(0), D(0), D("0.25"), D("0.5"), D("0.75")])
REVERSALS = st.tuples(PLANS.filter(lambda plan: plan.policy is not ATTACHED), SHARES_CLOSED, SHARES_CLOSED).map(
    lambda drawn: replace(
        drawn[0], legs=tuple(_closing(leg, share) for leg, share in zip(drawn[0].legs, drawn[1:], strict=True))
    )
)


def _tradable(leg):
    return leg if leg.quantity % leg.step == 0 and leg.quantity / leg.step < 10_000 else replace(leg, step=D("0.25"))


def _closing(leg, share):
    # Fractions are closed, for they are held, whatever the step of a short position is; what is opened has whole steps.
    made = replace(leg, closes=leg.quantity * share)
    whole = made.attainable(leg.quantity)
    return replace(made, quantity=whole) if whole > made.closes else leg


@settings(max_examples=500 * int(os.environ.get("LONGER", "1")), deadline=None, derandomize="LONGER" not in os.environ)
@given(plan=PLANS | REVERSALS, data=st.data(), events=st.integers(0, 12))
def test_whatever_becomes_of_the_orders_a_pair_comes_to_an_end_that_is_told_as_it_is(plan, data, events):
    venue = Venue(plan)
    venue.check()

    def choose(options):
        return data.draw(st.sampled_from(options))

    for _ in range(events):
        if not any(order.is_open for order in venue.orders):
            break
        venue.happen(choose)
    venue.settle(choose)
    venue.check()
    plan = venue.plan
    assert next_moves(plan, venue.orders, timed_out=False) == []
    own_fills = sum(order.filled > 0 for order in venue.orders)
    reversing = sum(leg.closes > 0 for leg in plan.legs)
    assert len(venue.orders) <= 2 + reversing + 4 * MOST_FIXES + own_fills + events
    tries = {
        (number, purpose): sum(
            o.leg == number and o.purpose is purpose and o.status is not S.FILLED for o in venue.orders
        )
        for number in (1, 2)
        for purpose in Purpose
    }
    ahead, _ = imbalance(plan, venue.orders)
    if plan.on_failure is UNWIND and ahead:
        assert tries[ahead, Purpose.UNWIND] == MOST_FIXES
    if plan.on_failure is COMPLETE and ahead:
        assert tries[3 - ahead, Purpose.COMPLETE] == MOST_FIXES
    if plan.on_failure is HOLD:
        assert tries[1, Purpose.UNWIND] == tries[2, Purpose.UNWIND] == 0
        assert tries[1, Purpose.COMPLETE] == tries[2, Purpose.COMPLETE] == 0
    if venue.told() is SignalStatus.FILLED:
        assert [venue.net(1), venue.net(2)] == [leg.quantity for leg in plan.legs]


def order(id_, leg, status, filled="0", quantity=None, **more):
    purpose = more.pop("purpose", Purpose.SIGNAL)
    side = (Side.BUY, Side.SELL)[leg - 1]
    whole = D(quantity or ("10", "30")[leg - 1])
    return LegOrder(
        id=id_, leg=leg, side=side.opposite if purpose is Purpose.UNWIND else side, quantity=whole,
        filled=whole if status == "FILLED" else D(filled), status=S(status), purpose=purpose, price=D(1), **more,
    )  # fmt: skip


def moves(plan, *orders, timed_out=False):
    return [
        (m.order_id,) if isinstance(m, Cancel) else (m.leg, m.side.value, m.quantity, m.purpose.value)
        for m in next_moves(plan, orders, timed_out=timed_out)
    ]


@pytest.mark.parametrize("policy", LegPolicy)
@pytest.mark.parametrize("on_failure", FailurePolicy)
@pytest.mark.parametrize("doubtful", sorted(UNSETTLED))
def test_while_an_outcome_is_not_known_nothing_is_done(policy, on_failure, doubtful):
    plan = make_plan(policy, on_failure)
    assert moves(plan, order(1, 1, doubtful), order(2, 2, "REJECTED")) == []
    assert moves(plan, order(1, 1, "FILLED"), order(2, 2, doubtful), timed_out=True) == []


@pytest.mark.parametrize(
    ("plan", "orders", "expected"),
    [
        (make_plan(), [order(1, 1, "FILLED"), order(2, 2, "REJECTED")], [(1, "sell", 10, "unwind")]),
        (make_plan(), [order(1, 1, "FILLED"), order(2, 2, "CANCELED", "15")], [(1, "sell", 5, "unwind")]),
        (make_plan(), [order(1, 1, "ACCEPTED"), order(2, 2, "REJECTED")], [(1,)]),
        (make_plan(), [order(1, 1, "CANCEL_PENDING", cancel_requested=True), order(2, 2, "REJECTED")], []),
        (make_plan(), [order(1, 1, "REJECTED"), order(2, 2, "QUEUED")], [(2,)]),
        (make_plan(on_failure=HOLD), [order(1, 1, "REJECTED"), order(2, 2, "QUEUED")], [(2,)]),
        (make_plan(on_failure=HOLD), [order(1, 1, "FILLED"), order(2, 2, "REJECTED")], []),
        (
            make_plan(on_failure=COMPLETE),
            [order(1, 1, "FILLED"), order(2, 2, "EXPIRED", "12")],
            [(2, "sell", 18, "complete")],
        ),
        (make_plan(on_failure=COMPLETE), [order(1, 1, "REJECTED"), order(2, 2, "REJECTED")], []),
        (make_plan(LEG1_FIRST), [order(1, 1, "PARTIALLY_FILLED", "5")], [(2, "sell", 15, "signal")]),
        (make_plan(LEG1_FIRST), [order(1, 1, "REJECTED")], []),
        (
            make_plan(LEG1_FIRST),
            [order(1, 1, "CANCELED", "7"), order(2, 2, "FILLED", quantity="15")],
            [(2, "sell", 6, "signal")],
        ),
        (
            make_plan(LEG1_FIRST, lead=2),
            [order(1, 2, "PARTIALLY_FILLED", "15")],
            [(1, "buy", 5, "signal")],
        ),
    ],
)  # fmt: skip
def test_what_is_done_next(plan, orders, expected):
    assert moves(plan, *orders) == expected


def test_what_took_too_long_is_canceled_and_what_is_filled_is_not():
    plan = make_plan()
    working = [order(1, 1, "FILLED"), order(2, 2, "PARTIALLY_FILLED", "12")]
    assert moves(plan, *working) == []
    assert moves(plan, *working, timed_out=True) == [(2,)]


def test_an_unwinding_that_fails_is_tried_again_but_not_for_ever():
    failed = [order(1, 1, "FILLED"), order(2, 2, "REJECTED")]
    for n in range(MOST_FIXES):
        assert moves(make_plan(), *failed) == [(1, "sell", 10, "unwind")]
        failed.append(order(3 + n, 1, "REJECTED", purpose=Purpose.UNWIND))
    assert moves(make_plan(), *failed) == []


def test_a_fill_that_comes_after_the_unwinding_is_traded_back_too():
    plan = make_plan()
    done = [order(1, 1, "FILLED"), order(3, 1, "FILLED", purpose=Purpose.UNWIND)]
    assert moves(plan, *done, order(2, 2, "CANCELED")) == []
    assert moves(plan, *done, order(2, 2, "CANCELED", "6")) == [(2, "buy", 6, "unwind")]


@pytest.mark.parametrize("policy", [TOGETHER, LEG1_FIRST])
def test_a_leg_that_turns_out_to_be_filled_after_the_other_was_traded_back_is_traded_back_too(policy):
    plan = make_plan(policy)
    there = [order(1, 1, S.FILLED), order(2, 1, S.FILLED, purpose=Purpose.UNWIND)]
    assert moves(plan, *there, order(3, 2, S.STALE)) == []
    assert moves(plan, *there, order(3, 2, S.FILLED)) == [(2, "buy", 30, "unwind")]
    assert moves(plan, *there, order(3, 2, S.FILLED), order(4, 2, S.FILLED, purpose=Purpose.UNWIND)) == []


@pytest.mark.parametrize("policy", [TOGETHER, LEG1_FIRST])
def test_a_leg_that_turns_out_to_work_after_the_other_was_traded_back_is_canceled(policy):
    there = [order(1, 1, S.FILLED), order(2, 1, S.FILLED, purpose=Purpose.UNWIND)]
    assert moves(make_plan(policy), *there, order(3, 2, S.ACCEPTED)) == [(3,)]


@pytest.mark.parametrize("policy", [TOGETHER, LEG1_FIRST])
@pytest.mark.parametrize("on_failure", [UNWIND, COMPLETE])
def test_a_leg_that_was_sent_again_and_turns_out_to_be_filled_twice_gives_back_one(policy, on_failure):
    plan = make_plan(policy, on_failure)
    twice = [order(2, 2, S.FILLED), order(3, 2, S.FILLED, purpose=Purpose.COMPLETE)]
    assert moves(plan, order(1, 1, S.FILLED), *twice) == [(2, "buy", 30, "unwind")]
    assert moves(plan, order(1, 1, S.ACCEPTED), *twice) == [], "first it must be known what leg 1 comes to"
    assert moves(make_plan(policy, HOLD), order(1, 1, S.FILLED), *twice) == [], "a person decides"
    too_much = replace(order(2, 2, S.FILLED), filled=D(40))
    assert moves(plan, order(1, 1, S.FILLED), too_much) == [], "what no venue should do is for a person"


@pytest.mark.parametrize("policy", LegPolicy)
def test_what_a_person_cancels_is_not_sent_again_to_complete_it(policy):
    plan = make_plan(policy, COMPLETE)
    ended = order(1, 1, "CANCELED", cancel_requested=True)
    assert moves(plan, ended) == []
    assert moves(plan, ended, order(2, 2, "CANCEL_PENDING", cancel_requested=True)) == []


@pytest.mark.parametrize("policy", LegPolicy)
def test_of_a_pair_that_a_person_cancels_only_the_missing_hedge_is_completed(policy):
    plan = make_plan(policy, COMPLETE)
    first = order(1, 1, "CANCELED", "5", cancel_requested=True)
    second = order(2, 2, "CANCELED", "6", cancel_requested=True)
    assert moves(plan, first, second) == [(2, "sell", 9, "complete")]
    third = order(3, 2, "FILLED", quantity="9", purpose=Purpose.COMPLETE)
    assert moves(plan, first, second, third) == []
    assert Venue(plan, [first, second, third]).told() is SignalStatus.PART_FILLED


def test_a_leg_whose_cancel_was_the_desk_s_own_is_completed_while_the_other_one_works_on():
    plan = make_plan(on_failure=COMPLETE)
    working = order(1, 1, "PARTIALLY_FILLED", "5")
    slow = order(2, 2, "CANCELED", cancel_requested=True)
    assert moves(plan, working, slow) == [(2, "sell", 30, "complete")]


def test_a_follower_closes_the_fraction_that_it_holds_and_goes_on():
    plan = make_plan(LEG1_FIRST, quantities=("16", "15.5"), closes=("0", "10.5"))
    orders = [order(1, 1, "PARTIALLY_FILLED", "10", quantity="16")]
    assert moves(plan, *orders) == [(2, "sell", 10, "signal")]
    orders = [order(1, 1, "PARTIALLY_FILLED", "14", quantity="16"), order(2, 2, "FILLED", quantity="10")]
    assert moves(plan, *orders) == [(2, "sell", D("0.5"), "signal")]
    orders.append(order(3, 2, "FILLED", quantity="0.5"))
    assert moves(plan, *orders) == [(2, "sell", 3, "signal")]  # of 14 there are none but whole ones to be opened
    orders[0] = order(1, 1, "FILLED", quantity="16")
    assert moves(plan, *orders) == [(2, "sell", 5, "signal")]


def test_once_a_failed_follower_is_completed_it_follows_again():
    plan = make_plan(LEG1_FIRST, COMPLETE)
    orders = [order(1, 1, "PARTIALLY_FILLED", "1"), order(2, 2, "REJECTED", quantity="3")]
    orders.append(order(3, 2, "FILLED", quantity="3", purpose=Purpose.COMPLETE))
    for filled in range(2, 11):
        orders[0] = order(1, 1, "FILLED" if filled == 10 else "PARTIALLY_FILLED", str(filled))
        assert moves(plan, *orders) == [(2, "sell", 3, "signal")]
        orders.append(order(2 + filled, 2, "FILLED", quantity="3"))
    assert moves(plan, *orders) == []
    assert [leg.status for leg in leg_states(plan, orders)] == [S.FILLED, S.FILLED]


def test_while_a_follower_is_being_canceled_no_other_one_is_sent():
    plan = make_plan(LEG1_FIRST)
    ending = order(2, 2, "CANCEL_PENDING", "3", quantity="15", cancel_requested=True)
    unsent = order(3, 2, "CANCELED", quantity="15", cancel_requested=True)
    assert moves(plan, order(1, 1, "FILLED"), ending, unsent) == []
    assert moves(plan, order(1, 1, "FILLED"), ending, unsent, timed_out=True) == []


def test_the_larger_leg_is_named_with_what_it_has_too_much():
    plan = make_plan()
    assert imbalance(plan, [order(1, 1, "FILLED"), order(2, 2, "CANCELED", "15")]) == (1, 5)
    assert imbalance(plan, [order(1, 1, "CANCELED", "2"), order(2, 2, "FILLED")]) == (2, 24)
    assert imbalance(plan, [order(1, 1, "CANCELED", "5"), order(2, 2, "CANCELED", "15")]) == (0, 0)


def test_a_reversal_opens_both_legs_at_once_when_both_are_closed():
    plan = make_plan(closes=("4", "12"))
    closing = [order(1, 1, "FILLED", quantity="4"), order(2, 2, "ACCEPTED", quantity="12")]
    assert moves(plan, *closing) == []
    closing[1] = order(2, 2, "FILLED", quantity="12")
    assert moves(plan, *closing) == [(1, "buy", 6, "signal"), (2, "sell", 18, "signal")]
    opening = [order(3, 1, "FILLED", quantity="6"), order(4, 2, "FILLED", quantity="18")]
    assert moves(plan, *closing, *opening) == []
    assert [leg.status for leg in leg_states(plan, [*closing, *opening])] == [S.FILLED, S.FILLED]


def test_a_reversal_whose_opening_fails_on_one_leg_is_traded_back_to_flat_first():
    plan = make_plan(closes=("4", "12"))
    done = [order(1, 1, "FILLED", quantity="4"), order(2, 2, "FILLED", quantity="12")]
    opened = [order(3, 1, "FILLED", quantity="6"), order(4, 2, "REJECTED", quantity="18")]
    assert moves(plan, *done, *opened) == [(1, "sell", 6, "unwind")]
    back = order(5, 1, "FILLED", quantity="6", purpose=Purpose.UNWIND)
    assert moves(plan, *done, *opened, back) == []


def test_a_single_opens_what_it_has_closed_the_other_way():
    plan = LegPlan(side=Side.BUY, quantity=D(10), step=D(1), closes=D(4))
    assert next_part(plan, 1, [order(1, 1, "PARTIALLY_FILLED", "3", quantity="4")]) is None
    closed = order(1, 1, "FILLED", quantity="4")
    assert next_part(plan, 1, [closed]) == Send(1, Side.BUY, D(6), Purpose.SIGNAL, 0)
    assert single_state(plan, 1, [closed]).filled == 4
    assert next_part(plan, 1, [closed, order(2, 1, "UNKNOWN", quantity="6")]) is None
    assert next_part(plan, 1, [closed, order(2, 1, "REJECTED", quantity="6")]) is None
    assert single_state(plan, 1, [closed, order(2, 1, "REJECTED", quantity="6")]).status is S.REJECTED
    assert single_state(plan, 1, [closed, order(2, 1, "FILLED", quantity="6")]).status is S.FILLED
    assert next_part(plan, 1, [order(1, 1, "CANCELED", "3", quantity="4")]) is None


def test_a_hedge_closes_a_fraction_that_is_less_than_a_step():
    follow = LegPlan(side=Side.BUY, quantity=D("0.375"), step=D("0.25"), closes=D("0.125"))
    assert Leg(1, follow, []).part(D("0.125")) == D("0.125")
    assert Leg(1, follow, []).part(D("0.1")) == 0
