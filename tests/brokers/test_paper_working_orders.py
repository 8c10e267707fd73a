"""Orders that work at the paper venue: limits, times in force, cancels."""

from contextlib import closing
from decimal import Decimal

import pytest

from brokers.errors import OrderRejected
from brokers.paper.placing.context import DuplicateOrderId
from brokers.paper.venue import PaperVenue
from domain.enums import Side, TimeInForce
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, Clock, found, make_request, make_settings

D = Decimal
S = OrderStatus


@pytest.mark.parametrize(
    ("side", "quotes", "price"),
    [
        (Side.BUY, [("100", "101"), ("99.5", "100.01"), ("98", "99.9")], "99.9"),
        (Side.SELL, [("98", "99"), ("99.99", "101"), ("100.2", "103")], "100.2"),
    ],
)
def test_a_limit_order_works_until_a_quote_crosses_it(
    venue: PaperVenue, clock: Clock, side: Side, quotes: list[tuple[str, str]], price: str
):
    first = venue.submit(make_request(side=side, limit="100", alert=None))
    assert (first.status, first.fills) == (S.ACCEPTED, ())
    for bid, ask in quotes[:-1]:
        venue.set_quote("AAPL", D(bid), D(ask))
        assert found(venue, first) == first
    clock.advance(seconds=1)
    venue.set_quote("MSFT", D("99.99"), D("100"))
    assert found(venue, first) == first
    venue.set_quote("AAPL", D(quotes[-1][0]), D(quotes[-1][1]))
    done = found(venue, first)
    assert (done.status, done.at) == (S.FILLED, clock.now)
    assert [(fill.price, fill.synthetic) for fill in done.fills] == [(D(price), False)]
    assert [position.quantity for position in venue.positions(ACCOUNT)] == [side.sign * 10]
    venue.set_quote("AAPL", D(50), D(200))
    assert found(venue, first) == done


def test_a_quote_fills_the_orders_of_every_account(venue: PaperVenue):
    for account in ("b", "a", "c"):
        venue.submit(make_request(account=account, client_order_id="one", limit="99"))
    venue.set_quote("AAPL", D(97), D(98))
    for account in ("a", "b", "c"):
        report = venue.find(account, "one")
        assert report is not None
        assert report.status is S.FILLED
        assert venue.account(account).cash == 1_000_000 - 980


@pytest.mark.parametrize(
    ("side", "limit", "status"),
    [
        (Side.BUY, "100", S.FILLED),
        (Side.BUY, "99", S.ACCEPTED),
        (Side.SELL, "100", S.FILLED),
        (Side.SELL, "101", S.ACCEPTED),
    ],
)
def test_a_limit_order_without_quote_goes_by_the_alert(venue: PaperVenue, side: Side, limit: str, status: OrderStatus):
    report = venue.submit(make_request(side=side, limit=limit))
    assert report.status is status
    assert [(fill.price, fill.synthetic) for fill in report.fills] == ([(D(limit), True)] if status is S.FILLED else [])


def test_ioc_takes_what_there_is_or_expires(venue: PaperVenue):
    missed = venue.submit(make_request(limit="99", time_in_force=TimeInForce.IOC))
    assert (missed.status, missed.reason, missed.fills) == (S.EXPIRED, "immediate or cancel", ())
    assert found(venue, missed) == missed
    venue.set_quote("AAPL", D(97), D(98))
    assert found(venue, missed).status is S.EXPIRED
    assert venue.submit(make_request(limit="99", time_in_force=TimeInForce.IOC)).status is S.FILLED
    assert venue.submit(make_request(time_in_force=TimeInForce.IOC)).status is S.FILLED


def test_day_orders_end_with_the_day_and_gtc_orders_do_not(venue: PaperVenue, clock: Clock):
    day, gtc = (venue.submit(make_request(limit="99", time_in_force=tif)) for tif in (TimeInForce.DAY, TimeInForce.GTC))
    clock.advance(hours=11, minutes=59)
    assert found(venue, day).status is S.ACCEPTED
    clock.advance(minutes=1)
    ended = found(venue, day)
    assert (ended.status, ended.reason) == (S.EXPIRED, "end of the day")
    assert ended in venue.list(ACCOUNT, clock.now)
    venue.set_quote("AAPL", D(97), D(98))
    assert found(venue, day).status is S.EXPIRED
    assert found(venue, gtc).status is S.FILLED


def test_a_quote_after_the_end_of_the_day_fills_no_day_order(venue: PaperVenue, clock: Clock):
    day = venue.submit(make_request(limit="99", time_in_force=TimeInForce.DAY))
    clock.advance(hours=12)
    venue.set_quote("AAPL", D(97), D(98))
    assert found(venue, day).status is S.EXPIRED


def test_a_canceled_order_is_done_and_its_id_is_used_up(venue: PaperVenue):
    request = make_request(limit="99")
    venue.submit(request)
    canceled = venue.cancel(ACCOUNT, request.client_order_id)
    assert (canceled.status, canceled.reason) == (S.CANCELED, "canceled")
    assert venue.cancel(ACCOUNT, request.client_order_id) == canceled
    venue.set_quote("AAPL", D(97), D(98))
    assert found(venue, canceled) == canceled
    with pytest.raises(DuplicateOrderId, match="must be unique"):
        venue.submit(request)


def test_an_id_is_used_up_across_symbols_and_connections(venue: PaperVenue, paper_url: str):
    request = make_request()
    venue.submit(request)
    with closing(PaperVenue(make_settings(paper_url))) as other, pytest.raises(DuplicateOrderId):
        other.submit(make_request(client_order_id=request.client_order_id, symbol="MSFT"))
    assert venue.account(ACCOUNT).cash == 999_000


def test_a_fill_may_cross_a_cancel(venue: PaperVenue):
    first = venue.submit(make_request(limit="99"))
    venue.cancel(ACCOUNT, first.client_order_id)
    late = venue.fill_rest(ACCOUNT, first.client_order_id, D(4))
    assert (late.status, [fill.quantity for fill in late.fills]) == (S.CANCELED, [D(4)])
    assert late.reason == "canceled"
    done = venue.fill_rest(ACCOUNT, first.client_order_id)
    assert (done.status, [fill.quantity for fill in done.fills]) == (S.FILLED, [D(4), D(6)])
    assert found(venue, first) == done
    assert [position.quantity for position in venue.positions(ACCOUNT)] == [10]


@pytest.mark.parametrize("quantity", [None, "11", "0", "-1", "NaN", "0.000000001"])
def test_no_more_than_the_rest_can_be_filled(venue: PaperVenue, quantity: str | None):
    report = venue.submit(make_request(limit="99" if quantity else None))
    with pytest.raises(OrderRejected, match="left"):
        venue.fill_rest(ACCOUNT, report.client_order_id, None if quantity is None else D(quantity))
    assert found(venue, report) == report


def test_the_rest_is_filled_at_the_quote_or_at_the_limit(venue: PaperVenue):
    first, second = (venue.submit(make_request(limit="99")) for _ in range(2))
    assert [(f.price, f.synthetic) for f in venue.fill_rest(ACCOUNT, first.client_order_id).fills] == [(D(99), True)]
    venue.set_quote("AAPL", D(100), D(101))
    assert [f.price for f in venue.fill_rest(ACCOUNT, second.client_order_id).fills] == [D(99)]
