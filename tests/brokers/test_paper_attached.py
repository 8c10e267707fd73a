"""Leg 2 of a pair as an order of the paper venue that follows the fills of leg 1."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from brokers.errors import BrokerUnavailable, OrderRejected
from brokers.paper.attached import Lead
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.venue import PaperVenue
from domain.enums import OrderType, Side, TimeInForce
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, NOON, Clock, make_request

D = Decimal
S = OrderStatus


def leg_1(venue: PaperVenue, kind: Kind | None = Kind.WORK, **overrides: Any) -> OrderReport:
    if kind is not None:
        venue.instruct(Instruction(kind=kind, quantity=D(3) if kind is Kind.PARTIAL else None, seconds=60))
    return venue.submit(make_request(**overrides))


def leg_2(venue: PaperVenue, leg1: OrderReport | str, ratio: str | None = "1.5", **overrides: Any) -> OrderReport:
    values = {"symbol": "MSFT", "side": Side.SELL, "quantity": D(15), **overrides}
    attached_to = leg1 if isinstance(leg1, str) else leg1.client_order_id
    return venue.submit(
        make_request(attached_to=attached_to, hedge_ratio=None if ratio is None else D(ratio), **values)
    )


def found(venue: PaperVenue, report: OrderReport) -> OrderReport:
    again = venue.find(ACCOUNT, report.client_order_id)
    assert again is not None
    return again


def quantities(report: OrderReport) -> list[Decimal]:
    return [fill.quantity for fill in report.fills]


@pytest.mark.parametrize(
    ("lead", "ratio", "quantity", "filled", "owed"),
    [
        (Lead(filled=D(0), is_complete=False, is_over=False, step=D(1)), "2", "20", "0", "0"),
        (Lead(filled=D(3), is_complete=False, is_over=False, step=D(1)), "0.5", "5", "0", "2"),  # half to even
        (Lead(filled=D(3), is_complete=False, is_over=False, step=D("0.01")), "0.5", "5", "0", "1.5"),
        (Lead(filled=D(5), is_complete=False, is_over=False, step=D(1)), "0.5", "5", "2", "0"),
        (Lead(filled=D(9), is_complete=False, is_over=False, step=D(1)), "2", "15", "10", "5"),  # its quantity
        (Lead(filled=D(4), is_complete=False, is_over=False, step=D(1)), "1", "10", "7", "0"),  # never negative
        (Lead(filled=D(4), is_complete=False, is_over=True, step=D(1)), "1", "10", "3", "1"),
        (Lead(filled=D(9), is_complete=True, is_over=False, step=D(1)), "0.1", "10", "3", "7"),  # all of it
    ],
)
def test_leg_2_owes_what_the_ratio_calls_for(lead: Lead, ratio: str, quantity: str, filled: str, owed: str):
    assert lead.owes(D(ratio), D(quantity), D(filled)) == D(owed)


def test_each_fill_of_leg_1_fills_leg_2_at_its_own_price(venue: PaperVenue, clock: Clock):
    venue.set_asset("MSFT", quantity_step=D(1))
    first = leg_1(venue)
    second = leg_2(venue, first, alert="40")
    assert (second.status, second.fills) == (S.ACCEPTED, ())
    clock.advance(seconds=1)
    for amount in ("1", "2", "3"):
        venue.fill_rest(ACCOUNT, first.client_order_id, D(amount))
    partly = found(venue, second)
    # 1.5 -> 2, 4.5 -> 4, 9: counted from the whole each time
    assert (partly.status, quantities(partly)) == (S.PARTIALLY_FILLED, [D(2), D(2), D(5)])
    assert {(fill.price, fill.at) for fill in partly.fills} == {(D(40), clock.now)}
    assert partly in venue.list(ACCOUNT, clock.now)
    venue.fill_rest(ACCOUNT, first.client_order_id)
    assert (found(venue, second).status, sum(quantities(found(venue, second)))) == (S.FILLED, 15)
    assert {p.symbol: p.quantity for p in venue.positions(ACCOUNT)} == {"AAPL": 10, "MSFT": -15}
    assert venue.account(ACCOUNT).cash == 1_000_000 - 1000 + 600


def test_both_legs_fill_or_neither_does(venue: PaperVenue):
    first = leg_1(venue)
    second = leg_2(venue, first)
    engine = venue._store._engine
    seen: list[str] = []

    def fail(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO") and "fills" in statement:
            seen.append(statement)
            if len(seen) == 2:
                raise OperationalError(statement, {}, Exception("made up"))

    event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(BrokerUnavailable, match="made up"):
        venue.fill_rest(ACCOUNT, first.client_order_id)
    event.remove(engine, "before_cursor_execute", fail)
    assert (found(venue, first), found(venue, second)) == (first, second)
    assert venue.positions(ACCOUNT) == []


@pytest.mark.parametrize(
    ("kind", "status", "filled"),
    [(None, S.FILLED, "15"), (Kind.PARTIAL, S.PARTIALLY_FILLED, "4.5"), (Kind.WORK, S.ACCEPTED, "0")],
)
def test_leg_2_catches_up_at_once_when_it_arrives(
    venue: PaperVenue, kind: Kind | None, status: OrderStatus, filled: str
):
    second = leg_2(venue, leg_1(venue, kind))
    assert (second.status, sum(quantities(second))) == (status, D(filled))
    assert found(venue, second) == second


def test_leg_2_of_an_ended_leg_1_gets_its_share_and_ends(venue: PaperVenue):
    for kind, shares in ((Kind.PARTIAL, [D("4.5")]), (Kind.WORK, [])):
        first = leg_1(venue, kind)
        venue.cancel(ACCOUNT, first.client_order_id)
        second = leg_2(venue, first)
        assert (second.status, quantities(second)) == (S.CANCELED, shares)
        assert second.reason == "the order it is attached to has ended"


def test_leg_2_ends_with_a_leg_1_that_expires(venue: PaperVenue, clock: Clock):
    first = leg_1(venue, None, limit="90", time_in_force=TimeInForce.DAY)
    second = leg_2(venue, first, time_in_force=TimeInForce.DAY)
    clock.advance(days=1)
    assert found(venue, first).status is S.EXPIRED
    ended = found(venue, second)
    assert (ended.status, ended.at) == (S.CANCELED, clock.now)


def test_a_quote_that_fills_leg_1_fills_leg_2(venue: PaperVenue):
    first = leg_1(venue, None, limit="90")
    second = leg_2(venue, first, alert="40")
    venue.set_quote("MSFT", D(41), D(42))
    assert found(venue, second) == second  # its own quote does not fill it
    venue.set_quote("AAPL", D(88), D(89))
    assert [(fill.quantity, fill.price) for fill in found(venue, second).fills] == [(D(15), D(41))]


def test_both_legs_may_be_of_one_symbol(venue: PaperVenue):
    first = leg_1(venue, None, limit="90")
    second = leg_2(venue, first, symbol="AAPL", quantity=D(10), ratio="1")
    venue.set_quote("AAPL", D(88), D(89))
    assert [found(venue, leg).status for leg in (first, second)] == [S.FILLED, S.FILLED]
    assert venue.positions(ACCOUNT) == []


def test_a_limit_of_leg_2_that_is_missed_is_owed_until_a_quote_crosses_it(venue: PaperVenue):
    venue.set_quote("MSFT", D(39), D(41))
    second = leg_2(venue, leg_1(venue, Kind.PARTIAL), limit="40", order_type=OrderType.LIMIT)
    assert second.status is S.ACCEPTED
    venue.set_quote("MSFT", D("39.5"), D(41))
    assert found(venue, second).fills == ()
    venue.set_quote("MSFT", D("40.5"), D(41))
    assert [(fill.quantity, fill.price) for fill in found(venue, second).fills] == [(D("4.5"), D("40.5"))]


def test_a_delayed_leg_2_follows_when_it_is_due(venue: PaperVenue, clock: Clock):
    first = leg_1(venue)
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=30))
    second = leg_2(venue, first)
    venue.fill_rest(ACCOUNT, first.client_order_id, D(4))
    assert found(venue, second) == second
    clock.advance(seconds=31)
    assert quantities(found(venue, second)) == [D(6)]
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=30))
    third = leg_2(venue, first)
    venue.cancel(ACCOUNT, first.client_order_id)  # the third is owed its share
    assert found(venue, third).status is S.ACCEPTED
    clock.advance(seconds=31)
    assert (found(venue, third).status, quantities(found(venue, third))) == (S.CANCELED, [D(6)])


def test_legs_due_together_are_done_in_their_order(venue: PaperVenue, clock: Clock):
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=30), count=2)
    first = leg_1(venue, None)
    second = leg_2(venue, first)
    clock.advance(seconds=31)
    assert [found(venue, leg).status for leg in (first, second)] == [S.FILLED, S.FILLED]


def test_leg_2_that_follows_a_delayed_leg_1_shows_as_changed_when_it_is_seen(venue: PaperVenue, clock: Clock):
    first = leg_1(venue, Kind.DELAY)
    second = leg_2(venue, first)
    clock.advance(seconds=90)
    done = found(venue, second)
    assert (done.at, done.fills[0].at) == (clock.now, NOON + timedelta(seconds=60))
    assert done in venue.list(ACCOUNT, clock.now)


def test_legs_taken_in_a_closed_session_fill_at_the_opening(venue: PaperVenue, clock: Clock):
    venue.set_session(False, opens_at=NOON + timedelta(hours=1))
    first = leg_1(venue, None)
    second = leg_2(venue, first)
    clock.advance(hours=2)
    assert [found(venue, leg).status for leg in (first, second)] == [S.FILLED, S.FILLED]
    venue.set_session(False, opens_at=clock.now + timedelta(hours=1))
    third = leg_1(venue, None)
    fourth = leg_2(venue, third)
    venue.cancel(ACCOUNT, third.client_order_id)
    assert found(venue, fourth).status is S.CANCELED


def test_leg_2_canceled_alone_stays_canceled(venue: PaperVenue):
    first = leg_1(venue)
    second = leg_2(venue, first)
    venue.fill_rest(ACCOUNT, first.client_order_id, D(2))
    ended = venue.cancel(ACCOUNT, second.client_order_id)
    assert (ended.status, quantities(ended)) == (S.CANCELED, [D(3)])
    venue.fill_rest(ACCOUNT, first.client_order_id)
    assert found(venue, second) == ended


def test_an_ioc_leg_2_waits_as_long_as_leg_1_works(venue: PaperVenue):
    first = leg_1(venue)
    second = leg_2(venue, first, time_in_force=TimeInForce.IOC)
    assert second.status is S.ACCEPTED
    venue.fill_rest(ACCOUNT, first.client_order_id)
    assert found(venue, second).status is S.FILLED


@pytest.mark.parametrize(
    ("leg1", "ratio", "reason"),
    [
        ("never-sent", "1", "attached to an order that does not exist"),
        ("a\x00b", "1", "attached to an order that does not exist"),
        ("leg-1", None, "hedge ratio"),
        ("leg-1", "0", "hedge ratio"),
        ("leg-1", "NaN", "hedge ratio"),
        ("leg-1", "0.000000001", "hedge ratio"),
        ("leg-2", "1", "attached to an order that is attached itself"),
    ],
)
def test_an_impossible_leg_2_is_refused_and_leaves_nothing(
    venue: PaperVenue, leg1: str, ratio: str | None, reason: str
):
    first = leg_1(venue, client_order_id="leg-1")
    second = leg_2(venue, first, client_order_id="leg-2")
    with pytest.raises(OrderRejected, match=reason):
        leg_2(venue, leg1, ratio, client_order_id="refused")
    assert venue.find(ACCOUNT, "refused") is None
    assert found(venue, second) == second


def test_leg_1_of_another_account_is_unknown(venue: PaperVenue):
    first = leg_1(venue, account="other")
    with pytest.raises(OrderRejected, match="does not exist"):
        leg_2(venue, first)


def test_the_whole_leg_2_has_to_be_within_the_buying_power(venue: PaperVenue):
    first = leg_1(venue)
    with pytest.raises(OrderRejected, match="buying power"):
        leg_2(venue, first, quantity=D(20_001))
