"""Buying power that working orders take before they fill, so that it is not given out a second time."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import OrderRejected
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.margin import Resting
from brokers.paper.venue import PaperVenue
from domain.enums import Side
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, Clock, make_request, make_settings, outcome_of

D = Decimal
SELL = {"side": Side.SELL}


@pytest.fixture
def poor(paper_url: str, clock: Clock) -> Iterator[PaperVenue]:
    """A venue whose accounts start with buying power of 1000."""
    with closing(PaperVenue(make_settings(paper_url, cash=D(1000), leverage=D(1)), clock=clock)) as venue:
        yield venue


def power(venue: PaperVenue) -> Decimal:
    return venue.account(ACCOUNT).buying_power


@pytest.mark.parametrize(
    ("held", "side", "quantity", "cost", "reserved"),
    [
        ("0", Side.BUY, "10", "1000", "1000"),
        ("5", Side.BUY, "10", "1000", "1000"),
        ("0", Side.SELL, "10", "1000", "1000"),
        ("5", Side.SELL, "5", "600", "0"),
        ("5", Side.SELL, "10", "600", "0"),  # from long to as much short
        ("5", Side.SELL, "12", "600", "100"),  # two of them, at 50 each
        ("-5", Side.BUY, "13", "100", "23.07692307"),  # three of them, rounded down
        ("7", Side.BUY, "0", "0", "0"),
    ],
)
def test_what_enlarges_a_holding_is_reserved_at_the_average_price(
    held: str, side: Side, quantity: str, cost: str, reserved: str
):
    assert Resting(D(quantity), D(cost)).reserve(D(held), side) == D(reserved)


def test_working_orders_take_the_power_they_will_need(poor: PaperVenue):
    first = poor.submit(make_request(limit="50", alert=None))
    assert power(poor) == 500
    poor.submit(make_request(symbol="MSFT", limit="50", alert=None, **SELL))
    assert power(poor) == 0
    for symbol in ("AAPL", "IBM"):
        with pytest.raises(OrderRejected, match=r"^insufficient buying power: needs 50.00, has 0.00$"):
            poor.submit(make_request(symbol=symbol, quantity=D(1), limit="50"))
    poor.cancel(ACCOUNT, first.client_order_id)
    assert power(poor) == 500
    assert poor.submit(make_request(symbol="IBM", limit="50")).status is OrderStatus.ACCEPTED


def test_what_has_filled_is_held_and_the_rest_still_reserved(poor: PaperVenue):
    report = poor.submit(make_request(limit="50", alert=None))
    poor.fill_rest(ACCOUNT, report.client_order_id, D(4))
    account = poor.account(ACCOUNT)
    assert (account.equity, account.buying_power) == (1000, 1000 - 200 - 300)
    poor.fill_rest(ACCOUNT, report.client_order_id)
    assert power(poor) == 500


def test_an_exit_that_works_takes_nothing_and_needs_nothing(poor: PaperVenue):
    poor.submit(make_request())
    assert power(poor) == 0
    working = poor.submit(make_request(limit="120", **SELL))
    assert (working.status, power(poor)) == (OrderStatus.ACCEPTED, 0)
    assert poor.submit(make_request(**SELL)).status is OrderStatus.FILLED


def test_exits_that_work_together_may_turn_a_holding_but_not_enlarge_it(poor: PaperVenue):
    poor.submit(make_request(quantity=D(5)))
    assert power(poor) == 500
    for limit in ("120", "140"):
        poor.submit(make_request(quantity=D(5), limit=limit, **SELL))
    assert power(poor) == 500
    with pytest.raises(OrderRejected, match=r"needs 520.00, has 500.00$"):
        poor.submit(make_request(quantity=D(4), limit="130", **SELL))
    poor.submit(make_request(quantity=D(2), limit="130", **SELL))
    assert power(poor) == 500 - 2 * 130  # the average of 5 at 120, 5 at 140 and 2 at 130


def test_an_exit_leaves_working_orders_that_now_enlarge_what_is_left(poor: PaperVenue):
    poor.submit(make_request(quantity=D(5)))
    poor.submit(make_request(quantity=D(5), limit="120", **SELL))
    assert poor.submit(make_request(quantity=D(5), **SELL)).status is OrderStatus.FILLED
    assert power(poor) == 1000 - 600


def test_the_two_sides_do_not_make_up_for_each_other(poor: PaperVenue):
    poor.submit(make_request(quantity=D(5), limit="60", alert=None))
    poor.submit(make_request(quantity=D(5), limit="130", alert=None, **SELL))
    assert power(poor) == 1000 - 300 - 650


def test_a_market_order_that_waits_counts_at_what_it_would_pay_now(paper_url: str, clock: Clock):
    settings = make_settings(paper_url, cash=D(1000), leverage=D(1), slippage_bps=D(100))
    with closing(PaperVenue(settings, clock=clock)) as venue:
        venue.instruct(Instruction(kind=Kind.DELAY, seconds=60), count=2)
        venue.submit(make_request(quantity=D(2), alert="50"))
        venue.submit(make_request(symbol="MSFT", quantity=D(1), alert="40", **SELL))
        assert power(venue) == 1000 - 2 * D("50.5") - D("39.6")
        venue.set_quote("AAPL", D(98), D(100))
        assert power(venue) == 1000 - 2 * D(101) - D("39.6")
        venue.drop_quote("AAPL")
        clock.advance(seconds=61)
        account = venue.account(ACCOUNT)
        assert account.buying_power == account.equity - 2 * D("50.5") - D("39.6")


@pytest.mark.parametrize("leg_1_fills", [False, True])
def test_an_order_that_waits_for_something_else_counts_too(poor: PaperVenue, leg_1_fills: bool):
    poor.instruct(Instruction(kind=Kind.WORK))
    first = poor.submit(make_request(quantity=D(1)))
    leg_2: dict[str, Any] = {"symbol": "MSFT", "attached_to": first.client_order_id, "hedge_ratio": D(4), **SELL}
    poor.submit(make_request(quantity=D(4), **leg_2))
    assert power(poor) == 1000 - 100 - 400
    poor.set_session(False)
    poor.submit(make_request(symbol="IBM", quantity=D(2)))
    assert power(poor) == 1000 - 100 - 400 - 200
    if leg_1_fills:
        poor.fill_rest(ACCOUNT, first.client_order_id)
    assert power(poor) == 1000 - 100 - 400 - 200


def test_orders_of_a_batch_see_what_those_before_them_have_reserved(poor: PaperVenue):
    answers = poor.submit_all(
        ACCOUNT,
        [
            make_request(quantity=D(10), limit="60", alert=None),
            make_request(symbol="MSFT", quantity=D(10), limit="60", alert=None, **SELL),
            make_request(quantity=D(5), limit="80", alert=None),
        ],
    )
    assert [outcome_of(answer) for answer in answers] == [
        "ACCEPTED", "OrderRejected: insufficient buying power: needs 600.00, has 400.00", "ACCEPTED",
    ]  # fmt: skip
    assert power(poor) == 0


def test_what_works_in_other_accounts_does_not_count(poor: PaperVenue):
    poor.submit(make_request(account="other", limit="50", alert=None))
    poor.submit(make_request(symbol="MSFT", quantity=D(1)))
    assert power(poor) == 900
