"""In step with the broker: what the comparison of both books finds, and what it never does."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.errors import BrokerUnavailable
from brokers.paper.instructions import Kind
from domain.enums import AssetClass, OrderType, Side, TimeInForce
from domain.errors import Conflict, NotFound
from domain.messages import FillReport, Found, OrderReport, OrderRequest, PositionReport
from domain.order_status import OrderStatus
from extensions import database_time, transaction
from models import AccountState, Fill, ForeignOrder, Order, OrderEvent, Position, PositionDifference, Signal
from services.broker_state import account_state
from services.execution import send_orders, submit_orders
from services.execution.stops import list_stops
from services.interventions import settle
from services.reconciliation import booking, reconcile
from tests.support.brokers import find, ref
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def change(order: Order, **values: object) -> None:
    with transaction() as session:
        session.execute(sa.update(Order).where(Order.id == order.id).values(**values))


def only(desk: Desk, rowid: int) -> Order:
    (order,) = desk.orders(rowid)
    return order


def start(desk: Desk) -> datetime:
    return reconcile.start_account(desk.account_id, desk.broker, "worker")


def differences() -> dict[str, tuple[Decimal, Decimal]]:
    with transaction() as session:
        rows = session.execute(sa.select(PositionDifference)).scalars()
        return {row.symbol: (row.ours, row.theirs) for row in rows}


def held() -> dict[str, Decimal]:
    with transaction() as session:
        return {row.symbol: row.quantity for row in session.execute(sa.select(Position)).scalars()}


def count(*tables: type) -> list[int]:
    with transaction() as session:
        return [session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables]


def request(client_order_id: str, symbol: str = "LNT", side: Side = Side.BUY, quantity: str = "5") -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id, account="paper", symbol=symbol, asset_class=AssetClass.STOCK, currency="USD",
        side=side, quantity=Decimal(quantity), order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC,
        limit_price=Decimal(50),
    )  # fmt: skip


def place_by_hand(desk: Desk, name: str = "by hand", **more: str) -> OrderReport:
    """Let somebody else trade in the account."""
    desk.venue.set_quote("LNT", bid=Decimal(50), ask=Decimal(50))
    return desk.broker.submit_order(request(name, **more))  # type: ignore[arg-type]


def leave_in(desk: Desk, step: str) -> int:
    """Return the signal of an order whose worker died after a step."""
    rowid = desk.alert("LNT")
    desk.plan()
    if step == "claimed":  # as a worker of an older version leaves it
        change(only(desk, rowid), status="CLAIMED", lease_epoch=1)
    else:
        claims = submit_orders.claim_orders(desk.brokers, "dead worker") or []
        if step == "sent":
            desk.broker.submit_order(claims[0].request)
    order = only(desk, rowid)
    change(order, lease_until=order.created_at - timedelta(seconds=1))
    return rowid


def test_an_account_that_agrees_is_open_and_says_until_when(desk: Desk) -> None:
    desk.alert("LNT")
    desk.work()
    until = start(desk)
    assert (reconcile.last_poll(desk.account_id), differences()) == (until, {})
    with transaction() as session:
        assert session.execute(sa.select(AccountState.reconciled_at)).scalar_one() == until


def test_what_was_filled_while_no_worker_ran_is_booked_before_anything_is_sent(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    desk.venue.fill_rest("paper", only(desk, rowid).client_order_id)
    start(desk)
    assert (desk.signal(rowid).status, held(), differences()) == ("filled", {"LNT": 10}, {})


@pytest.mark.parametrize("days", [0, 2])
def test_a_gap_longer_than_the_look_back_loses_nothing(desk: Desk, days: int) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    order = only(desk, rowid)
    desk.venue.fill_rest("paper", order.client_order_id)
    change(order, created_at=order.created_at - timedelta(days=days, hours=3))
    account_state.set_state(desk.account_id, synced_until=order.created_at - timedelta(days=days, hours=2))
    start(desk)
    assert only(desk, rowid).status == "FILLED"


def test_an_order_that_ended_during_a_long_gap_is_found_by_a_look_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    desk.venue.fill_rest("paper", only(desk, rowid).client_order_id)
    monkeypatch.setattr(desk.broker, "list_orders", lambda since: [])  # it changed before all that is listed
    start(desk)
    assert only(desk, rowid).status == "FILLED"


def test_a_second_comparison_changes_nothing(desk: Desk) -> None:
    desk.tell(Kind.PARTIAL, quantity=Decimal(4))
    desk.alert("LNT")
    desk.alert("MA-3*V")
    desk.work()
    place_by_hand(desk)
    start(desk)
    before = count(Fill, OrderEvent, Order, ForeignOrder, Signal), held(), differences()
    start(desk)
    desk.poll()
    assert (count(Fill, OrderEvent, Order, ForeignOrder, Signal), held(), differences()) == before


def test_a_position_that_differs_is_shown_and_vanishes_once_both_agree(desk: Desk) -> None:
    desk.alert("LNT")
    desk.work()
    place_by_hand(desk)
    assert reconcile.compare_positions(desk.account_id, desk.broker) == 1
    assert differences() == {"LNT": (10, 15)}
    place_by_hand(desk, "back", side=Side.SELL)
    assert reconcile.compare_positions(desk.account_id, desk.broker) == 0
    assert (differences(), held()) == ({}, {"LNT": 10})
    assert count(Order) == [1], "nothing is traded to make them agree"


def test_what_has_orders_on_their_way_is_not_compared(desk: Desk) -> None:
    place_by_hand(desk)
    reconcile.compare_positions(desk.account_id, desk.broker)
    desk.tell(Kind.WORK)
    desk.alert("LNT")
    desk.work()
    place_by_hand(desk, "more")
    reconcile.compare_positions(desk.account_id, desk.broker)
    assert differences() == {"LNT": (0, 5)}, "as it was seen before"


@pytest.mark.parametrize("read", ["list_orders", "list_positions"])
def test_a_broker_that_cannot_be_read_zeroes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    desk.alert("LNT")
    desk.work()
    place_by_hand(desk)
    start(desk)
    before = held(), differences(), reconcile.last_poll(desk.account_id)

    def fail(*_: object) -> Sequence[PositionReport]:
        raise BrokerUnavailable("500")

    monkeypatch.setattr(desk.broker, read, fail)
    with pytest.raises(BrokerUnavailable):
        start(desk)
    assert (held(), differences(), reconcile.last_poll(desk.account_id)) == before


def test_orders_of_others_are_put_on_record_once_and_left_alone(desk: Desk) -> None:
    place_by_hand(desk)
    for _ in range(3):
        desk.poll()
        desk.work()
    with transaction() as session:
        (row,) = session.execute(sa.select(ForeignOrder)).scalars().all()
        assert (row.client_order_id, row.symbol, row.quantity, row.status) == ("by hand", "LNT", 5, "FILLED")
    assert count(Order, Fill, Signal, Position) == [0, 0, 0, 0]
    report = find(desk.broker, "by hand")
    assert report is not None
    assert report.status is OrderStatus.FILLED


@pytest.mark.parametrize("dead", ["DENIED", "STALE", "REJECTED", "CANCELED"])
def test_an_order_that_is_dead_in_the_book_and_alive_at_the_broker_is_taken_over(desk: Desk, dead: str) -> None:
    desk.tell(Kind.WORK)
    rowid = leave_in(desk, "sent")
    change(only(desk, rowid), status=dead)
    desk.poll()
    order = only(desk, rowid)
    assert (order.status, desk.signal(rowid).status) == ("ACCEPTED", "created")
    desk.venue.fill_rest("paper", order.client_order_id)
    desk.poll()
    assert (only(desk, rowid).status, desk.signal(rowid).status, held()) == ("FILLED", "filled", {"LNT": 10})


def test_a_stale_report_brings_no_ended_order_back_to_life(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    earlier = find(desk.broker, only(desk, rowid).client_order_id)
    assert earlier is not None
    desk.broker.cancel_order(ref(earlier.client_order_id))
    desk.poll()
    booking.book_reports(desk.account_id, [earlier], "worker")
    assert (only(desk, rowid).status, desk.signal(rowid).status) == ("CANCELED", "canceled")


def test_what_waits_to_be_sent_again_but_has_arrived_is_taken_over(desk: Desk) -> None:
    rowid = leave_in(desk, "sending")
    submit_orders.reap("worker")
    order = only(desk, rowid)
    change(order, sent_at=order.created_at - timedelta(seconds=60))
    for _ in range(3):
        desk.look_up()
    order = only(desk, rowid)
    assert order.status == "QUEUED"
    change(order, next_at=order.created_at + HOUR)  # it waits, because the venue took no orders for a while
    claim = submit_orders.make_claim(order, desk.signal(rowid), "paper", None)
    desk.broker.submit_order(claim.request)  # the frozen worker's call arrives after all
    desk.poll()
    assert (only(desk, rowid).status, desk.signal(rowid).status) == ("FILLED", "filled")
    assert not desk.submit()


def test_an_order_the_broker_does_not_know_is_doubted_and_then_left_to_a_person(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    monkeypatch.setattr(desk.broker, "list_orders", lambda since: [])
    monkeypatch.setattr(desk.broker, "find_order", lambda _: Found(is_proof=True))
    start(desk)
    assert only(desk, rowid).status == "UNKNOWN"
    order = only(desk, rowid)
    change(order, sent_at=order.created_at - timedelta(seconds=60))
    for _ in range(3):
        desk.look_up()
    assert (only(desk, rowid).status, desk.signal(rowid).status) == ("MANUAL", "critical err")
    with pytest.raises(NotFound):
        settle.resolve_order(10**9, "x", "user anna")
    settle.resolve_order(order.id, "not there", "user anna")
    assert (only(desk, rowid).status, desk.signal(rowid).status) == ("REJECTED", "error")
    with pytest.raises(Conflict):
        settle.resolve_order(order.id, "again", "user anna")
    monkeypatch.undo()
    desk.poll()  # it was there all the time, and nobody could see it
    assert only(desk, rowid).status == "ACCEPTED"
    desk.venue.fill_rest("paper", order.client_order_id)
    desk.poll()
    assert (only(desk, rowid).status, desk.signal(rowid).status, held()) == ("FILLED", "filled", {"LNT": 10})


def test_an_order_in_a_person_s_hands_that_shows_up_after_all_is_taken_over(desk: Desk) -> None:
    rowid = leave_in(desk, "sent")
    change(only(desk, rowid), status="MANUAL")
    desk.poll()
    assert (only(desk, rowid).status, desk.signal(rowid).status) == ("FILLED", "filled")


def test_two_orders_of_a_stock_that_the_broker_has_lost_do_not_keep_the_account_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tell(Kind.WORK, count=2)
    rowids = [desk.alert("LNT"), desk.alert("LNT")]
    desk.work()
    monkeypatch.setattr(desk.broker, "list_orders", lambda since: [])
    monkeypatch.setattr(desk.broker, "find_order", lambda _: Found(is_proof=True))
    start(desk)
    assert [only(desk, rowid).status for rowid in rowids] == ["UNKNOWN", "ACCEPTED"]
    for rowid in rowids:
        order = only(desk, rowid)
        change(order, sent_at=order.created_at - timedelta(seconds=60))
    for _ in rowids:
        for _ in range(3):
            desk.look_up()
        desk.poll()
    for _ in range(3):
        desk.look_up()
    assert [only(desk, rowid).status for rowid in rowids] == ["MANUAL", "MANUAL"]


def test_an_order_that_never_arrives_is_not_sent_for_ever(desk: Desk) -> None:
    desk.tell(Kind.DROP_REQUEST, count=99)
    rowid = desk.alert("LNT")
    for _ in range(9):
        desk.work()
        if (order := only(desk, rowid)).status == "UNKNOWN":
            change(order, sent_at=order.created_at - timedelta(seconds=60))
            for _ in range(3):
                desk.look_up()
    order = only(desk, rowid)
    assert (order.status, order.send_attempts, desk.signal(rowid).status) == ("DENIED", 5, "error")


@pytest.mark.parametrize(
    ("step", "after_reap", "attempts"), [("claimed", "QUEUED", 1), ("sending", "UNKNOWN", 2), ("sent", "UNKNOWN", 1)]
)
def test_wherever_a_worker_died_the_order_is_placed_once(desk: Desk, step: str, after_reap: str, attempts: int) -> None:
    rowid = leave_in(desk, step)
    submit_orders.reap("worker")
    assert only(desk, rowid).status == after_reap
    change(only(desk, rowid), sent_at=only(desk, rowid).created_at - timedelta(seconds=60))
    for _ in range(3):
        desk.look_up()
    desk.work()
    order = only(desk, rowid)
    assert (order.status, order.send_attempts, held()) == ("FILLED", attempts, {"LNT": 10})
    assert [position.quantity for position in desk.broker.list_positions()] == [10]


@pytest.mark.parametrize("late", [False, True])
def test_a_worker_that_was_frozen_past_its_lease_changes_nothing(desk: Desk, late: bool) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    claims = submit_orders.claim_orders(desk.brokers, "frozen") or []
    if not late:
        desk.broker.submit_order(claims[0].request)
    order = only(desk, rowid)
    change(order, lease_until=order.created_at - timedelta(seconds=1), sent_at=order.created_at - HOUR)
    submit_orders.reap("worker")
    for _ in range(3):
        desk.look_up()
    desk.work()
    send_orders.send_now(claims, desk.brokers, "frozen")  # it thaws, and calls
    order = only(desk, rowid)
    assert (order.status, held()) == ("FILLED", {"LNT": 10})
    assert [position.quantity for position in desk.broker.list_positions()] == [10]


def test_an_order_that_becomes_visible_late_is_adopted_and_not_sent_again(desk: Desk) -> None:
    now = database_time()
    desk.venue._clock = lambda: now
    desk.tell(Kind.LATE, seconds=1.5)
    rowid = desk.alert("LNT")
    desk.work()
    for _ in range(4):
        desk.look_up()
    assert only(desk, rowid).status == "UNKNOWN"
    desk.venue._clock = lambda: now + timedelta(seconds=20)
    desk.look_up()
    order = only(desk, rowid)
    assert (order.status, order.send_attempts) == ("FILLED", 1)


def test_an_order_that_arrives_after_it_was_given_up_is_taken_over(desk: Desk) -> None:
    now = database_time()
    desk.venue._clock = lambda: now
    desk.tell(Kind.LATE, seconds=25.0)
    rowid = desk.alert("LNT")
    desk.work()
    order = only(desk, rowid)
    change(order, sent_at=order.created_at - HOUR, not_after=order.created_at)
    for _ in range(3):
        desk.look_up()
    assert (only(desk, rowid).status, desk.signal(rowid).status) == ("STALE", "canceled")
    desk.venue._clock = lambda: now + timedelta(seconds=26)
    desk.poll()
    assert (only(desk, rowid).status, desk.signal(rowid).status, held()) == ("FILLED", "filled", {"LNT": 10})


def report_of(order: Order, *fills: int, status: OrderStatus = OrderStatus.PARTIALLY_FILLED) -> OrderReport:
    at = order.created_at
    return OrderReport(
        client_order_id=order.client_order_id, broker_order_id=order.broker_order_id or "1", symbol=order.symbol,
        side=Side(order.side), quantity=order.quantity, status=status, at=at,
        fills=tuple(
            FillReport(execution_id=f"x{n}", quantity=Decimal(n), price=Decimal(50), commission=Decimal(0), at=at)
            for n in fills
        ),
    )  # fmt: skip


def test_fills_out_of_order_and_repeated_are_each_booked_once(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    order = only(desk, rowid)
    for fills in ([2], [2, 1], [1], [3, 1], [2, 1, 3]):
        booking.book_reports(desk.account_id, [report_of(order, *fills)], "worker")
    assert (only(desk, rowid).filled_quantity, held(), count(Fill)) == (6, {"LNT": 6}, [3])


def test_a_late_fill_of_a_canceled_order_is_booked_and_the_position_agrees(desk: Desk) -> None:
    desk.tell(Kind.PARTIAL, quantity=Decimal(3))
    rowid = desk.alert("LNT")
    desk.work()
    order = only(desk, rowid)
    desk.broker.cancel_order(ref(order.client_order_id))
    desk.poll()
    desk.venue.fill_rest("paper", order.client_order_id, Decimal(2))
    start(desk)
    assert (only(desk, rowid).status, held(), differences()) == ("CANCELED", {"LNT": 5}, {})


def test_more_fills_than_were_ordered_are_booked_and_told_and_stop_the_symbol(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    booking.book_reports(desk.account_id, [report_of(only(desk, rowid), 7, 8)], "worker")
    order = only(desk, rowid)
    assert (order.filled_quantity, order.reason, held()) == (15, "the broker filled 15 of 10", {"LNT": 15})
    booking.book_reports(desk.account_id, [report_of(order, 7, 8)], "worker")
    (stop,) = list_stops(in_force=True)
    assert (stop.level, stop.scope, stop.scope_name, stop.actor) == ("entries", "stock", "LNT", "the desk")
    assert stop.reason.startswith("the broker filled 15 of 10 LNT")
    more = desk.alert("LNT")
    desk.work()
    assert desk.signal(more).status_reason == "stopped"


def test_a_report_with_the_id_of_another_broker_order_is_not_believed(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    order = only(desk, rowid)
    order.broker_order_id = "another"
    booking.book_reports(desk.account_id, [report_of(order, 2)], "worker")
    assert (only(desk, rowid).status, count(Fill)) == ("ACCEPTED", [0])


def test_one_worker_at_a_time_polls(desk: Desk) -> None:
    assert reconcile.take_turn(desk.account_id, 60)
    assert not reconcile.take_turn(desk.account_id, 60)
    assert reconcile.take_turn(desk.account_id, 0)


def test_what_waited_while_the_broker_was_away_is_not_sent_late(desk: Desk) -> None:
    desk.tell(Kind.UNAVAILABLE)
    rowid = desk.alert("LNT")
    desk.work()
    order = only(desk, rowid)
    assert order.status == "QUEUED"
    change(order, not_after=order.created_at - timedelta(seconds=1), next_at=order.created_at)
    desk.work()
    submit_orders.expire_orders("worker")
    assert (only(desk, rowid).status, desk.signal(rowid).status_reason) == ("STALE", "expired")
    assert find(desk.broker, order.client_order_id) is None
