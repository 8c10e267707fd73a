"""Stops: no entries, working orders canceled, positions closed in a safe order; until a person releases them."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, MarketPosition, Scope, Side, StopLevel
from domain.errors import Conflict, InvalidInput, NotFound
from extensions import db, transaction
from models import JournalEntry, Order, Pair, Signal, Stop
from services.catalog import snapshots
from services.execution import send_orders, stops
from tests.support.desk import Desk, open_desk
from tests.support.factories import TESTER, make_pair, make_stock


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def stop(level: StopLevel, scope: Scope = Scope.DESK, name: str = "") -> int:
    return stops.set_stop(stops.StopForm(level=level, scope=scope, name=name, reason="news"), "user anna").id


def carry_out(desk: Desk) -> Stop:
    for _ in range(6):
        stops.carry_out(desk.brokers, "worker")
        desk.work()
        desk.poll()
    return stops.list_stops()[0]


def held(desk: Desk) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in desk.broker.list_positions()}


def test_a_stop_refuses_entries_and_lets_exits_pass(desk: Desk) -> None:
    desk.alert("LNT", quantity="10")
    desk.work()
    stop(StopLevel.ENTRIES)
    entry = desk.alert("LNT", quantity="5")
    exit_ = desk.alert("LNT", Side.SELL, quantity="10")
    desk.work()
    assert (desk.signal(entry).status, desk.signal(entry).status_reason) == ("canceled", "stopped")
    assert desk.signal(exit_).status == "filled"
    assert held(desk) == {}


def test_a_stop_reaches_an_order_that_was_planned_before_it(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    stop(StopLevel.ENTRIES)
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.sent_at) == ("DENIED", None)
    assert "is in force" in str(order.reason)


@pytest.mark.parametrize(
    ("scope", "name", "refused"),
    [
        (Scope.STOCK, "LNT", {"LNT"}),
        (Scope.PAIR, "MA-V", {"MA-3*V"}),
        (Scope.STOCK, "V", {"MA-3*V"}),  # a stock's stop covers the pairs it is a leg of
        (Scope.ACCOUNT, "paper", {"LNT", "MA-3*V"}),
        (Scope.ACCOUNT, "external", set()),
    ],
)
def test_a_stop_covers_what_it_names(desk: Desk, scope: Scope, name: str, refused: set[str]) -> None:
    stop(StopLevel.ENTRIES, scope, name)
    rowids = {ticker: desk.alert(ticker) for ticker in ("LNT", "MA-3*V")}
    desk.work()
    assert {ticker for ticker, rowid in rowids.items() if desk.signal(rowid).status == "canceled"} == refused


def test_a_name_that_nothing_has_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="no pair is called NO-PE"):
        stop(StopLevel.ENTRIES, Scope.PAIR, "NO-PE")
    with pytest.raises(InvalidInput, match="must be empty for the whole desk"):
        stop(StopLevel.ENTRIES, Scope.DESK, "LNT")
    assert stops.list_stops() == []


def test_release_opens_the_way_again_and_is_on_record(desk: Desk) -> None:
    number = stop(StopLevel.ENTRIES)
    stops.release_stop(number, "calm again", "user ben")
    rowid = desk.alert("LNT")
    desk.work()
    assert desk.signal(rowid).status == "filled"
    with pytest.raises(Conflict, match="was released by user ben before"):
        stops.release_stop(number, "again", "user ben")
    with pytest.raises(NotFound):
        stops.release_stop(99, "what", "user ben")
    done = sa.select(JournalEntry).where(JournalEntry.actor != TESTER.name).order_by(JournalEntry.id)
    entries = db.session.execute(done).scalars().all()
    assert [(entry.actor, entry.action, entry.text) for entry in entries] == [
        ("user anna", "stop entries", "news"),
        ("user ben", "release", "calm again"),
    ]


def test_working_orders_are_canceled_with_both_legs(desk: Desk) -> None:
    for symbol in ("LNT", "MA", "V"):
        desk.tell(Kind.WORK, symbol=symbol)
    single, pair = desk.alert("LNT"), desk.alert("MA-3*V")
    desk.work()
    stop(StopLevel.CANCEL)
    done = carry_out(desk)
    assert {o.status for rowid in (single, pair) for o in desk.orders(rowid)} == {"CANCELED"}
    assert (done.done_at is not None, done.progress) == (True, "no order is left")
    assert [desk.signal(rowid).status for rowid in (single, pair)] == ["canceled", "canceled"]


@pytest.mark.parametrize("on_failure", FailurePolicy)
def test_a_stop_that_ends_both_legs_of_a_pair_sends_neither_again(desk: Desk, on_failure: FailurePolicy) -> None:
    with transaction() as session:
        session.execute(sa.update(Pair).values(on_leg_failure=on_failure))
    desk.tell(Kind.WORK, symbol="V")
    desk.take_single_orders()
    desk.tell(Kind.UNAVAILABLE, symbol="MA")  # leg 1 stays queued, to be sent later
    pair = desk.alert("MA-3*V")
    desk.work()
    assert [o.status for o in desk.orders(pair)] == ["QUEUED", "ACCEPTED"]
    stop(StopLevel.CANCEL)
    stops.carry_out(desk.brokers, "worker")
    assert [o.status for o in desk.orders(pair)] == ["CANCELED", "CANCEL_PENDING"]
    assert desk.signal(pair).status == "created"
    done = carry_out(desk)
    assert (done.progress, desk.signal(pair).status, held(desk)) == ("no order is left", "canceled", {})


def test_a_stop_of_one_stock_leaves_other_orders_alone(desk: Desk) -> None:
    for symbol in ("LNT", "MA", "V"):
        desk.tell(Kind.WORK, symbol=symbol)
    single, pair = desk.alert("LNT"), desk.alert("MA-3*V")
    desk.work()
    stop(StopLevel.CANCEL, Scope.STOCK, "LNT")
    carry_out(desk)
    assert [desk.signal(rowid).status for rowid in (single, pair)] == ["canceled", "created"]


def test_flatten_closes_every_book_the_short_leg_first(desk: Desk) -> None:
    desk.alert("LNT", quantity="10")
    desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert held(desk) == {"LNT": 10, "MA": 20, "V": -60}
    stop(StopLevel.FLATTEN)
    done = carry_out(desk)
    assert held(desk) == {}
    assert (done.done_at is not None, done.progress) == (True, "no position is left")
    closing = db.session.execute(sa.select(Signal).where(Signal.source == "flatten").order_by(Signal.name)).scalars()
    assert [(s.name, s.status) for s in closing] == [("LNT", "filled"), ("MA-V", "filled")]
    orders = db.session.execute(sa.select(Order).where(Order.name == "MA-V").order_by(Order.id)).scalars().all()
    assert [(o.symbol, o.side) for o in orders[2:]] == [("V", "buy"), ("MA", "sell")]


def test_a_stop_is_not_done_while_an_account_that_holds_something_is_not_connected(desk: Desk) -> None:
    desk.alert("LNT", quantity="10")
    desk.work()
    stop(StopLevel.FLATTEN)
    stops.carry_out([], "worker")
    state = stops.list_stops()[0]
    assert (state.done_at, state.progress) == (
        None,
        "LNT: held in account paper, which is not connected; waiting for it",
    )
    assert carry_out(desk).done_at is not None
    assert held(desk) == {}


def test_orders_of_an_account_that_is_not_connected_are_asked_to_end_all_the_same(desk: Desk) -> None:
    desk.tell(Kind.WORK, symbol="LNT")
    desk.alert("LNT", quantity="10")
    desk.work()
    stop(StopLevel.CANCEL)
    stops.carry_out([], "worker")
    state = stops.list_stops()[0]
    assert (state.done_at, state.progress) == (None, "1 order is still to be ended")
    assert db.session.execute(sa.select(Order.status)).scalar_one() == "CANCEL_PENDING"


def test_while_the_short_leg_is_not_covered_the_long_one_stays(desk: Desk) -> None:
    desk.alert("MA-3*V", quantity="20")
    desk.work()
    desk.tell(Kind.REJECT, symbol="V", reason="halted", count=99)
    stop(StopLevel.FLATTEN, Scope.PAIR, "MA-V")
    for _ in range(8):
        carry_out(desk)
        with transaction() as session:
            session.execute(sa.update(Order).where(Order.status == "QUEUED").values(next_at=Order.created_at))
            for signal in session.execute(sa.select(Signal)).scalars():
                signal.received_at -= timedelta(seconds=60)
    assert held(desk) == {"MA": 20, "V": -60}
    state = stops.list_stops()[0]
    assert state.done_at is None
    assert "MA-V" in str(state.progress)


def test_flatten_waits_for_the_cancel_of_what_works(desk: Desk) -> None:
    desk.alert("LNT", quantity="10")
    desk.work()
    desk.tell(Kind.WORK, symbol="LNT")
    desk.tell(Kind.CANCEL_FILLS, symbol="LNT")
    desk.alert("LNT", quantity="5")
    desk.work()
    stop(StopLevel.FLATTEN, Scope.STOCK, "LNT")
    carry_out(desk)
    assert held(desk) == {}  # what the cancel came too late for is closed too


def test_an_exit_that_comes_after_the_flattening_opens_nothing(desk: Desk) -> None:
    desk.alert("LNT", quantity="10")
    desk.work()
    stop(StopLevel.FLATTEN)
    carry_out(desk)
    late = desk.alert("LNT", Side.SELL, quantity="10", position=MarketPosition.FLAT)
    desk.work()
    assert desk.signal(late).status == "canceled"
    assert held(desk) == {}


def test_a_stop_survives_a_restart(desk: Desk, context: Flask) -> None:
    stop(StopLevel.ENTRIES)
    context.extensions.pop("registry", None)  # as a process that has just started
    assert [s.level for s in snapshots.snapshot().stops] == [StopLevel.ENTRIES]
    rowid = desk.alert("LNT")
    desk.work()
    assert desk.signal(rowid).status_reason == "stopped"


def pass_rounds(desk: Desk) -> None:
    """Let a minute pass between the tries to close a position."""
    for _ in range(4):
        stops.carry_out(desk.brokers, "worker")
        desk.work()
        with transaction() as session:
            for signal in session.execute(sa.select(Signal)).scalars():
                signal.received_at -= timedelta(seconds=60)


def test_while_a_closing_order_still_works_no_other_one_is_sent(desk: Desk) -> None:
    desk.alert("LNT", quantity="10")
    desk.work()
    desk.tell(Kind.PARTIAL, symbol="LNT", quantity=Decimal(4))
    stop(StopLevel.FLATTEN)
    pass_rounds(desk)
    assert held(desk) == {"LNT": 6}
    assert "still open" in str(stops.list_stops()[0].progress)
    closing = db.session.execute(sa.select(Order).where(Order.side == "sell")).scalar_one()
    desk.venue.fill_rest("paper", closing.client_order_id)
    desk.poll()
    pass_rounds(desk)
    assert held(desk) == {}
    assert stops.list_stops()[0].progress == "no position is left"


def test_what_is_being_traded_back_is_not_closed_a_second_time(desk: Desk) -> None:
    desk.tell(Kind.REJECT, symbol="V", reason="not shortable")
    desk.alert("MA-3*V", quantity="20")
    claims = desk.plan(ready=True)
    send_orders.send_now(claims or [], desk.brokers, "worker")
    desk.tell(Kind.WORK, symbol="MA")
    desk.work()
    stop(StopLevel.FLATTEN)
    pass_rounds(desk)
    back = db.session.execute(sa.select(Order).where(Order.purpose == "unwind")).scalar_one()
    desk.venue.fill_rest("paper", back.client_order_id)
    desk.poll()
    pass_rounds(desk)
    assert held(desk) == {}
    assert db.session.execute(sa.select(sa.func.count(Order.id))).scalar_one() == 3
