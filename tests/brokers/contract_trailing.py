"""The contract of all brokers: stops that follow the market."""

from decimal import Decimal

import pytest

from brokers.errors import OrderRejected
from domain.enums import OrderType, Side, TimeInForce
from domain.messages import OrderReport, Trail
from domain.order_status import OrderStatus
from tests.brokers.contract_venue import BrokerVenue, shares_of
from tests.support.brokers import find, ref

D = Decimal
TRAILS = {"percent": Trail(percent=D(10)), "money": Trail(price=D(10))}


def send(venue: BrokerVenue, side: Side, trail: Trail | None) -> OrderReport:
    """Hold 10 at 100 on the other side, then send what closes them behind the market."""
    if OrderType.TRAILING_STOP not in shares_of(venue).order_kinds:
        pytest.skip("it has no trailing stops")
    move(venue, "100")
    assert venue.trade(venue.make_request(side=side.opposite)).status is OrderStatus.FILLED
    terms = {"order_type": OrderType.TRAILING_STOP, "time_in_force": TimeInForce.GTC, "trail": trail}
    return venue.trade(venue.make_request(side=side, **terms))


def move(venue: BrokerVenue, price: str) -> None:
    venue.quote("AAPL", D(price), D(price))
    venue.pass_time(1)


def now(venue: BrokerVenue, order: OrderReport) -> OrderReport:
    found = find(venue.broker, order)
    assert found is not None
    return found


class TrailingContract:
    """A trailing stop keeps its distance from the best price, and never gives way."""

    @pytest.mark.parametrize(
        ("side", "kind", "prices", "fill"),
        [
            (Side.SELL, "percent", ["110", "100", "99.01"], "99"),  # 10 % below 110
            (Side.SELL, "money", ["110", "100.01"], "100"),
            (Side.SELL, "money", ["95", "99", "90.01"], "90"),  # it never follows downwards
            (Side.BUY, "percent", ["80", "87.99"], "88"),
            (Side.BUY, "money", ["105", "80", "89.99"], "90"),
        ],
    )
    def test_it_trades_where_the_market_turns_by_so_much(
        self, broker_venue: BrokerVenue, side: Side, kind: str, prices: list[str], fill: str
    ):
        order = send(broker_venue, side, TRAILS[kind])
        assert order.status is OrderStatus.ACCEPTED
        for price in prices:
            move(broker_venue, price)
            assert now(broker_venue, order).status is OrderStatus.ACCEPTED, price
        move(broker_venue, fill)
        report = now(broker_venue, order)
        assert report.status is OrderStatus.FILLED
        assert [each.price for each in report.fills] == [D(fill)]

    def test_it_can_be_canceled(self, broker_venue: BrokerVenue):
        order = send(broker_venue, Side.SELL, TRAILS["percent"])
        broker_venue.broker.cancel_order(ref(order))
        move(broker_venue, "1")
        report = now(broker_venue, order)
        assert (report.status, report.filled) == (OrderStatus.CANCELED, 0)

    @pytest.mark.parametrize(
        "trail",
        [
            None,
            Trail(),
            Trail(percent=D(1), price=D(1)),
            Trail(percent=D(0)),
            Trail(percent=D(100)),
            Trail(percent=D("NaN")),
            Trail(price=D(-1)),
        ],
        ids=str,
    )
    def test_one_without_a_usable_distance_is_refused(self, broker_venue: BrokerVenue, trail: Trail | None):
        with pytest.raises(OrderRejected, match="trailing stop needs"):
            send(broker_venue, Side.SELL, trail)
