"""A pair of which the desk has asked for the end of both legs is not told as broken before both have ended."""

from decimal import Decimal

import pytest

from domain.enums import FailurePolicy, LegPolicy, Purpose, Side
from domain.lanes.leg import LegOrder, LegPlan, PairPlan
from domain.lanes.pair_moves import leg_states
from domain.lanes.roll_up import roll_up
from domain.order_status import OrderStatus

D = Decimal
S = OrderStatus
ASKED, LEFT_ALONE = True, False


def order(leg, status, filled="0", *, asked=ASKED, purpose=Purpose.SIGNAL, side=None, number=None):
    own = Side.BUY if leg == 1 else Side.SELL
    return LegOrder(
        id=number or leg,
        leg=leg,
        side=side or own,
        quantity=D(10 if leg == 1 else 30),
        filled=D(filled),
        status=S(status),
        price=D(50),
        purpose=purpose,
        cancel_requested=asked,
    )


def told(*orders, policy=LegPolicy.TOGETHER, on_failure=FailurePolicy.UNWIND):
    one = LegPlan(side=Side.BUY, quantity=D(10), step=D(1))
    two = LegPlan(side=Side.SELL, quantity=D(30), step=D(1))
    plan = PairPlan(legs=(one, two), policy=policy, on_failure=on_failure)
    return roll_up(Side.BUY, D(-2), D(3), leg_states(plan, orders)).status.value


@pytest.mark.parametrize("policy", LegPolicy)
@pytest.mark.parametrize(
    ("ended", "other", "expected"),
    [
        (order(1, "CANCELED"), order(2, "CANCEL_PENDING"), "created"),
        (order(2, "CANCELED"), order(1, "CANCEL_PENDING"), "created"),
        (order(1, "EXPIRED"), order(2, "CANCEL_PENDING"), "created"),
        (order(1, "CANCELED"), order(2, "SENDING"), "created"),  # its answer comes, and then its end
        (order(1, "DENIED"), order(2, "CANCEL_PENDING"), "created"),  # it was not sent any more
        (order(1, "CANCELED", "5"), order(2, "CANCEL_PENDING", "15"), "part.filled"),
        # It is not known yet what the other one comes to; that takes no longer than legs may be out of balance.
        (order(1, "CANCELED", "5"), order(2, "CANCEL_PENDING"), "part.filled"),
        (order(2, "CANCELED", "15"), order(1, "CANCEL_PENDING"), "part.filled"),
    ],
)
def test_while_both_legs_are_being_ended_nothing_is_wrong(policy, ended, other, expected):
    assert told(ended, other, policy=policy) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (order(1, "CANCELED"), order(2, "CANCELED"), "canceled"),
        (order(1, "CANCELED", "5"), order(2, "CANCELED", "15"), "part.filled"),
        (order(1, "CANCELED", "5"), order(2, "CANCELED"), "critical err"),
        (order(1, "CANCELED"), order(2, "CANCELED", "15"), "critical err"),
        (order(1, "CANCELED"), order(2, "FILLED", "30"), "critical err"),
        (order(1, "FILLED", "10"), order(2, "CANCELED"), "critical err"),
    ],
)
def test_once_both_have_ended_what_is_held_decides(one, two, expected):
    assert told(one, two) == expected


@pytest.mark.parametrize(
    "orders",
    [
        (order(1, "REJECTED", asked=LEFT_ALONE), order(2, "CANCEL_PENDING")),  # the venue has ended it
        (order(1, "CANCELED", asked=LEFT_ALONE), order(2, "CANCEL_PENDING")),
        (order(1, "CANCELED"), order(2, "ACCEPTED", asked=LEFT_ALONE)),  # it goes on working
        (order(1, "CANCELED"), order(2, "PARTIALLY_FILLED", "15", asked=LEFT_ALONE)),
        (order(1, "CANCELED"), order(2, "UNKNOWN")),  # nobody knows whether it is held
        (order(1, "CANCELED"), order(2, "MANUAL")),
    ],
)
def test_it_stays_loud_where_a_leg_was_not_ended_by_the_desk_or_may_be_held(orders):
    assert told(*orders) == "critical err"


def test_it_stays_loud_while_a_leg_is_mended_though_that_is_being_ended_too():
    failed = order(2, "REJECTED", asked=LEFT_ALONE)
    back = order(1, "CANCEL_PENDING", purpose=Purpose.UNWIND, side=Side.SELL, number=3)
    assert told(order(1, "FILLED", "10", asked=LEFT_ALONE), failed, back) == "critical err"
    again = order(2, "CANCEL_PENDING", purpose=Purpose.COMPLETE, number=3)
    first = order(1, "CANCELED", "4")
    assert told(first, failed, again, on_failure=FailurePolicy.COMPLETE) == "critical err"
