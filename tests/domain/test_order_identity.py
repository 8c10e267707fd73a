"""Which order of ours a broker speaks of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.enums import Side
from domain.messages import OrderRef, OrderReport
from domain.order_identity import assign, is_like
from domain.order_status import OrderStatus

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
A = OrderRef(client_order_id="a", symbol="MA", side=Side.BUY, quantity=Decimal(10), broker_order_id="1", sent_at=NOON)
B = replace(A, client_order_id="b", broker_order_id=None)
REPORT = OrderReport(
    client_order_id="",
    broker_order_id="9",
    symbol="MA",
    side=Side.BUY,
    quantity=Decimal(10),
    status=OrderStatus.ACCEPTED,
    at=NOON,
)


def report(client_order_id: str = "", broker_order_id: str = "9", **more: str) -> OrderReport:
    return replace(REPORT, client_order_id=client_order_id, broker_order_id=broker_order_id, **more)


@pytest.mark.parametrize(
    ("said", "row"),
    [
        (report("a", "1"), 1),
        (report("", "1"), 1),
        (report("b", "1"), 1),  # the broker's id goes before ours
        (report("b", "2"), 2),
        (report("c", "2"), None),
        (report("", "2"), None),
        (report("c", "2", replaces="1"), 1),
        (report("c", "0", replaced_by="1"), 1),
        (report("c", "2", replaces="0"), None),
    ],
)
def test_whose_a_report_is(said: OrderReport, row: int | None) -> None:
    assigned = assign({1: A, 2: B}, [said])
    assert [(found, each.broker_order_id) for found, each in assigned.ours] == (
        [] if row is None else [(row, said.broker_order_id)]
    )
    assert assigned.others == ([said] if row is None else [])
    assert all(each.client_order_id == {1: "a", 2: "b"}[found] for found, each in assigned.ours)


chains = st.permutations([report("x", str(n), replaces=str(n - 1)) for n in range(2, 6)])


@given(chains)
def test_a_chain_of_replacements_is_followed_however_it_is_listed(listed: list[OrderReport]) -> None:
    assert [row for row, _ in assign({1: A, 2: B}, listed).ours] == [1, 1, 1, 1]


some = st.builds(
    report,
    st.sampled_from(["", "a", "b", "c"]),
    st.sampled_from("12345"),
    replaces=st.sampled_from(["", "1", "2", "3"]),
    replaced_by=st.sampled_from(["", "1", "4", "5"]),
)


@given(st.lists(some, max_size=8, unique_by=lambda each: each.broker_order_id))
def test_each_report_goes_to_one_place_and_ends(listed: list[OrderReport]) -> None:
    assigned = assign({1: A, 2: B}, listed)
    assert len(assigned.ours) + len(assigned.others) == len(listed)
    owners = {each.broker_order_id: row for row, each in assigned.ours}
    assert len(owners) == len(assigned.ours)
    assert owners.get("1", 1) == 1
    assert all(each.client_order_id not in ("a", "b") for each in assigned.others)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (REPORT, True),
        (replace(REPORT, sent_at=NOON - MINUTE / 2), True),
        (replace(REPORT, sent_at=NOON - 2 * MINUTE), False),
        (replace(REPORT, sent_at=NOON + timedelta(hours=3)), True),
        (replace(REPORT, symbol="V"), False),
        (replace(REPORT, side=Side.SELL), False),
        (replace(REPORT, quantity=Decimal(11)), False),
        (replace(REPORT, client_order_id="a"), True),
        (replace(REPORT, client_order_id="c"), False),
    ],
)
def test_what_looks_like_an_order(said: OrderReport, expected: bool) -> None:
    assert is_like(A, said, MINUTE) is expected
