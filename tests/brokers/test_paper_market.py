"""Assets, session and blocked accounts of the paper venue: told from outside, and meant."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import OrderRejected
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.market import Session
from brokers.paper.venue import PaperVenue
from domain.enums import Side, TimeInForce
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, NOON, Clock, make_request, make_settings

D = Decimal
S = OrderStatus
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def found(venue: PaperVenue, report: OrderReport) -> OrderReport:
    again = venue.find(ACCOUNT, report.client_order_id)
    assert again is not None
    return again


def test_any_symbol_is_an_asset_without_limits(venue: PaperVenue):
    asset = venue.assets(["AAPL"])["AAPL"]
    assert (asset.tradable, asset.shortable, asset.quantity_step, asset.at) == (True, True, D("0.00000001"), NOON)


def test_what_can_be_no_symbol_is_no_asset_and_has_no_quote(venue: PaperVenue):
    assert set(venue.assets(["AAPL", "", "A\x00"])) == {"AAPL"}
    assert venue.quotes(["", "A\x00"]) == {}


def test_thousands_of_symbols_may_be_asked_for_at_once(venue: PaperVenue):
    symbols = [f"S{n}" for n in range(40_000)]
    venue.set_asset(symbols[-1], tradable=False)
    venue.set_quote(symbols[-1], D(1), D(2))
    assert [symbol for symbol, asset in venue.assets(symbols).items() if not asset.tradable] == [symbols[-1]]
    assert set(venue.quotes(symbols)) == {symbols[-1]}


def test_quotes_keep_their_own_time_and_source(venue: PaperVenue, clock: Clock):
    venue.set_quote("AAPL", D(1), D(2), source="feed", at=NOON - HOUR)
    clock.advance(seconds=5)
    quote = venue.quotes(["AAPL", "MSFT"])["AAPL"]
    assert (quote.source, quote.at, quote.middle) == ("feed", NOON - HOUR, D("1.5"))


def test_what_is_told_is_seen_by_other_connections(venue: PaperVenue, paper_url: str, clock: Clock):
    venue.set_asset("AAPL", tradable=False)
    venue.set_session(False, opens_at=NOON + HOUR)
    venue.block(ACCOUNT, "margin call")
    with closing(PaperVenue(make_settings(paper_url), clock=clock)) as other:
        assert not other.assets(["AAPL"])["AAPL"].tradable
        assert (other.session().is_open, other.session().opens_at) == (False, NOON + HOUR)
        assert other.account(ACCOUNT).blocked == "margin call"
        other.forget_asset("AAPL")
        other.forget_session()
        other.unblock(ACCOUNT)
    assert venue.submit(make_request()).status is S.FILLED


def test_a_block_is_of_one_account_and_lets_cancels_through(venue: PaperVenue):
    working = venue.submit(make_request(limit="99"))
    venue.block(ACCOUNT, "margin call")
    with pytest.raises(OrderRejected, match=r"^the account is blocked: margin call$"):
        venue.submit(make_request())
    assert venue.submit(make_request(account="other")).status is S.FILLED
    assert venue.cancel(ACCOUNT, working.client_order_id).status is S.CANCELED
    assert [report.status for report in venue.list(ACCOUNT, LONG_AGO)] == [S.CANCELED]


def test_an_untradable_symbol_refuses_exits_too(venue: PaperVenue):
    venue.submit(make_request())
    venue.set_asset("AAPL", tradable=False)
    with pytest.raises(OrderRejected, match=r"^AAPL is not tradable$"):
        venue.submit(make_request(side=Side.SELL))
    venue.set_asset("AAPL")
    assert venue.submit(make_request(side=Side.SELL)).status is S.FILLED


def test_what_already_leaves_an_unshortable_holding_cannot_be_sold_again(venue: PaperVenue):
    venue.set_asset("AAPL", shortable=False)
    venue.submit(make_request(quantity=D(10)))
    venue.submit(make_request(quantity=D(6), side=Side.SELL, limit="120"))
    with pytest.raises(OrderRejected, match="cannot be sold short"):
        venue.submit(make_request(quantity=D("4.1"), side=Side.SELL))
    assert venue.submit(make_request(quantity=D(4), side=Side.SELL)).status is S.FILLED
    assert venue.submit(make_request(symbol="MSFT", side=Side.SELL)).status is S.FILLED


@pytest.mark.parametrize(("step", "quantity"), [("1", "0.5"), ("0.01", "1.005"), ("100", "150"), ("0.3", "1")])
def test_a_quantity_between_two_steps_is_refused(venue: PaperVenue, step: str, quantity: str):
    venue.set_asset("AAPL", quantity_step=D(step))
    with pytest.raises(OrderRejected, match=rf"^quantity must be a multiple of {step}$"):
        venue.submit(make_request(quantity=D(quantity)))
    assert venue.submit(make_request(quantity=D(step) * 3)).status is S.FILLED


IMPOSSIBLE: dict[str, Callable[[PaperVenue], None]] = {
    "no symbol": lambda venue: venue.set_asset(""),
    "no step": lambda venue: venue.set_asset("AAPL", quantity_step=D(0)),
    "a step that is no number": lambda venue: venue.set_asset("AAPL", quantity_step=D("NaN")),
    "a step that is too fine": lambda venue: venue.set_asset("AAPL", quantity_step=D("0.000000001")),
    "no reason": lambda venue: venue.block(ACCOUNT, ""),
    "no account": lambda venue: venue.block("", "reason"),
    "no such account": lambda venue: venue.unblock("a\nb"),
    "an opening now": lambda venue: venue.set_session(False, opens_at=NOON),
    "an end in the past": lambda venue: venue.set_session(True, closes_at=NOON - HOUR),
    "no zone": lambda venue: venue.set_session(False, opens_at=datetime(2099, 1, 1)),  # noqa: DTZ001 - the point
    "both at once": lambda venue: venue.set_session(False, opens_at=NOON + HOUR, closes_at=NOON + HOUR),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_the_venue_cannot_be_is_refused_and_changes_nothing(venue: PaperVenue, what: str):
    with pytest.raises(ValueError):
        IMPOSSIBLE[what](venue)
    assert venue.session().is_open
    assert venue.submit(make_request()).status is S.FILLED


@pytest.mark.parametrize(
    ("session", "hours", "is_open", "opens", "closes"),
    [
        (Session(), 5, True, None, None),
        (Session(is_open=False), 5, False, None, None),
        (Session(is_open=False, opens_at=NOON + 2 * HOUR), 1, False, 2, None),
        (Session(is_open=False, opens_at=NOON + 2 * HOUR), 2, True, None, None),
        (Session(is_open=False, opens_at=NOON + 2 * HOUR, closes_at=NOON + 4 * HOUR), 3, True, None, 4),
        (Session(is_open=False, opens_at=NOON + 2 * HOUR, closes_at=NOON + 4 * HOUR), 4, False, None, None),
        (Session(closes_at=NOON + 2 * HOUR, opens_at=NOON + 4 * HOUR), 1, True, 4, 2),
        (Session(closes_at=NOON + 2 * HOUR, opens_at=NOON + 4 * HOUR), 3, False, 4, None),
        (Session(closes_at=NOON + 2 * HOUR, opens_at=NOON + 4 * HOUR), 9, True, None, None),
    ],
)
def test_a_session_changes_by_itself(
    session: Session, hours: int, is_open: bool, opens: int | None, closes: int | None
):
    report = session.report(NOON + hours * HOUR)
    assert (report.is_open, report.opens_at, report.closes_at) == (
        is_open,
        None if opens is None else NOON + opens * HOUR,
        None if closes is None else NOON + closes * HOUR,
    )


@pytest.mark.parametrize("order", [{}, {"limit": "101"}, {"time_in_force": TimeInForce.GTC}])
def test_an_order_waits_for_the_opening_and_fills_as_of_then(venue: PaperVenue, clock: Clock, order: dict[str, Any]):
    venue.set_quote("AAPL", D(99), D(100))
    venue.set_session(False, opens_at=NOON + 2 * HOUR)
    report = venue.submit(make_request(**{"time_in_force": TimeInForce.DAY, **order}))
    assert (report.status, report.fills) == (S.ACCEPTED, ())
    venue.set_quote("AAPL", D(90), D(91))
    clock.advance(minutes=119)
    assert found(venue, report) == report
    assert venue.positions(ACCOUNT) == []
    clock.advance(minutes=31)
    done = found(venue, report)
    assert (done.status, done.at) == (S.FILLED, clock.now)
    assert [(fill.price, fill.at) for fill in done.fills] == [(D(91), NOON + 2 * HOUR)]


def test_an_opening_that_is_put_off_is_waited_for(venue: PaperVenue, clock: Clock):
    venue.set_session(False, opens_at=NOON + HOUR)
    report = venue.submit(make_request())
    venue.set_session(False, opens_at=NOON + 3 * HOUR)
    clock.advance(hours=2)
    assert found(venue, report).status is S.ACCEPTED
    venue.set_session(False)
    clock.advance(hours=48)
    assert found(venue, report).status is S.ACCEPTED
    venue.set_session(True)
    assert found(venue, report).status is S.FILLED


def test_forgetting_the_session_opens_the_market(venue: PaperVenue):
    venue.set_session(False)
    report = venue.submit(make_request())
    venue.forget_session()
    assert found(venue, report).status is S.FILLED
    assert venue.session().is_open


def test_the_day_of_an_order_taken_while_closed_is_that_of_the_opening(venue: PaperVenue, clock: Clock):
    venue.set_session(False, opens_at=NOON + timedelta(days=2))
    report = venue.submit(make_request(limit="99", time_in_force=TimeInForce.DAY))
    clock.advance(days=2, hours=1)
    venue.set_quote("MSFT", D(1), D(2))
    assert found(venue, report).status is S.ACCEPTED
    clock.advance(hours=11)
    ended = found(venue, report)
    assert (ended.status, ended.reason, ended.fills) == (S.EXPIRED, "end of the day", ())


def test_a_day_order_from_before_the_close_ends_with_its_own_day(venue: PaperVenue, clock: Clock):
    report = venue.submit(make_request(limit="99", time_in_force=TimeInForce.DAY))
    venue.set_session(False, opens_at=NOON + timedelta(days=1))
    venue.set_quote("AAPL", D(90), D(91))
    assert found(venue, report).status is S.ACCEPTED
    clock.advance(days=1)
    assert found(venue, report).status is S.EXPIRED


def test_a_quote_in_a_closed_session_fills_working_orders_only_at_the_opening(venue: PaperVenue, clock: Clock):
    crossed, missed = (venue.submit(make_request(limit=limit)) for limit in ("99", "80"))
    venue.set_session(False)
    venue.set_quote("AAPL", D(90), D(91))
    assert [found(venue, report).status for report in (crossed, missed)] == [S.ACCEPTED, S.ACCEPTED]
    venue.set_session(True)
    assert [found(venue, report).status for report in (crossed, missed)] == [S.FILLED, S.ACCEPTED]
    venue.set_quote("AAPL", D(70), D(71))
    assert found(venue, missed).status is S.FILLED


def test_ioc_in_a_closed_session_expires(venue: PaperVenue):
    venue.set_session(False)
    report = venue.submit(make_request(time_in_force=TimeInForce.IOC))
    assert (report.status, report.reason) == (S.EXPIRED, "immediate or cancel")


def test_an_order_that_falls_due_in_a_closed_session_waits_too(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=60))
    delayed = venue.submit(make_request(time_in_force=TimeInForce.DAY))
    venue.set_session(False, opens_at=NOON + HOUR)
    venue.instruct(Instruction(kind=Kind.WORK))
    reports = [delayed, venue.submit(make_request(time_in_force=TimeInForce.DAY))]
    clock.advance(minutes=30)
    assert [found(venue, report).status for report in reports] == [S.ACCEPTED] * 2
    clock.advance(minutes=40)
    assert [found(venue, report).fills[0].at for report in reports] == [NOON + HOUR] * 2


def test_the_market_closes_by_itself(venue: PaperVenue, clock: Clock):
    venue.set_session(True, closes_at=NOON + HOUR, opens_at=NOON + 20 * HOUR)
    assert venue.submit(make_request()).status is S.FILLED
    clock.advance(hours=2)
    report = venue.submit(make_request())
    assert report.status is S.ACCEPTED
    clock.advance(hours=18)
    assert found(venue, report).status is S.FILLED


def test_a_person_may_fill_an_order_by_hand_while_the_market_is_closed(venue: PaperVenue, clock: Clock):
    venue.set_session(False, opens_at=NOON + HOUR)
    report = venue.submit(make_request())
    partly = venue.fill_rest(ACCOUNT, report.client_order_id, D(4))
    assert partly.status is S.PARTIALLY_FILLED
    clock.advance(hours=2)
    assert [fill.quantity for fill in found(venue, report).fills] == [D(4), D(6)]
