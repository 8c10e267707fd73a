"""The contract of all brokers: a leg 2 that follows the fills of leg 1."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import OrderRejected
from domain.enums import Side
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from tests.brokers.contract_venue import BrokerVenue
from tests.support.brokers import find, ref


class AttachedContract:
    """What a broker with `attached_pair_hedge` does with a leg 2."""

    @pytest.fixture
    def attach(self, broker_venue: BrokerVenue) -> Callable[..., OrderReport]:
        """Send leg 2 of an order: 20 shares, two for each share of leg 1."""
        if not broker_venue.broker.capabilities.attached_pair_hedge:
            pytest.skip("the broker does not let an order follow another")

        def send(leg1: str, **overrides: Any) -> OrderReport:
            values = {"quantity": Decimal(20), "side": Side.SELL, "hedge_ratio": Decimal(2), **overrides}
            return broker_venue.broker.submit_order(
                broker_venue.make_request(symbol=broker_venue.second_symbol, attached_to=leg1, **values)
            )

        return send

    def test_leg_2_of_a_working_leg_1_waits_and_is_filled_with_it(
        self, broker_venue: BrokerVenue, attach: Callable[..., OrderReport]
    ):
        broker_venue.will_leave_working()
        leg1 = broker_venue.broker.submit_order(broker_venue.make_request(quantity=Decimal(10)))
        leg2 = attach(leg1.client_order_id)
        assert (leg2.status, leg2.quantity, leg2.fills) == (OrderStatus.ACCEPTED, 20, ())
        broker_venue.fill_rest(leg1.client_order_id)
        done = find(broker_venue.broker, leg2)
        assert done is not None
        assert done.status is OrderStatus.FILLED
        assert sum(fill.quantity for fill in done.fills) == 20

    def test_leg_2_catches_up_with_a_filled_leg_1(self, broker_venue: BrokerVenue, attach: Callable[..., OrderReport]):
        leg1 = broker_venue.broker.submit_order(broker_venue.make_request(quantity=Decimal(10)))
        assert attach(leg1.client_order_id).status is OrderStatus.FILLED

    def test_leg_2_has_the_ratio_of_a_partly_filled_leg_1_and_ends_with_it(
        self, broker_venue: BrokerVenue, attach: Callable[..., OrderReport]
    ):
        broker_venue.will_fill_partly(Decimal(4))
        leg1 = broker_venue.broker.submit_order(broker_venue.make_request(quantity=Decimal(10)))
        leg2 = attach(leg1.client_order_id)
        assert leg2.status is OrderStatus.PARTIALLY_FILLED
        assert sum(fill.quantity for fill in leg2.fills) == 8
        broker_venue.broker.cancel_order(ref(leg1))
        ended = find(broker_venue.broker, leg2)
        assert ended is not None
        assert (ended.status, ended.fills) == (OrderStatus.CANCELED, leg2.fills)

    def test_leg_2_canceled_alone_leaves_leg_1_working(
        self, broker_venue: BrokerVenue, attach: Callable[..., OrderReport]
    ):
        broker_venue.will_leave_working()
        leg1 = broker_venue.broker.submit_order(broker_venue.make_request(quantity=Decimal(10)))
        leg2 = attach(leg1.client_order_id)
        assert broker_venue.broker.cancel_order(ref(leg2)).status is OrderStatus.CANCELED
        assert find(broker_venue.broker, leg1) == leg1
        broker_venue.fill_rest(leg1.client_order_id)
        after = find(broker_venue.broker, leg2)
        assert after is not None
        assert after.fills == ()

    def test_leg_2_of_an_unknown_order_is_refused(self, attach: Callable[..., OrderReport]):
        with pytest.raises(OrderRejected, match="does not exist"):
            attach("never-sent")
