"""What of a report is still to be booked: by executions in any order, and by an order's total at last."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.enums import Side
from domain.exact import EXACT, round8
from domain.executions import is_rest, to_book
from domain.messages import FilledTotal, FillReport, OrderReport
from domain.order_status import OrderStatus

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
D = Decimal


class Booked(NamedTuple):
    execution_id: str
    quantity: Decimal
    price: Decimal
    at: datetime


def make_fill(name: str, quantity: str | Decimal, price: str = "100", second: int = 0) -> FillReport:
    return FillReport(
        execution_id=name,
        quantity=D(quantity),
        price=D(price),
        commission=D(0),
        at=NOON + timedelta(seconds=second),
    )


def make_report(
    *fills: FillReport, total: str | None = None, settled: bool = False, second: int = 10, **more: str
) -> OrderReport:
    return OrderReport(
        client_order_id="ours",
        broker_order_id="theirs",
        symbol="AAPL",
        side=Side.BUY,
        quantity=D(10),
        status=OrderStatus.FILLED,
        at=NOON + timedelta(seconds=second),
        fills=fills,
        total=FilledTotal(quantity=D(total), average_price=D(100), is_settled=settled) if total else None,
        **more,
    )


def book(booked: list[Booked], report: OrderReport) -> list[Booked]:
    return booked + [Booked(f.execution_id, f.quantity, f.price, f.at) for f in to_book(booked, report)]


def sum_of(booked: list[Booked]) -> Decimal:
    total = D(0)
    for fill in booked:
        total = EXACT.add(total, fill.quantity)
    return total


@given(
    st.lists(st.integers(min_value=1, max_value=10**24), max_size=12),
    st.randoms(use_true_random=False),
)
def test_what_is_booked_adds_up_to_the_order_in_whatever_order_executions_show(billionths, chance):
    """Coins trade in steps of nine decimals, and executions of one millisecond come in any order."""
    executions = [make_fill(f"e{at}", D(n).scaleb(-9, EXACT), second=at // 3) for at, n in enumerate(billionths)]
    chance.shuffle(executions)
    booked: list[Booked] = []
    for shown in range(len(executions) + 1):
        booked = book(booked, make_report(*executions[:shown]))
        assert all(0 < fill.quantity == round8(fill.quantity) for fill in booked)
        exact = D(0)
        for execution in executions[:shown]:
            exact = EXACT.add(exact, execution.quantity)
        assert sum_of(booked) == round8(exact)
    assert book(booked, make_report(*executions)) == booked


def test_the_rest_is_booked_by_a_settled_total_alone():
    known = book([], make_report(make_fill("a", 4, "90"), total="10"))
    assert [fill.quantity for fill in known] == [4]
    booked = book(known, make_report(make_fill("a", 4, "90"), total="10", settled=True))
    assert [(fill.quantity, is_rest(fill.execution_id)) for fill in booked] == [(4, False), (6, True)]
    assert booked[1].price == round8((D(1000) - D(360)) / 6)  # the average is what the order says
    assert book(booked, make_report(make_fill("a", 4, "90"), total="10", settled=True)) == booked


@pytest.mark.parametrize("late", [["6"], ["1", "5"], ["2", "2", "2"]])
def test_executions_that_show_after_their_rest_are_not_booked_again(late: list[str]):
    booked = book([], make_report(make_fill("a", 4), total="10", settled=True))
    shown = [make_fill("a", 4)]
    for number, quantity in enumerate(late):
        shown.append(make_fill(f"late{number}", quantity, second=1))
        assert book(booked, make_report(*shown, total="10", settled=True)) == booked


def test_what_is_filled_later_is_booked_beside_a_rest():
    booked = book([], make_report(make_fill("a", 4), total="6", settled=True))
    later = make_fill("c", 4, second=60)
    booked = book(booked, make_report(make_fill("a", 4), later, total="10", second=60))
    assert [fill.quantity for fill in booked] == [4, 2, 4]
    everything = make_report(make_fill("a", 4), make_fill("b", 2, second=1), later, total="10", settled=True, second=60)
    assert book(booked, everything) == booked


def test_a_rest_of_an_order_in_whose_place_another_is_leaves_that_one_its_own():
    old = book([], make_report(make_fill("a", 4), total="4"))
    new = make_report(make_fill("b", 1), total="3", settled=True, replaces="first")
    assert [fill.quantity for fill in book(old, new)] == [4, 1, 2]


def test_a_total_that_is_behind_its_executions_takes_nothing_from_them():
    assert [fill.quantity for fill in to_book([], make_report(make_fill("a", 4), total="2", settled=True))] == [4]
