"""Every kind of order that a stock at paper can be registered with is traded there: stops, auctions, extended hours."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import OrderRejected
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.rules.capabilities import CAPABILITIES
from brokers.paper.venue import PaperVenue
from domain.enums import AssetClass, OrderType, Side, TimeInForce
from domain.messages import OrderReport, Trail
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, Clock, found, make_request

D, S, T = Decimal, OrderStatus, TimeInForce
RULES = CAPABILITIES.classes[AssetClass.STOCK]
KINDS = [(kind, time, False) for kind, times in RULES.order_kinds.items() for time in sorted(times)] + [
    (kind, time, True) for kind, times in RULES.extended_kinds.items() for time in sorted(times)
]


def stop(side: Side = Side.BUY, price: str = "105", limit: str | None = None, **more: Any) -> Mapping[str, Any]:
    kind = OrderType.STOP if limit is None else OrderType.STOP_LIMIT
    return {"side": side, "limit": limit, "order_type": kind, "stop_price": D(price), "alert": price, **more}


def prices(report: OrderReport) -> list[Decimal]:
    return [fill.price for fill in report.fills]


@pytest.mark.parametrize(("kind", "time", "extended"), KINDS)
def test_every_kind_that_it_says_it_takes_is_taken(venue: PaperVenue, kind: OrderType, time: T, extended: bool):
    terms: dict[str, Any] = {
        "limit": "100" if kind.has_limit else None,
        "stop_price": D(100) if kind.has_stop else None,
        "trail": Trail(price=D(1)) if kind.has_trail else None,
    }
    request = make_request(**terms | {"order_type": kind, "time_in_force": time, "extended_hours": extended})
    venue.set_quote("AAPL", D(100), D(100))
    report = venue.submit(request)
    if kind.has_trail:  # it waits until the market has turned
        assert report.status is S.ACCEPTED
        venue.set_quote("AAPL", D(101), D(101))
        report = found(venue, report)
    assert (report.status, prices(report)) == (S.FILLED, [D(101) if kind.has_trail else D(100)])


@pytest.mark.parametrize("kind", [OrderType.STOP, OrderType.STOP_LIMIT])
@pytest.mark.parametrize("time", [T.IOC, T.FOK, T.OPG, T.CLS])
def test_others_are_refused_by_name(venue: PaperVenue, kind: OrderType, time: T):
    with pytest.raises(OrderRejected, match=f"{time} is not supported for {kind} orders"):
        venue.submit(make_request(limit="100", order_type=kind, stop_price=D(100), time_in_force=time))


@pytest.mark.parametrize("amount", [None, D(0), D(-1), D("1e-9"), D("NaN"), D(10) ** 12])
def test_a_stop_needs_its_price(venue: PaperVenue, amount: Decimal | None):
    with pytest.raises(OrderRejected, match="stop price must be above 0"):
        venue.submit(make_request(order_type=OrderType.STOP, stop_price=amount))


@pytest.mark.parametrize(
    ("side", "price", "short_of_it", "there"),
    [(Side.BUY, "105", ("104", "104.99"), ("107.5", "108")), (Side.SELL, "95", ("95.01", "96"), ("92", "94"))],
)
def test_a_stop_trades_at_the_market_once_a_quote_has_come_to_it(
    venue: PaperVenue, side: Side, price: str, short_of_it: tuple[str, str], there: tuple[str, str]
):
    order = venue.submit(make_request(**stop(side, price)))
    assert (order.status, order.fills) == (S.ACCEPTED, ())  # the alert's price triggers nothing
    venue.set_quote("AAPL", *map(D, short_of_it))
    assert found(venue, order) == order
    venue.set_quote("AAPL", *map(D, there))
    done = found(venue, order)
    assert (done.status, prices(done)) == (S.FILLED, [D(there[1] if side is Side.BUY else there[0])])
    assert not done.fills[0].synthetic


def test_a_stop_that_the_quote_is_past_already_trades_at_once(venue: PaperVenue):
    venue.set_quote("AAPL", D(109), D(110))
    assert prices(venue.submit(make_request(**stop()))) == [D(110)]


def test_a_stop_limit_stays_triggered_and_waits_for_its_limit(venue: PaperVenue):
    order = venue.submit(make_request(**stop(limit="106")))
    venue.set_quote("AAPL", D(106), D("106.5"))
    assert found(venue, order).status is S.ACCEPTED  # triggered, and beyond the limit
    venue.set_quote("AAPL", D(103), D(104))
    assert prices(found(venue, order)) == [D(104)]


def test_a_limit_that_was_not_triggered_does_not_trade(venue: PaperVenue):
    order = venue.submit(make_request(**stop(limit="106")))
    venue.set_quote("AAPL", D(103), D(104))
    assert found(venue, order).status is S.ACCEPTED


def test_a_stop_for_the_day_ends_with_it_and_counts_against_the_buying_power(venue: PaperVenue, clock: Clock):
    before = venue.account(ACCOUNT).buying_power
    order = venue.submit(make_request(**stop(time_in_force=T.DAY)))
    assert venue.account(ACCOUNT).buying_power == before - 1050
    clock.advance(hours=12)
    assert found(venue, order).status is S.EXPIRED
    assert venue.account(ACCOUNT).buying_power == before
    with pytest.raises(OrderRejected, match="insufficient buying power"):
        venue.submit(make_request(**stop(quantity=D(20_000))))


def test_a_stop_is_filled_by_hand(venue: PaperVenue):
    order = venue.submit(make_request(**stop()))
    venue.set_quote("AAPL", D(99), D(100))
    assert prices(venue.fill_rest(ACCOUNT, order.client_order_id)) == [D(100)]


@pytest.mark.parametrize("part", [D(3), None])
def test_all_at_once_or_nothing(venue: PaperVenue, part: Decimal | None):
    venue.set_quote("AAPL", D(99), D(100))
    if part is not None:
        venue.instruct(Instruction(kind=Kind.PARTIAL, quantity=part))
    order = venue.submit(make_request(time_in_force=T.FOK))
    assert (order.status, len(order.fills)) == ((S.FILLED, 1) if part is None else (S.EXPIRED, 0))
    missed = venue.submit(make_request(time_in_force=T.FOK, limit="99"))
    assert (missed.status, missed.reason) == (S.EXPIRED, "fill or kill")


@pytest.mark.parametrize("time", [T.DAY, T.GTC])
def test_extended_hours_trade_while_the_market_is_closed(venue: PaperVenue, clock: Clock, time: T):
    venue.set_session(False, opens_at=clock.now + timedelta(hours=2))
    venue.set_quote("AAPL", D(99), D(100))
    usual = venue.submit(make_request(limit="100", time_in_force=time))
    early = venue.submit(make_request(limit="100", time_in_force=time, extended_hours=True))
    assert (usual.status, early.status) == (S.ACCEPTED, S.FILLED)
    waits = venue.submit(make_request(limit="98", time_in_force=time, extended_hours=True))
    venue.set_quote("AAPL", D(97), D(98))
    assert found(venue, waits).status is S.FILLED
    clock.advance(hours=2)
    assert found(venue, usual).status is S.FILLED


@pytest.mark.parametrize(("time", "hours"), [(T.OPG, 20), (T.CLS, 4)])
def test_an_order_for_an_auction_waits_for_its_time(venue: PaperVenue, clock: Clock, time: T, hours: int):
    venue.set_session(True, closes_at=clock.now + timedelta(hours=4), opens_at=clock.now + timedelta(hours=20))
    venue.set_quote("AAPL", D(99), D(100))
    order = venue.submit(make_request(time_in_force=time))
    missed = venue.submit(make_request(time_in_force=time, limit="90"))
    clock.advance(hours=hours, seconds=-1)
    venue.set_quote("AAPL", D(100), D(101))
    assert (found(venue, order).status, found(venue, missed).status) == (S.ACCEPTED, S.ACCEPTED)
    clock.advance(seconds=1)
    done, over = found(venue, order), found(venue, missed)
    assert (done.status, prices(done)) == (S.FILLED, [D(101)])
    assert (over.status, over.reason) == (S.EXPIRED, "the opening is over" if time is T.OPG else "the close is over")


@pytest.mark.parametrize(("time", "was_open"), [(T.OPG, False), (T.CLS, True)])
def test_an_auction_is_held_when_the_market_is_opened_or_closed_by_hand(venue: PaperVenue, time: T, was_open: bool):
    venue.set_session(was_open, **({} if not was_open else {"closes_at": venue.now() + timedelta(days=1)}))
    venue.set_quote("AAPL", D(99), D(100))
    order = venue.submit(make_request(time_in_force=time))
    assert order.status is S.ACCEPTED
    venue.set_session(was_open, closes_at=venue.now() + timedelta(days=2))
    assert found(venue, order).status is S.ACCEPTED
    venue.set_session(not was_open, closes_at=venue.now() + timedelta(days=1), opens_at=venue.now() + timedelta(days=2))
    assert found(venue, order).status is S.FILLED
