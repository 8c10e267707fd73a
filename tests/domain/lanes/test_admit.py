"""An order at the moment of sending: what it may close is what is there less what others are about to close."""

from decimal import Decimal
from typing import Any

import pytest

from domain.enums import Purpose, Side
from domain.lanes.admit import Candidate, End, Hold, Send, admit, there
from domain.lanes.values import LaneLeg, Working
from domain.order_status import OrderStatus

S = OrderStatus
D = Decimal


def candidate(side: str = "sell", quantity: int = 10, closes: int = 10) -> Candidate:
    return Candidate(
        order_id=5,
        lane="X",
        symbol="X",
        side=Side(side),
        quantity=D(quantity),
        closes=D(closes),
        purpose=Purpose.SIGNAL,
    )


def other(side: str, rest: int, number: int = 1, **fields: Any) -> Working:
    values = {"signal_id": number, "lane": "X", "symbol": "X", "status": S.ACCEPTED}
    return Working(order_id=number, side=Side(side), rest=D(rest), **{**values, **fields})


def leg(held: int, *working: Working) -> LaneLeg:
    return LaneLeg(symbol="X", held=D(held), working=working)


def sent(quantity: int, closes: int) -> tuple[Decimal, Decimal]:
    return D(quantity), D(closes)


@pytest.mark.parametrize(("held", "quantity"), [(10, 10), (15, 10), (4, 4)])
@pytest.mark.parametrize("side", ["sell", "buy"])
def test_an_exit_closes_at_most_what_is_held(side: str, held: int, quantity: int) -> None:
    answer = admit(candidate(side), leg(held if side == "sell" else -held))
    assert isinstance(answer, Send)
    assert (answer.quantity, answer.closes) == sent(quantity, quantity)
    assert bool(answer.text) is (quantity < 10)


@pytest.mark.parametrize("held", [0, -3])
def test_an_exit_ends_where_nothing_is_held_on_its_side(held: int) -> None:
    assert isinstance(admit(candidate(), leg(held)), End)


def test_an_exit_leaves_to_earlier_exits_what_they_close() -> None:
    answer = admit(candidate(), leg(10, other("sell", 7, is_exit=True)))
    assert isinstance(answer, Send)
    assert answer.quantity == 3
    assert isinstance(admit(candidate(), leg(10, other("sell", 10, is_exit=True))), End)
    later = other("sell", 7, number=6, is_exit=True, status=S.QUEUED)  # made after it, and not sent
    whole = admit(candidate(), leg(10, later))
    assert isinstance(whole, Send)
    assert whole.quantity == 10
    elsewhere = admit(candidate(), leg(10, other("sell", 7, is_exit=True, lane="X-Y")))
    assert isinstance(elsewhere, Send)
    assert elsewhere.quantity == 10


def test_what_a_reversal_opens_is_sent_also_where_less_is_left_to_close() -> None:
    answer = admit(candidate(quantity=25, closes=10), leg(4))
    assert isinstance(answer, Send)
    assert (answer.quantity, answer.closes) == sent(19, 4)


@pytest.mark.parametrize("status", [S.SENDING, S.ACCEPTED, S.CANCEL_PENDING, S.UNKNOWN])
def test_no_order_meets_our_own_on_the_other_side(status: OrderStatus) -> None:
    for lane in ("X", "X-Y"):
        assert isinstance(admit(candidate(), leg(10, other("buy", 5, status=status, lane=lane))), Hold)


def test_one_that_is_not_sent_yet_is_met_by_nothing() -> None:
    assert isinstance(admit(candidate(), leg(10, other("buy", 5, status=S.QUEUED))), Send)


@pytest.mark.parametrize(
    ("closes", "fields", "cancel"),
    [
        (10, {}, (1,)),
        (10, {"is_exit": True}, ()),
        (10, {"purpose": Purpose.UNWIND}, ()),
        (10, {"cancel_requested": True}, ()),
        (0, {}, ()),
    ],
)
def test_only_an_exit_cancels_and_only_an_entry_that_nobody_has_canceled(
    closes: int, fields: dict[str, Any], cancel: tuple[int, ...]
) -> None:
    answer = admit(candidate(closes=closes), leg(10, other("buy", 5, **fields)))
    assert isinstance(answer, Hold)
    assert answer.cancel == cancel


@pytest.mark.parametrize(
    ("held", "difference", "left"),
    [(10, -6, 4), (10, -10, 0), (10, -15, 0), (10, 5, 10), (-10, 6, -4), (-10, 15, 0), (-10, -5, -10), (0, 5, 0)],
)
def test_what_was_sold_by_hand_is_not_there_to_be_closed(held: int, difference: int, left: int) -> None:
    assert there(D(held), D(difference)) == left
