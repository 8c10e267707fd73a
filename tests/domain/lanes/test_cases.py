"""The table of cases: the state of a lane, what happens, and where it must come to."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.lanes.values import Kind
from domain.order_status import OrderStatus
from tests.domain.lanes.desk_model import Desk, SimOrder

S = OrderStatus
D = Decimal
OTHER = {"buy": "sell", "sell": "buy"}


@pytest.fixture(params=["long", "short"])
def way(request: pytest.FixtureRequest) -> str:
    """Return the direction that a case is played in; each holds for both."""
    return str(request.param)


def opening(way: str) -> str:
    return "buy" if way == "long" else "sell"


def closing(way: str) -> str:
    return OTHER[opening(way)]


def size(way: str, number: object) -> Decimal:
    return D(str(number)) if way == "long" else -D(str(number))


def resting(desk: Desk, way: str, quantity: int = 10) -> SimOrder:
    """Let an entry rest at the venue, unfilled."""
    desk.alert("X", opening(way), quantity, bound=size(way, quantity), previous=D(0), is_market=False)
    order = desk.orders[-1]
    desk.accept(order)
    return order


def holding(way: str, quantity: int = 10) -> Desk:
    desk = Desk()
    desk.alert("X", opening(way), quantity, bound=size(way, quantity), previous=D(0))
    desk.fill(desk.orders[-1])
    assert desk.position("X") == (size(way, quantity),)
    return desk


def fill_all(desk: Desk) -> None:
    """Let the venue do all that is asked of it: cancels, then fills."""
    for _ in range(20):
        for order in desk.open():
            if order.status is S.CANCEL_PENDING:
                desk.end(order)
            else:
                desk.accept(order)
                desk.fill(order)


def to_flat(desk: Desk, way: str, quantity: int = 10):
    return desk.alert("X", closing(way), quantity, bound=D(0), previous=size(way, quantity))


def test_an_exit_cancels_a_resting_entry_and_opens_nothing(way: str) -> None:
    desk = Desk()
    entry = resting(desk, way)
    leaving = to_flat(desk, way)
    assert entry.status is S.CANCEL_PENDING
    assert leaving.status == "waiting"
    assert "end of order 1" in leaving.reason
    desk.end(entry)
    assert (leaving.status, desk.position("X"), desk.open()) == ("canceled", (D(0),), [])
    assert "nothing to close" in leaving.reason


@pytest.mark.parametrize("more", [0, 3, 6])
def test_an_exit_closes_what_is_held_when_its_entry_has_ended(way: str, more: int) -> None:
    desk = Desk()
    entry = resting(desk, way)
    desk.fill(entry, 4)
    to_flat(desk, way)
    desk.fill(entry, more)  # on its way when the cancel was asked for
    desk.end(entry)
    assert [order.quantity for order in desk.open()] == [4 + more]
    fill_all(desk)
    assert desk.position("X") == (D(0),)


@pytest.mark.parametrize("becomes", ["absent", "accepted", "filled"])
def test_an_exit_waits_for_an_outcome_that_is_not_known(way: str, becomes: str) -> None:
    desk = Desk()
    desk.alert("X", opening(way), 10, bound=size(way, 10), previous=D(0))
    entry = desk.orders[0]
    desk.lose(entry)
    leaving = to_flat(desk, way)
    desk.tick(60)
    assert leaving.status == "waiting"
    assert "not known" in leaving.reason
    if becomes == "absent":
        desk.end(entry, S.REJECTED)
    elif becomes == "accepted":
        desk.accept(entry)
        assert entry.status is S.CANCEL_PENDING
        desk.end(entry)
    else:
        desk.fill(entry)
    fill_all(desk)
    assert desk.position("X") == (D(0),)


def test_a_second_exit_finds_nothing_left_and_names_the_first(way: str) -> None:
    desk = holding(way)
    first = to_flat(desk, way)
    second = to_flat(desk, way)
    assert second.status == "canceled"
    assert f"signal {first.id} is closing it" in second.reason
    fill_all(desk)
    assert desk.position("X") == (D(0),)


def test_an_entry_waits_for_the_end_of_an_exit(way: str) -> None:
    desk = holding(way)
    to_flat(desk, way)
    again = desk.alert("X", opening(way), 10, bound=size(way, 10), previous=D(0))
    assert again.status == "waiting"
    assert len(desk.open()) == 1
    fill_all(desk)
    assert desk.position("X") == (size(way, 10),)


def test_an_entry_on_the_other_side_waits_for_the_end_of_an_exit_too(way: str) -> None:
    desk = holding(way)
    to_flat(desk, way)
    turned = desk.alert("X", closing(way), 5, bound=-size(way, 5), previous=D(0))
    assert turned.status == "waiting"
    assert "closes the position first" in turned.reason
    fill_all(desk)
    assert desk.position("X") == (-size(way, 5),)


def test_a_reversal_closes_and_opens(way: str) -> None:
    desk = holding(way)
    desk.alert("X", closing(way), 20, bound=-size(way, 10), previous=size(way, 10))
    order = desk.orders[-1]
    assert (order.quantity, order.closes) == (20, 10)
    fill_all(desk)
    assert desk.position("X") == (-size(way, 10),)


def test_a_reversal_waits_for_an_entry_whose_fill_is_not_booked_yet(way: str) -> None:
    desk = Desk()
    desk.alert("X", opening(way), 10, bound=size(way, 10), previous=D(0))
    entry = desk.orders[0]
    desk.accept(entry)
    desk.tick("0.05")
    turning = desk.alert("X", closing(way), 20, bound=-size(way, 10), previous=size(way, 10))
    assert (turning.status, entry.cancel_requested) == ("waiting", False)
    desk.fill(entry)
    fill_all(desk)
    assert desk.position("X") == (-size(way, 10),)


def test_an_entry_to_the_market_that_does_not_fill_is_canceled_for_a_reversal(way: str) -> None:
    desk = Desk()
    desk.alert("X", opening(way), 10, bound=size(way, 10), previous=D(0))
    desk.accept(desk.orders[0])
    desk.alert("X", closing(way), 20, bound=-size(way, 10), previous=size(way, 10))
    desk.tick(1)
    assert desk.orders[0].status is S.CANCEL_PENDING
    fill_all(desk)
    assert desk.position("X") == (-size(way, 10),)


def test_a_lost_reversal_never_makes_the_next_one_add(way: str) -> None:
    desk = holding(way)
    for _ in range(2):
        late = desk.alert("X", opening(way), 20, bound=size(way, 10), previous=-size(way, 10))
        assert (late.status, late.reason) == ("canceled", f"X is already {way} 10.")
        assert any(note.is_warning for note in late.notes)
    assert desk.position("X") == (size(way, 10),)


def test_a_part_exit_of_a_lost_entry_closes_nothing(way: str) -> None:
    desk = Desk()
    late = desk.alert("X", closing(way), 5, bound=size(way, 5), previous=size(way, 10))
    assert (late.status, desk.orders) == ("canceled", [])
    assert any(note.is_warning for note in late.notes)


@pytest.mark.parametrize(("to_target", "right"), [(False, 5), (True, 15)])
def test_an_addition_to_a_lost_entry_is_as_the_sizing_says(way: str, to_target: bool, right: int) -> None:
    desk = Desk()
    how = {"bound": size(way, 15), "previous": size(way, 10), "to_target": to_target}
    adding = desk.alert("X", opening(way), 5, **how)
    assert any(note.is_warning for note in adding.notes)
    fill_all(desk)
    assert desk.position("X") == (size(way, right),)


def test_an_alert_without_a_position_is_traded_as_it_says(way: str) -> None:
    desk = holding(way)
    desk.alert("X", closing(way), 10)
    fill_all(desk)
    assert desk.position("X") == (D(0),)
    desk.alert("X", closing(way), 10)
    fill_all(desk)
    assert desk.position("X") == (-size(way, 10),)


def test_an_exit_passes_a_held_entry_and_ends_it(way: str) -> None:
    desk = holding(way)
    held = desk.alert("X", opening(way), 5, bound=size(way, 15), previous=size(way, 10), held=True)
    later = desk.alert("X", opening(way), 5, bound=size(way, 20), previous=size(way, 15))
    assert later.status == "waiting"
    assert f"signal {held.id} comes first" in later.reason
    to_flat(desk, way)
    assert held.status == later.status == "canceled"
    fill_all(desk)
    assert desk.position("X") == (D(0),)


def test_quick_alerts_come_to_the_position_of_the_last(way: str) -> None:
    desk = Desk()
    for _ in range(2):
        desk.alert("X", opening(way), 10, bound=size(way, 10), previous=D(0))
        desk.tick("0.02")
        to_flat(desk, way)
        desk.tick("0.02")
    fill_all(desk)
    assert desk.position("X") == (D(0),)
    assert all(signal.status in ("planned", "canceled") for signal in desk.signals)


def test_an_exit_of_a_pair_ends_both_legs_of_its_entry_first() -> None:
    desk = Desk({"A-C": D(2)})
    desk.alert("A-C", "buy", 5, bound=D(5), previous=D(0), is_market=False)
    first, second = desk.orders
    desk.accept(first)
    desk.accept(second)
    desk.fill(second, 4)
    desk.alert("A-C", "sell", 5, bound=D(0), previous=D(5))
    assert first.status is second.status is S.CANCEL_PENDING
    desk.end(first)
    assert len(desk.orders) == 2
    desk.end(second)
    fill_all(desk)
    assert desk.position("A-C") == (D(0), D(0))


def test_a_part_exit_of_a_pair_closes_in_proportion_to_what_is_held() -> None:
    desk = Desk({"A-C": D("0.37")}, step=D("0.01"))
    desk.alert("A-C", "buy", 3, bound=D(3), previous=D(0))
    fill_all(desk)
    assert desk.position("A-C") == (D(3), D("-1.11"))
    desk.step = D(1)
    desk.alert("A-C", "sell", 1, bound=D(2), previous=D(3))
    assert [(order.symbol, order.quantity) for order in desk.open()] == [("A", 1)]
    fill_all(desk)
    desk.alert("A-C", "sell", 2, bound=D(0), previous=D(2))
    fill_all(desk)
    assert desk.position("A-C") == (D(0), D(0))


def test_a_pair_turns_round_both_legs() -> None:
    desk = Desk({"A-C": D("1.5")})
    desk.alert("A-C", "buy", 4, bound=D(4), previous=D(0))
    fill_all(desk)
    desk.alert("A-C", "sell", 8, bound=D(-4), previous=D(4))
    assert [(order.side, order.quantity, order.closes) for order in desk.open()] == [("sell", 8, 4), ("buy", 12, 6)]
    fill_all(desk)
    assert desk.position("A-C") == (D(-4), D(6))


def test_an_exit_closes_a_leg_that_was_left_alone() -> None:
    desk = Desk({"A-C": D(1)})
    desk.held["A-C", "C"] = D(-7)
    desk.alert("A-C", "sell", 7, bound=D(0), previous=D(7))
    fill_all(desk)
    assert desk.position("A-C") == (D(0), D(0))


def test_a_flatten_closes_whatever_is_held(way: str) -> None:
    desk = Desk()
    entry = resting(desk, way)
    desk.fill(entry, 3)
    desk.alert("X", opening(way), 1, closes_all=True)
    fill_all(desk)
    assert (desk.position("X"), desk.open()) == ((D(0),), [])


def test_an_order_never_meets_our_own_on_the_other_side(way: str) -> None:
    desk = holding(way)
    adding = desk.alert("X-Y", opening(way), 5, bound=size(way, 5), previous=D(0), is_market=False)
    order = next(order for order in desk.open() if order.symbol == "X")
    desk.accept(order)
    to_flat(desk, way)
    assert order.status is S.CANCEL_PENDING
    assert not [other for other in desk.open("X") if other.symbol == "X"]
    desk.end(order)
    fill_all(desk)
    assert desk.position("X") == (D(0),)
    assert adding.status == "planned"


def test_a_flat_alert_waits_for_a_reversal_that_waits_ahead_of_it(way: str) -> None:
    desk = Desk()
    entry = resting(desk, way, 5)
    desk.alert("X", closing(way), 10, bound=size(way, -5), previous=size(way, 5), is_market=False)
    desk.alert("X", opening(way), 10, bound=size(way, 5), previous=size(way, -5), is_market=False)
    flat = desk.alert("X", closing(way), 5, bound=D(0), previous=size(way, 5))
    assert flat.status == "waiting"
    desk.end(entry)
    fill_all(desk)
    assert desk.position("X") == (D(0),)


@pytest.mark.parametrize("targets", [(-10, 5, -5), (-15, -10, -15, -5), (10, -10, 10, 3), (5, 15, 5, 10)])
def test_alerts_that_overtake_each_other_come_to_the_position_of_the_last(way: str, targets: tuple[int, ...]) -> None:
    desk, before = Desk(), D(0)
    for target in (size(way, number) for number in targets):
        side = "buy" if target > before else "sell"
        desk.alert("X", side, abs(target - before), bound=target, previous=before)
        before = target
    fill_all(desk)
    assert desk.position("X") == (before,)


def test_an_entry_waits_until_a_reversal_has_closed_what_was_held(way: str) -> None:
    desk = holding(way)
    desk.alert("X", closing(way), 20, bound=size(way, -10), previous=size(way, 10))
    reversal = desk.orders[-1]
    more = desk.alert("X", closing(way), 5, bound=size(way, -15), previous=size(way, -10))
    desk.fill(reversal, 4)
    assert (more.status, desk.position("X")) == ("waiting", (size(way, 6),))
    desk.end(reversal, S.REJECTED)  # what it has not closed is still held
    fill_all(desk)
    assert (desk.position("X"), more.kind) == ((size(way, 1),), Kind.EXIT)
