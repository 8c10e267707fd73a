"""Orders that the paper venue takes together: one transaction, each order as if it had come alone."""

from contextlib import closing
from decimal import Decimal

from brokers.paper.broker import BATCH_SIZE, PaperBroker
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.venue import PaperVenue
from domain.enums import Side, TimeInForce
from domain.order_status import OrderStatus
from tests.brokers.paper_support import (
    ACCOUNT,
    Clock,
    ids_of,
    make_request,
    make_settings,
    orders_named,
    outcome_of,
    statements,
)
from tests.support.brokers import find

D = Decimal
S = OrderStatus


def test_a_batch_is_one_commit_and_as_many_statements_as_a_single_order(venue: PaperVenue, broker: PaperBroker):
    broker.submit_orders(orders_named("first", symbol="OTHER"))
    counts = []
    for size in (1, 2, BATCH_SIZE):
        with statements(venue) as found:
            answers = broker.submit_orders([make_request(symbol=f"S{size}-{n}") for n in range(size)])
        assert {outcome_of(answer) for answer in answers} == {"FILLED"}
        assert found.count("COMMIT") == 1
        counts.append(len(found))
    assert counts == [8, 8, 8]  # lock, scene, worth, orders, fills, holdings, cash, commit


def test_the_number_of_statements_is_bounded_whatever_the_orders_need(venue: PaperVenue, broker: PaperBroker):
    broker.submit_orders([make_request(symbol=f"H{n}", quantity=D(1)) for n in range(30)])
    broker.submit_orders([make_request(symbol=f"H{n}", limit="1") for n in range(30)])  # some of them work
    venue.instruct(Instruction(kind=Kind.WORK), 10)
    for n in range(10):
        venue.instruct(Instruction(kind=Kind.PARTIAL, symbol=f"H{n}", quantity=D(1)))
        venue.set_asset(f"H{n + 20}", shortable=False)
        venue.set_quote(f"H{n}", D(99), D(101))
    batch = [make_request(symbol=f"H{n % 30}", side=Side.SELL if n % 3 else Side.BUY, limit="90") for n in range(40)]
    for leg1 in batch[:12]:
        batch.append(make_request(symbol="LEG2", attached_to=leg1.client_order_id, hedge_ratio=D(2)))
    batch += batch[:12]
    assert len(batch) == BATCH_SIZE
    with statements(venue) as found:
        answers = broker.submit_orders(batch)
    assert {outcome_of(answer).partition(":")[0] for answer in answers} >= {"ACCEPTED", "FILLED", "OutcomeUnknown"}
    assert found.count("COMMIT") == 1
    assert len(found) <= 13


def test_more_than_a_batch_takes_is_placed_in_several(venue: PaperVenue, broker: PaperBroker):
    broker.submit_orders(orders_named("a", quantity=D(1)))
    with statements(venue) as found:
        answers = broker.submit_orders([make_request(quantity=D(1)) for _ in range(BATCH_SIZE + 1)])
    assert found.count("COMMIT") == 2
    assert [answer.broker_order_id for answer in answers] == [str(n + 2) for n in range(BATCH_SIZE + 1)]
    assert [position.quantity for position in broker.list_positions()] == [BATCH_SIZE + 2]


def test_the_capabilities_name_the_size_of_a_batch(broker: PaperBroker):
    assert broker.capabilities.batch_size == BATCH_SIZE == 64


def test_each_order_of_one_symbol_moves_what_the_one_before_it_left(venue: PaperVenue, broker: PaperBroker):
    sides = [Side.BUY, Side.BUY, Side.SELL, Side.SELL]
    reports = broker.submit_orders(
        [
            make_request(quantity=D(quantity), alert=alert, side=side)
            for quantity, alert, side in zip((10, 10, 5, 25), ("100", "110", "120", "130"), sides, strict=True)
        ]
    )
    assert [outcome_of(report) for report in reports] == ["FILLED"] * 4
    (position,) = broker.list_positions()
    assert (position.quantity, position.average_price) == (-10, 130)
    account = broker.account()
    assert account.cash == 10**6 - 1000 - 1100 + 600 + 3250
    assert account.equity == account.cash - 1300


def test_orders_are_listed_as_they_stood_in_the_batch(broker: PaperBroker):
    broker.submit_orders(orders_named("dbeac"))
    assert ids_of(broker) == list("dbeac")


