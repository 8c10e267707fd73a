"""No order turns an account's position round, whoever else trades in it, and all that was asked for is traded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.enums import Purpose, Side
from domain.lanes.leg import LegOrder, LegPlan
from domain.lanes.pair_moves import next_part, single_state
from domain.lanes.position_reversal import AccountHolding, Parts, replanned, split
from domain.order_status import OrderStatus

D = Decimal
S = OrderStatus
BUY, SELL = Side.BUY, Side.SELL
SIDES = st.sampled_from(Side)
SHARES = st.integers(1, 4000).map(lambda n: D(n) / 4)
HELD = st.integers(-4000, 4000).map(lambda n: D(n) / 4)
WORKING = st.lists(st.tuples(SIDES, SHARES), max_size=3)


@pytest.mark.parametrize(
    ("side", "quantity", "held", "spoken_for", "parts"),
    [
        (SELL, "10", "0", "0", Parts(D(10))),
        (SELL, "10", "25", "0", Parts(D(10))),
        (SELL, "10", "4", "0", Parts(D(4), D(6))),
        (SELL, "10", "4", "1", Parts(D(3), D(7))),
        (SELL, "10", "4", "4", Parts(D(0), D(10))),
        (SELL, "10", "10", "4", Parts(D(6), D(4))),
        (BUY, "10", "-4", "0", Parts(D(4), D(6))),
        (BUY, "10.5", "4", "0", Parts(D("10.5"))),
        (SELL, "5.5", "0", "0", Parts(D(5), lost=D("0.5"))),
        (SELL, "5.5", "-3", "0", Parts(D(5), lost=D("0.5"))),
        (SELL, "0.5", "0", "0", Parts(D(0), lost=D("0.5"))),
        (SELL, "8", "2.5", "0", Parts(D("2.5"), D(5), D("0.5"))),
        (SELL, "5.5", "5.5", "0", Parts(D("5.5"))),
        (BUY, "8", "-3", "0", Parts(D(3), D(5))),
    ],
)
def test_how_an_order_is_sent(side, quantity, held, spoken_for, parts):
    assert split(side, D(quantity), AccountHolding(D(held), D(spoken_for)), D(1)) == parts


def test_only_orders_against_the_holding_speak_for_it():
    working = [(SELL, D(3)), (BUY, D(5)), (SELL, D(1))]
    assert AccountHolding.of(D(9), working).spoken_for == 4
    assert AccountHolding.of(D(-9), working).spoken_for == 5
    assert AccountHolding.of(D(0), working).spoken_for == 0


@given(side=SIDES, quantity=SHARES, held=HELD, working=WORKING, short_step=st.sampled_from([D(1), D("0.25")]))
def test_no_part_crosses_zero_and_nothing_is_lost_but_fractions_that_cannot_be_short(
    side, quantity, held, working, short_step
):
    holding = AccountHolding.of(held, working)
    parts = split(side, quantity, holding, short_step)
    assert parts.now + parts.later + parts.lost == quantity
    assert min(parts.now, parts.later) >= 0
    assert 0 <= parts.lost < short_step
    assert parts.lost == 0 or side is SELL
    if held * side.sign < 0:
        assert parts.now <= max(0, abs(held) - holding.spoken_for)
    elif side is SELL:
        assert parts.now % short_step == 0
    assert parts.must_wait == (parts.now == 0 and parts.later > 0)
    assert split(side, parts.now, holding, short_step) == Parts(parts.now)  # what was split once stays as it is


@given(side=SIDES, quantity=st.integers(1, 400).map(D), held=HELD, others=st.lists(HELD, max_size=4))
def test_whoever_else_trades_no_order_crosses_and_all_of_a_single_is_traded(side, quantity, held, others):
    """Between its orders the account's holding is changed by others, to whatever it may be."""
    step = D(1)
    plan = LegPlan(side=side, quantity=quantity, step=step)
    orders: list[LegOrder] = []
    lost = D(0)
    asked: Decimal | None = quantity
    while asked:
        parts = split(side, asked, AccountHolding(held), step)
        lost += parts.lost
        traded = sum((order.filled for order in orders), D(0))
        plan = replanned(plan, traded, parts, step)
        if not parts.now:
            break
        assert held * side.sign >= 0 or parts.now <= abs(held), "it crosses"
        assert held > 0 or side is BUY or parts.now % step == 0, "a fraction is sold short"
        held += side.sign * parts.now
        orders.append(
            LegOrder(
                id=len(orders) + 1, leg=1, side=side, quantity=parts.now, filled=parts.now, status=S.FILLED,
                price=D(1), purpose=Purpose.SIGNAL,
            )
        )  # fmt: skip
        move = next_part(plan, 1, orders) if plan.closes > 0 else None
        asked = move.quantity if move else None
        if others:
            held += others.pop()
    traded = sum((order.filled for order in orders), D(0))
    # Each time that others leave a fraction on the other side of zero, less than a step is left.
    assert quantity - traded <= lost + step * max(1, len(orders))
    if orders and plan.closes > 0 and traded >= plan.quantity:
        assert single_state(plan, 1, orders).status is S.FILLED
