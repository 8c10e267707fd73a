"""What the paper venue can be told to do to coming orders."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.placing.context import DuplicateOrderId
from brokers.paper.venue import PaperVenue
from domain.enums import Side, TimeInForce
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, NOON, Clock, make_request, make_settings

D = Decimal
S = OrderStatus
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def found(venue: PaperVenue, client_order_id: str) -> OrderReport:
    report = venue.find(ACCOUNT, client_order_id)
    assert report is not None
    return report


def test_reject_places_nothing_and_leaves_the_id_free(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.REJECT, reason="no borrow"))
    request = make_request()
    with pytest.raises(OrderRejected, match="no borrow"):
        venue.submit(request)
    assert venue.find(ACCOUNT, request.client_order_id) is None
    assert venue.submit(request).status is S.FILLED


def test_unavailable_places_nothing(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.UNAVAILABLE))
    request = make_request()
    with pytest.raises(BrokerUnavailable):
        venue.submit(request)
    assert venue.list(ACCOUNT, LONG_AGO) == []


def test_drop_request_places_nothing(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.DROP_REQUEST))
    with pytest.raises(OutcomeUnknown):
        venue.submit(make_request())
    assert venue.list(ACCOUNT, LONG_AGO) == []


def test_drop_answer_places_the_order(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.DROP_ANSWER))
    request = make_request()
    with pytest.raises(OutcomeUnknown):
        venue.submit(request)
    assert found(venue, request.client_order_id).status is S.FILLED
    with pytest.raises(DuplicateOrderId):
        venue.submit(request)


def test_drop_answer_hides_a_refusal_too(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.DROP_ANSWER))
    with pytest.raises(OutcomeUnknown):
        venue.submit(make_request(alert=None))
    with pytest.raises(OrderRejected, match="no price"):
        venue.submit(make_request(alert=None))


def test_delay_accepts_now_and_fills_when_due(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=20))
    first = venue.submit(make_request())
    assert (first.status, first.fills) == (S.ACCEPTED, ())
    clock.advance(seconds=19)
    venue.set_quote("AAPL", D(50), D(60))
    assert found(venue, first.client_order_id) == first
    venue.set_quote("AAPL", D(70), D(80))
    clock.advance(seconds=5)
    done = found(venue, first.client_order_id)
    assert (done.status, done.at) == (S.FILLED, NOON + timedelta(seconds=24))
    assert [(fill.price, fill.at) for fill in done.fills] == [(D(80), NOON + timedelta(seconds=20))]


READS_AND_WRITES = {
    "list": lambda venue: venue.list(ACCOUNT, LONG_AGO),
    "find": lambda venue: venue.find(ACCOUNT, "other"),
    "positions": lambda venue: venue.positions(ACCOUNT),
    "account": lambda venue: venue.account(ACCOUNT),
    "submit": lambda venue: venue.submit(make_request(symbol="MSFT")),
    "cancel": lambda venue: venue.cancel(ACCOUNT, "working"),
    "set_quote": lambda venue: venue.set_quote("AAPL", D(1), D(2)),
    "drop_quote": lambda venue: venue.drop_quote("AAPL"),
}


@pytest.mark.parametrize("call", READS_AND_WRITES)
def test_any_call_does_what_is_due_at_the_quote_of_that_time(venue: PaperVenue, clock: Clock, call: str):
    venue.set_quote("AAPL", D(99), D(100))
    venue.submit(make_request(client_order_id="working", symbol="IBM", limit="1"))
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=1))
    venue.submit(make_request(client_order_id="due", alert=None))
    clock.advance(seconds=2)
    READS_AND_WRITES[call](venue)
    clock.now = NOON  # so that the look-up itself has nothing to do
    done = found(venue, "due")
    assert [(fill.price, fill.at) for fill in done.fills] == [(D(100), NOON + timedelta(seconds=1))]


def test_what_is_due_shows_in_the_same_answer(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=1), count=3)
    report = venue.submit(make_request())
    clock.advance(seconds=2)
    assert [p.quantity for p in venue.positions(ACCOUNT)] == [10]
    assert venue.account(ACCOUNT).cash == 999_000
    venue.submit(make_request(side=Side.SELL))
    clock.advance(seconds=2)
    assert venue.positions(ACCOUNT) == []
    last = venue.submit(make_request())
    clock.advance(seconds=2)
    assert venue.cancel(ACCOUNT, last.client_order_id).status is S.FILLED
    assert [r.client_order_id for r in venue.list(ACCOUNT, clock.now)] == [last.client_order_id]
    assert report.client_order_id not in [r.client_order_id for r in venue.list(ACCOUNT, clock.now)]


def test_a_position_moved_by_a_due_fill_is_what_a_new_order_adds_to(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=1))
    venue.submit(make_request())
    clock.advance(seconds=2)
    venue.submit(make_request(quantity=D(5)))
    assert [p.quantity for p in venue.positions(ACCOUNT)] == [15]


def test_a_delayed_order_can_be_canceled_before_it_is_due(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=5))
    report = venue.submit(make_request())
    assert venue.cancel(ACCOUNT, report.client_order_id).status is S.CANCELED
    clock.advance(seconds=10)
    assert found(venue, report.client_order_id).fills == ()


def test_a_delay_beyond_the_end_of_the_day_expires(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=86_400))
    report = venue.submit(make_request(time_in_force=TimeInForce.DAY))
    clock.advance(days=2)
    assert (found(venue, report.client_order_id).status, venue.positions(ACCOUNT)) == (S.EXPIRED, [])


def test_partial_fills_a_part_and_a_quote_the_rest(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.PARTIAL, quantity=D("2.5")))
    first = venue.submit(make_request())
    assert (first.status, [fill.quantity for fill in first.fills]) == (S.PARTIALLY_FILLED, [D("2.5")])
    assert [p.quantity for p in venue.positions(ACCOUNT)] == [D("2.5")]
    venue.set_quote("AAPL", D(98), D(99))
    done = found(venue, first.client_order_id)
    assert (done.status, done.fills[0]) == (S.FILLED, first.fills[0])
    assert [(fill.quantity, fill.price) for fill in done.fills[1:]] == [(D("7.5"), D(99))]
    assert venue.account(ACCOUNT).cash == 1_000_000 - 250 - D("742.5")


def test_partial_of_a_limit_order_counts_when_it_trades(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.PARTIAL, quantity=D(4)))
    report = venue.submit(make_request(limit="99"))
    assert report.fills == ()
    for expected in ([4], [4, 6]):
        venue.set_quote("AAPL", D(97), D(98))
        assert [fill.quantity for fill in found(venue, report.client_order_id).fills] == expected


def test_partial_of_more_than_the_order_fills_it(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.PARTIAL, quantity=D(11)))
    report = venue.submit(make_request())
    assert (report.status, report.fills[0].quantity) == (S.FILLED, 10)


def test_partial_of_an_ioc_order_expires_the_rest(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.PARTIAL, quantity=D(4)))
    report = venue.submit(make_request(time_in_force=TimeInForce.IOC))
    assert (report.status, [fill.quantity for fill in report.fills]) == (S.EXPIRED, [D(4)])
    assert found(venue, report.client_order_id) == report


def test_work_leaves_a_market_order_working_until_a_quote(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.WORK))
    report = venue.submit(make_request())
    assert (report.status, report.fills) == (S.ACCEPTED, ())
    venue.set_quote("AAPL", D(98), D(99))
    assert [fill.price for fill in found(venue, report.client_order_id).fills] == [99]


def test_work_of_an_ioc_order_expires_it(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.WORK))
    assert venue.submit(make_request(time_in_force=TimeInForce.IOC)).status is S.EXPIRED


def test_a_working_market_order_whose_quote_is_gone_needs_one(venue: PaperVenue):
    venue.set_quote("AAPL", D(98), D(99))
    venue.instruct(Instruction(kind=Kind.WORK))
    report = venue.submit(make_request(alert=None))
    venue.drop_quote("AAPL")
    with pytest.raises(OrderRejected, match="no price"):
        venue.fill_rest(ACCOUNT, report.client_order_id)
    assert found(venue, report.client_order_id).status is S.ACCEPTED


def test_late_is_invisible_until_it_arrives_and_fills(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.LATE, seconds=25))
    request = make_request()
    with pytest.raises(OutcomeUnknown):
        venue.submit(request)
    clock.advance(seconds=24)
    assert venue.find(ACCOUNT, request.client_order_id) is None
    assert venue.list(ACCOUNT, LONG_AGO) == []
    assert venue.positions(ACCOUNT) == []
    with pytest.raises(OrderRejected, match="no such order"):
        venue.cancel(ACCOUNT, request.client_order_id)
    with pytest.raises(DuplicateOrderId):
        venue.submit(request)
    clock.advance(seconds=1)
    (report,) = venue.list(ACCOUNT, clock.now)
    assert (report.client_order_id, report.status) == (request.client_order_id, S.FILLED)
    assert [p.quantity for p in venue.positions(ACCOUNT)] == [10]


def test_hang_answers_after_the_order_is_placed(paper_url: str):
    waits: list[tuple[float, OrderStatus]] = []
    request = make_request()

    def sleep(seconds: float) -> None:
        waits.append((seconds, found(other, request.client_order_id).status))

    with (
        closing(PaperVenue(make_settings(paper_url))) as other,
        closing(PaperVenue(make_settings(paper_url), sleep=sleep)) as venue,
    ):
        venue.instruct(Instruction(kind=Kind.HANG, seconds=10))
        assert venue.submit(request).status is S.FILLED
        assert waits == [(10.0, S.FILLED)]
        venue.submit(make_request())
        assert len(waits) == 1


def test_each_order_uses_up_the_oldest_instruction_that_fits(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.REJECT, symbol="MSFT", reason="msft"))
    venue.instruct(Instruction(kind=Kind.REJECT, reason="first"), count=2)
    venue.instruct(Instruction(kind=Kind.WORK, symbol="AAPL"))
    outcomes = []
    for symbol in ("AAPL", "AAPL", "AAPL", "MSFT", "MSFT", "AAPL"):
        try:
            outcomes.append(venue.submit(make_request(symbol=symbol)).status.value)
        except OrderRejected as e:
            outcomes.append(str(e))
    assert outcomes == ["first", "first", "ACCEPTED", "msft", "FILLED", "FILLED"]


def test_instructions_are_kept_by_the_store_and_can_be_forgotten(venue: PaperVenue, paper_url: str):
    venue.instruct(Instruction(kind=Kind.REJECT), count=2)
    with closing(PaperVenue(make_settings(paper_url))) as other:
        with pytest.raises(OrderRejected):
            other.submit(make_request())
        other.forget_instructions()
    assert venue.submit(make_request()).status is S.FILLED


def test_a_repeated_id_uses_up_no_instruction(venue: PaperVenue):
    request = make_request()
    venue.submit(request)
    venue.instruct(Instruction(kind=Kind.WORK))
    with pytest.raises(DuplicateOrderId):
        venue.submit(request)
    assert venue.submit(make_request()).status is S.ACCEPTED


@pytest.mark.parametrize(
    "values",
    [
        {"kind": Kind.DELAY},
        {"kind": Kind.LATE, "seconds": -1.0},
        {"kind": Kind.HANG, "seconds": float("nan")},
        {"kind": Kind.PARTIAL},
        {"kind": Kind.PARTIAL, "quantity": D(0)},
        {"kind": Kind.REJECT, "reason": "a\x00"},
        {"kind": Kind.WORK, "symbol": "a\x00"},
    ],
)
def test_an_incomplete_instruction_is_refused(values):
    with pytest.raises(ValueError, match=r"must be"):
        Instruction(**values)


def test_an_instruction_is_for_one_order_at_least(venue: PaperVenue):
    with pytest.raises(ValueError, match="count"):
        venue.instruct(Instruction(kind=Kind.WORK), count=0)


def test_a_cancel_whose_answer_is_lost_is_done(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.CANCEL_DROP_ANSWER))
    report = venue.submit(make_request(limit="99"))
    with pytest.raises(OutcomeUnknown):
        venue.cancel(ACCOUNT, report.client_order_id)
    assert found(venue, report.client_order_id).status is S.CANCELED
    assert venue.cancel(ACCOUNT, report.client_order_id).status is S.CANCELED


def test_a_cancel_that_cannot_reach_the_venue_leaves_the_order_alone(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.CANCEL_UNAVAILABLE))
    report = venue.submit(make_request(limit="99"))
    with pytest.raises(BrokerUnavailable):
        venue.cancel(ACCOUNT, report.client_order_id)
    assert found(venue, report.client_order_id) == report
    assert venue.cancel(ACCOUNT, report.client_order_id).status is S.CANCELED


def test_an_order_may_fill_while_its_cancel_is_on_its_way(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.CANCEL_FILLS))
    report = venue.submit(make_request(limit="99"))
    venue.fill_rest(ACCOUNT, report.client_order_id, D(4))
    filled = venue.cancel(ACCOUNT, report.client_order_id)
    assert (filled.status, [fill.quantity for fill in filled.fills]) == (S.FILLED, [D(4), D(6)])
    assert found(venue, report.client_order_id) == filled
    assert [position.quantity for position in venue.positions(ACCOUNT)] == [10]


def test_an_ended_order_stays_as_it_is_when_its_cancel_was_to_fill_it(venue: PaperVenue):
    report = venue.submit(make_request(limit="99"))
    ended = venue.cancel(ACCOUNT, report.client_order_id)
    venue.instruct(Instruction(kind=Kind.CANCEL_FILLS))
    assert venue.cancel(ACCOUNT, report.client_order_id) == ended


def test_instructions_for_orders_and_for_cancels_do_not_take_each_others(venue: PaperVenue):
    venue.instruct(Instruction(kind=Kind.CANCEL_UNAVAILABLE, symbol="AAPL"))
    venue.instruct(Instruction(kind=Kind.REJECT, reason="no borrow"))
    with pytest.raises(OrderRejected, match="no borrow"):
        venue.submit(make_request())
    venue.instruct(Instruction(kind=Kind.WORK), count=3)
    apple, other, third = (venue.submit(make_request(symbol=symbol)) for symbol in ("AAPL", "MSFT", "AAPL"))
    venue.instruct(Instruction(kind=Kind.REJECT))
    assert venue.cancel(ACCOUNT, other.client_order_id).status is S.CANCELED
    with pytest.raises(OrderRejected, match="no such order"):
        venue.cancel(ACCOUNT, "never-sent")
    with pytest.raises(BrokerUnavailable):
        venue.cancel(ACCOUNT, apple.client_order_id)
    assert venue.cancel(ACCOUNT, third.client_order_id).status is S.CANCELED
    with pytest.raises(OrderRejected, match="as instructed"):
        venue.submit(make_request())