def test_an_order_without_a_price_takes_that_of_the_order_before_it(venue: PaperVenue, broker: PaperBroker):
    first, second, third = orders_named("abc", alert=None)
    refused, _, filled = broker.submit_orders([first, make_request(alert="70"), second])
    assert outcome_of(refused) == "OrderRejected: no price"
    assert [fill.price for fill in filled.fills] == [70]
    assert [fill.price for fill in broker.submit_orders([third])[0].fills] == [70]


def test_what_the_first_orders_took_the_next_ones_do_not_have(paper_url: str):
    with closing(PaperVenue(make_settings(paper_url, cash=D(1000), leverage=D(1)))) as venue:
        answers = PaperBroker(venue, ACCOUNT).submit_orders(
            [
                make_request(symbol="A", quantity=D(4)),
                make_request(symbol="B", quantity=D(4), limit="90"),  # works
                make_request(symbol="C", quantity=D(3)),
                make_request(symbol="D", quantity=D(2), side=Side.SELL),
                make_request(symbol="A", quantity=D(4), side=Side.SELL),
                make_request(symbol="C", quantity=D(3)),
            ]
        )
        assert [outcome_of(answer) for answer in answers] == [
            "FILLED",
            "ACCEPTED",
            "OrderRejected: insufficient buying power: needs 300.00, has 240.00",
            "FILLED",
            "FILLED",
            "FILLED",
        ]
        assert venue.account(ACCOUNT).buying_power == 1000 - 360 - 200 - 300


def test_no_more_of_an_unshortable_holding_is_sold_than_there_is(venue: PaperVenue, broker: PaperBroker):
    venue.set_asset("AAPL", shortable=False)
    sale = {"side": Side.SELL, "quantity": D(4)}
    answers = broker.submit_orders(
        [
            *orders_named("a"),
            *orders_named("b", limit="120", **sale),
            *orders_named("c", **sale),
            *orders_named("d", **sale),
            *orders_named("e", symbol="X"),
        ]
    )
    assert [outcome_of(answer) for answer in answers] == [
        "FILLED", "ACCEPTED", "FILLED", "OrderRejected: AAPL cannot be sold short", "FILLED",
    ]  # fmt: skip


def test_both_legs_of_pairs_arrive_together(venue: PaperVenue, broker: PaperBroker):
    venue.instruct(Instruction(kind=Kind.WORK, symbol="W"))
    venue.instruct(Instruction(kind=Kind.LATE, symbol="L", seconds=5))
    legs = {"symbol": "LEG2", "side": Side.SELL, "quantity": D(20), "hedge_ratio": D(2)}
    answers = broker.submit_orders(
        [
            *orders_named("a"), *orders_named("b", attached_to="a", **legs),
            *orders_named("c", symbol="W"), *orders_named("d", attached_to="c", **legs),
            *orders_named("e", attached_to="d", **legs),
            *orders_named("f", attached_to="g", **legs), *orders_named("g"),
            *orders_named("h", symbol="L"), *orders_named("i", attached_to="h", **legs),
        ]
    )  # fmt: skip
    assert [outcome_of(answer) for answer in answers] == [
        "FILLED", "FILLED",
        "ACCEPTED", "ACCEPTED",
        "OrderRejected: attached to an order that is attached itself",
        "OrderRejected: attached to an order that does not exist", "FILLED",
        "OutcomeUnknown: no answer came", "OrderRejected: attached to an order that does not exist",
    ]  # fmt: skip
    venue.fill_rest(ACCOUNT, "c")
    followed = find(broker, "d")
    assert followed is not None
    assert followed.status is S.FILLED


def test_what_fell_due_is_done_before_the_batch(venue: PaperVenue, broker: PaperBroker, clock: Clock):
    venue.set_asset("AAPL", shortable=False)
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=1))
    broker.submit_orders(orders_named("a", time_in_force=TimeInForce.DAY))
    clock.advance(seconds=2)
    reports = broker.submit_orders(orders_named("bc", quantity=D(4), side=Side.SELL))
    assert [outcome_of(report) for report in reports] == ["FILLED"] * 2  # of what the first order has bought
    assert [position.quantity for position in broker.list_positions()] == [2]
    assert broker.account().cash == 10**6 - 200
