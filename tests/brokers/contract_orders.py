"""The contract of all brokers: orders, fills, holdings."""

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from domain.enums import OrderType, Side
from domain.messages import OrderReport
from domain.order_status import AT_BROKER, CLOSED, TRANSITIONS, OrderStatus
from domain.venue.capabilities import Identity
from tests.brokers.contract_venue import LONG_AGO, BrokerVenue, shares_of
from tests.support.brokers import find, ref


class OrderContract:
    """What becomes of orders, and of those whose answers are lost."""

    def test_a_market_order_is_filled_and_reported_exactly(self, broker_venue: BrokerVenue):
        request = broker_venue.make_request()
        report = broker_venue.trade(request)
        assert report.client_order_id == broker_venue.told(request)
        assert report.symbol == request.symbol
        assert (report.side, report.quantity, report.status) == (
            request.side,
            request.quantity,
            OrderStatus.FILLED,
        )
        assert report.broker_order_id
        assert sum(fill.quantity for fill in report.fills) == request.quantity
        assert all(fill.price > 0 and fill.commission >= 0 and fill.at.tzinfo for fill in report.fills)

    def test_a_look_up_says_what_the_answer_said(self, broker_venue: BrokerVenue):
        report = broker_venue.trade(broker_venue.make_request())
        assert find(broker_venue.broker, report) == report
        assert report in broker_venue.broker.list_orders(LONG_AGO)

    def test_an_order_outlives_its_connection(self, broker_venue: BrokerVenue):
        report = broker_venue.trade(broker_venue.make_request())
        assert find(broker_venue.reconnect(), report) == report

    def test_an_unknown_id_is_absent(self, broker_venue: BrokerVenue):
        assert find(broker_venue.broker, "never-sent") is None

    def test_ids_of_orders_and_executions_are_unique(self, broker_venue: BrokerVenue):
        reports = [broker_venue.trade(broker_venue.make_request()) for _ in range(3)]
        executions = [fill.execution_id for report in reports for fill in report.fills]
        assert len({report.broker_order_id for report in reports}) == 3
        assert len(set(executions)) == len(executions)

    def test_a_repeated_id_is_looked_up_and_never_placed_twice(self, broker_venue: BrokerVenue):
        if broker_venue.broker.capabilities.identity is not Identity.UNIQUE:
            pytest.skip("the broker takes an id twice")
        request = broker_venue.make_request()
        report = broker_venue.trade(request)
        with pytest.raises(OutcomeUnknown):
            broker_venue.broker.submit_order(request)
        assert find(broker_venue.broker, request) == report
        assert len(broker_venue.broker.list_orders(LONG_AGO)) == 1

    def test_orders_that_are_sent_together_get_one_answer_each_in_their_order(self, broker_venue: BrokerVenue):
        broker, make = broker_venue.broker, broker_venue.make_request
        requests = [
            make(),
            make(quantity=Decimal(-1)),
            make(account="somebody-else"),
            make(symbol=broker_venue.second_symbol),
        ]
        answers = broker.submit_orders(requests)
        assert [type(answer) for answer in answers] == [OrderReport, OrderRejected, OrderRejected, OrderReport]
        for request, answer in ((requests[0], answers[0]), (requests[3], answers[3])):
            assert isinstance(answer, OrderReport)
            assert (answer.client_order_id, answer.symbol) == (broker_venue.told(request), request.symbol)
        broker_venue.pass_time(1)
        placed = {report.client_order_id for report in broker.list_orders(LONG_AGO)}
        assert placed == {broker_venue.told(requests[0]), broker_venue.told(requests[3])}
        assert broker.submit_orders([]) == []

    def test_an_id_that_is_sent_twice_together_is_placed_once(self, broker_venue: BrokerVenue):
        if broker_venue.broker.capabilities.identity is not Identity.UNIQUE:
            pytest.skip("the broker takes an id twice")
        request = broker_venue.make_request()
        report, unknown = broker_venue.broker.submit_orders([request, request])
        assert isinstance(report, OrderReport)
        assert isinstance(unknown, OutcomeUnknown)
        assert len(broker_venue.broker.list_orders(LONG_AGO)) == 1

    def test_a_lost_answer_among_several_is_of_one_order(self, broker_venue: BrokerVenue):
        broker_venue.will_lose_the_answer()
        requests = [broker_venue.make_request() for _ in range(2)]
        unknown, report = broker_venue.broker.submit_orders(requests)
        assert isinstance(unknown, OutcomeUnknown)
        assert isinstance(report, OrderReport)
        assert report.client_order_id == broker_venue.told(requests[1])
        broker_venue.pass_time(1)
        assert len(broker_venue.broker.list_orders(LONG_AGO)) == 2

    def test_a_canceled_order_keeps_its_id(self, broker_venue: BrokerVenue):
        if broker_venue.broker.capabilities.identity is not Identity.UNIQUE:
            pytest.skip("the broker takes an id twice")
        broker_venue.will_leave_working()
        request = broker_venue.make_request()
        broker_venue.trade(request)
        broker_venue.broker.cancel_order(ref(request))
        with pytest.raises(OutcomeUnknown):
            broker_venue.broker.submit_order(request)

    def test_a_refusal_is_final_and_carries_the_reason(self, broker_venue: BrokerVenue):
        broker_venue.will_reject("no borrow")
        request = broker_venue.make_request()
        with pytest.raises(OrderRejected, match="no borrow"):
            broker_venue.broker.submit_order(request)
        found = find(broker_venue.broker, request)
        assert found is None or found.status is OrderStatus.REJECTED

    def test_an_order_type_it_does_not_have_is_refused(self, broker_venue: BrokerVenue):
        missing = set(OrderType) - shares_of(broker_venue).order_kinds.keys()
        if not missing:
            pytest.skip("it has them all")
        with pytest.raises(OrderRejected):
            broker_venue.broker.submit_order(broker_venue.make_request(order_type=missing.pop()))

    def test_an_unreachable_venue_has_taken_nothing(self, broker_venue: BrokerVenue):
        broker_venue.will_be_unavailable()
        request = broker_venue.make_request()
        with pytest.raises(BrokerUnavailable) as caught:
            broker_venue.broker.submit_order(request)
        assert caught.value.retry_after > 0
        broker_venue.pass_time(caught.value.retry_after)
        assert find(broker_venue.broker, request) is None
        assert broker_venue.trade(request).status is OrderStatus.FILLED

    def test_a_lost_request_is_unknown_and_absent(self, broker_venue: BrokerVenue):
        broker_venue.will_lose_the_request()
        request = broker_venue.make_request()
        with pytest.raises(OutcomeUnknown):
            broker_venue.broker.submit_order(request)
        assert find(broker_venue.broker, request) is None

    def test_a_lost_answer_is_unknown_and_found(self, broker_venue: BrokerVenue):
        broker_venue.will_lose_the_answer()
        request = broker_venue.make_request()
        with pytest.raises(OutcomeUnknown):
            broker_venue.broker.submit_order(request)
        broker_venue.pass_time(1)
        found = find(broker_venue.broker, request)
        assert found is not None
        assert found.status is OrderStatus.FILLED

    def test_a_late_order_is_absent_and_then_found_once(self, broker_venue: BrokerVenue):
        broker_venue.will_show_it_late(20)
        request = broker_venue.make_request()
        with pytest.raises(OutcomeUnknown):
            broker_venue.broker.submit_order(request)
        assert find(broker_venue.broker, request) is None
        assert broker_venue.broker.list_orders(LONG_AGO) == []
        broker_venue.pass_time(21)
        listed = [report.client_order_id for report in broker_venue.broker.list_orders(LONG_AGO)]
        assert listed == [broker_venue.told(request)]

    def test_a_working_order_is_listed_however_old_it_is(self, broker_venue: BrokerVenue):
        broker_venue.will_leave_working()
        report = broker_venue.trade(broker_venue.make_request())
        assert report.status in AT_BROKER
        broker_venue.pass_time(7200)
        later = report.at + timedelta(hours=1)
        assert report in broker_venue.broker.list_orders(later)
        broker_venue.broker.cancel_order(ref(report))
        broker_venue.pass_time(7200)
        assert broker_venue.broker.list_orders(report.at + timedelta(hours=3)) == []

    def test_a_working_order_can_be_canceled(self, broker_venue: BrokerVenue):
        broker_venue.will_leave_working()
        report = broker_venue.trade(broker_venue.make_request())
        canceled = broker_venue.broker.cancel_order(ref(report))
        assert canceled.status in {OrderStatus.CANCELED, OrderStatus.CANCEL_PENDING}
        assert canceled.status in TRANSITIONS[report.status]
        assert canceled.fills == ()

    def test_a_filled_order_stays_filled_when_canceled(self, broker_venue: BrokerVenue):
        report = broker_venue.trade(broker_venue.make_request())
        assert broker_venue.broker.cancel_order(ref(report)) == report

    def test_a_cancel_of_an_unknown_order_is_refused(self, broker_venue: BrokerVenue):
        with pytest.raises(OrderRejected):
            broker_venue.broker.cancel_order(ref("never-sent"))

    def test_partial_fills_add_up_and_keep_their_ids(self, broker_venue: BrokerVenue):
        broker_venue.will_fill_partly(Decimal(4))
        request = broker_venue.make_request(quantity=Decimal(10))
        first = broker_venue.trade(request)
        assert first.status is OrderStatus.PARTIALLY_FILLED
        assert [fill.quantity for fill in first.fills] == [Decimal(4)]
        broker_venue.fill_rest(request.client_order_id)
        done = find(broker_venue.broker, first)
        assert done is not None
        assert done.status is OrderStatus.FILLED
        assert done.fills[0] == first.fills[0]
        assert sum(fill.quantity for fill in done.fills) == Decimal(10)

    def test_a_partly_filled_order_keeps_its_fill_when_canceled(self, broker_venue: BrokerVenue):
        broker_venue.will_fill_partly(Decimal(4))
        report = broker_venue.trade(broker_venue.make_request(quantity=Decimal(10)))
        canceled = broker_venue.broker.cancel_order(ref(report))
        assert canceled.status in CLOSED | {OrderStatus.CANCEL_PENDING}
        assert canceled.fills == report.fills

    def test_positions_are_signed_and_flat_is_empty(self, broker_venue: BrokerVenue):
        broker = broker_venue.broker
        assert broker.list_positions() == []
        bought = broker_venue.trade(broker_venue.make_request(quantity=Decimal(3)))
        (position,) = broker.list_positions()
        assert (position.symbol, position.quantity) == (bought.symbol, Decimal(3))
        assert position.average_price == bought.fills[0].price
        broker_venue.trade(broker_venue.make_request(quantity=Decimal(3), side=Side.SELL))
        assert broker.list_positions() == []
        if not shares_of(broker_venue).short_selling:
            return
        broker_venue.trade(broker_venue.make_request(quantity=Decimal(2), side=Side.SELL))
        assert [position.quantity for position in broker.list_positions()] == [Decimal(-2)]

    def test_cash_follows_the_fills(self, broker_venue: BrokerVenue):
        before = broker_venue.broker.account()
        report = broker_venue.trade(broker_venue.make_request())
        after = broker_venue.broker.account()
        spent = sum(fill.quantity * fill.price + fill.commission for fill in report.fills)
        assert after.cash == before.cash - spent
        assert (after.account, after.currency) == (before.account, before.currency)
        assert after.at.tzinfo is not None
