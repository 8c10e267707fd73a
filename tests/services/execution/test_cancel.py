"""Ending orders: whatever the venue answers to the wish, the book says what became of the order."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.errors import OrderRejected, OutcomeUnknown
from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, LegPolicy, Scope, StopLevel
from domain.errors import Conflict, NotFound
from domain.messages import Found, OrderRef, OrderReport
from extensions import transaction
from models import JournalEntry, Order, Pair, Position
from services.execution import send_orders, stops, submit_orders
from services.execution.cancel_orders import cancel_order
from tests.support.brokers import find, ref
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock


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


def working(desk: Desk, kind: Kind = Kind.WORK, **more: object) -> int:
    """Return the signal of a single whose order works at the venue."""
    desk.tell(kind, **more)
    rowid = desk.alert("LNT")
    desk.work()
    return rowid


def cancel(desk: Desk, rowid: int) -> Order:
    return cancel_order(desk.orders(rowid)[0].id, "changed my mind", "user anna")


def told(desk: Desk, rowid: int) -> tuple[str, str]:
    return only(desk, rowid).status, desk.signal(rowid).status


def ask_again(desk: Desk, rowid: int) -> None:
    order = only(desk, rowid)
    change(order, next_at=order.created_at)
    desk.cancel()


def held() -> dict[str, Decimal]:
    with transaction() as session:
        rows = session.execute(sa.select(Position.symbol, Position.quantity)).all()
        return {symbol: quantity for symbol, quantity in rows if quantity}


def test_an_order_that_was_not_sent_ends_at_once_and_no_broker_hears_of_it(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    order = cancel(desk, rowid)
    assert (order.status, desk.signal(rowid).status) == ("CANCELED", "canceled")
    assert not desk.submit()
    assert find(desk.broker, order.client_order_id) is None


def test_a_working_order_ends_when_the_broker_says_so(desk: Desk) -> None:
    rowid = working(desk)
    assert cancel(desk, rowid).status == "CANCEL_PENDING"
    assert desk.signal(rowid).status == "created"
    assert desk.cancel()
    assert told(desk, rowid) == ("CANCELED", "canceled")
    assert not desk.cancel()


def test_what_was_filled_before_the_cancel_stays(desk: Desk) -> None:
    rowid = working(desk, Kind.PARTIAL, quantity=Decimal(4))
    cancel(desk, rowid)
    desk.work()
    assert told(desk, rowid) == ("CANCELED", "part.filled")
    assert held() == {"LNT": 4}


def test_a_fill_that_crosses_the_cancel_is_booked_and_wins(desk: Desk) -> None:
    rowid = working(desk)
    desk.tell(Kind.CANCEL_FILLS)
    cancel(desk, rowid)
    desk.work()
    assert told(desk, rowid) == ("FILLED", "filled")
    assert held() == {"LNT": 10}


def test_a_fill_after_the_cancel_is_booked_and_the_order_stays_canceled(desk: Desk) -> None:
    rowid = working(desk, Kind.PARTIAL, quantity=Decimal(4))
    cancel(desk, rowid)
    desk.work()
    desk.venue.fill_rest("paper", only(desk, rowid).client_order_id, Decimal(3))
    desk.poll()
    assert told(desk, rowid) == ("CANCELED", "part.filled")
    assert (only(desk, rowid).filled_quantity, held()) == (7, {"LNT": 7})
    desk.venue.fill_rest("paper", only(desk, rowid).client_order_id)
    desk.poll()
    assert told(desk, rowid) == ("FILLED", "filled")


def test_a_cancel_whose_answer_is_lost_is_asked_for_again(desk: Desk) -> None:
    rowid = working(desk)
    desk.tell(Kind.CANCEL_DROP_ANSWER)
    cancel(desk, rowid)
    desk.cancel()
    assert only(desk, rowid).status == "CANCEL_PENDING"
    assert not desk.cancel(), "not before its time"
    ask_again(desk, rowid)
    assert told(desk, rowid) == ("CANCELED", "canceled")


def test_a_cancel_whose_answer_is_lost_may_also_be_learned_by_a_poll(desk: Desk) -> None:
    rowid = working(desk)
    desk.tell(Kind.CANCEL_DROP_ANSWER)
    cancel(desk, rowid)
    desk.cancel()
    desk.poll()
    assert told(desk, rowid) == ("CANCELED", "canceled")


def test_while_the_venue_cannot_be_reached_the_wish_stays_and_waits_longer_each_time(desk: Desk) -> None:
    rowid = working(desk)
    desk.tell(Kind.CANCEL_UNAVAILABLE, count=3)
    cancel(desk, rowid)
    waits = []
    for _ in range(3):
        ask_again(desk, rowid)
        order = only(desk, rowid)
        assert order.status == "CANCEL_PENDING"
        with transaction() as session:
            waits.append(session.execute(sa.select(Order.next_at).where(Order.id == order.id)).scalar_one())
    assert waits[0] < waits[1] < waits[2]
    ask_again(desk, rowid)
    assert told(desk, rowid) == ("CANCELED", "canceled")


def test_a_poll_that_shows_the_order_working_does_not_forget_the_wish(desk: Desk) -> None:
    rowid = working(desk)
    desk.tell(Kind.CANCEL_UNAVAILABLE)
    cancel(desk, rowid)
    desk.cancel()
    desk.venue.fill_rest("paper", only(desk, rowid).client_order_id, Decimal(3))
    desk.poll()
    assert (only(desk, rowid).status, only(desk, rowid).filled_quantity) == ("CANCEL_PENDING", 3)
    ask_again(desk, rowid)
    assert told(desk, rowid) == ("CANCELED", "part.filled")


def test_an_order_in_doubt_is_canceled_once_the_broker_turns_out_to_have_it(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.plan()
    (claim,) = submit_orders.claim_orders(desk.brokers, "dead worker") or []
    desk.broker.submit_order(claim.request)
    change(only(desk, rowid), lease_until=only(desk, rowid).created_at - timedelta(seconds=1))
    submit_orders.reap("worker")
    assert cancel(desk, rowid).status == "UNKNOWN"
    desk.look_up()
    assert only(desk, rowid).status == "CANCEL_PENDING"
    desk.work()
    assert told(desk, rowid) == ("CANCELED", "canceled")


def test_an_order_in_doubt_that_never_arrived_is_not_sent_once_its_end_was_asked_for(desk: Desk) -> None:
    rowid = working(desk, Kind.DROP_REQUEST)
    cancel(desk, rowid)
    change(only(desk, rowid), sent_at=only(desk, rowid).created_at - timedelta(seconds=60))
    for _ in range(3):
        desk.look_up()
    assert told(desk, rowid) == ("CANCELED", "canceled")
    assert find(desk.broker, only(desk, rowid).client_order_id) is None


def test_a_claimed_order_whose_end_is_asked_for_is_not_sent(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    change(only(desk, rowid), status="CLAIMED", lease_epoch=1)  # as a worker of an older version leaves it
    assert cancel(desk, rowid).status == "CLAIMED"
    order = only(desk, rowid)
    change(order, lease_until=order.created_at - timedelta(seconds=1))
    submit_orders.reap("worker")
    desk.work()
    assert told(desk, rowid) == ("CANCELED", "canceled")


def test_an_order_that_is_being_sent_is_canceled_as_soon_as_the_broker_has_it(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.plan()
    claims = submit_orders.claim_orders(desk.brokers, "worker") or []
    cancel(desk, rowid)
    send_orders.send_now(claims, desk.brokers, "worker")
    assert only(desk, rowid).status == "CANCEL_PENDING"
    desk.work()
    assert told(desk, rowid) == ("CANCELED", "canceled")


def test_an_order_that_is_tried_again_is_not_once_its_end_was_asked_for(desk: Desk) -> None:
    desk.tell(Kind.UNAVAILABLE)
    rowid = desk.alert("LNT")
    desk.plan()
    claims = submit_orders.claim_orders(desk.brokers, "worker") or []
    cancel(desk, rowid)
    send_orders.send_now(claims, desk.brokers, "worker")
    assert only(desk, rowid).status == "DENIED"
    assert not desk.submit()


def test_an_ended_order_is_not_canceled(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.work()
    with pytest.raises(Conflict, match="FILLED"):
        cancel(desk, rowid)
    with pytest.raises(NotFound):
        cancel_order(10**9, "x", "user anna")


def test_the_wish_is_in_the_journal_with_its_reason(desk: Desk) -> None:
    rowid = working(desk)
    cancel(desk, rowid)
    with transaction() as session:
        entry = session.execute(sa.select(JournalEntry).order_by(JournalEntry.id.desc()).limit(1)).scalar_one()
        assert (entry.actor, entry.action, entry.text) == ("user anna", "cancel", "changed my mind")


def refuse(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the broker refuse every cancel; returns the ids it was asked for."""
    asked: list[str] = []

    def cancel_order(order: OrderRef) -> OrderReport:
        asked.append(order.client_order_id)
        raise OrderRejected("too late to cancel")

    monkeypatch.setattr(desk.broker, "cancel_order", cancel_order)
    return asked


def test_an_order_whose_cancel_is_refused_works_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rowid = working(desk)
    refuse(desk, monkeypatch)
    cancel(desk, rowid)
    desk.work()
    order = only(desk, rowid)
    assert (order.status, order.cancel_requested_at) == ("ACCEPTED", None)
    monkeypatch.undo()
    cancel(desk, rowid)
    desk.work()
    assert told(desk, rowid) == ("CANCELED", "canceled")


def test_a_cancel_that_is_refused_because_the_order_has_ended_shows_its_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rowid = working(desk)
    cancel(desk, rowid)
    desk.venue.fill_rest("paper", only(desk, rowid).client_order_id)
    refuse(desk, monkeypatch)
    desk.work()
    assert told(desk, rowid) == ("FILLED", "filled")


def test_a_cancel_of_an_order_that_the_venue_does_not_know_leaves_it_to_look_ups(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rowid = working(desk)
    cancel(desk, rowid)
    monkeypatch.setattr(desk.broker, "find_order", lambda _: Found(is_proof=True))
    refuse(desk, monkeypatch)
    desk.work()
    assert only(desk, rowid).status == "UNKNOWN"
    change(only(desk, rowid), sent_at=only(desk, rowid).created_at - timedelta(seconds=60))
    for _ in range(3):
        desk.look_up()
    assert told(desk, rowid) == ("MANUAL", "critical err")


def test_the_cancels_of_two_orders_of_a_stock_that_the_venue_does_not_know_do_not_stop_the_desk(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rowids = [working(desk), working(desk)]
    for rowid in rowids:
        cancel(desk, rowid)
    monkeypatch.setattr(desk.broker, "find_order", lambda _: Found(is_proof=True))
    refuse(desk, monkeypatch)
    desk.work()
    assert [only(desk, rowid).status for rowid in rowids] == ["UNKNOWN", "CANCEL_PENDING"]


def test_a_leg_whose_cancel_the_broker_refuses_is_not_asked_for_without_a_pause(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tell(Kind.REJECT, symbol="V", reason="not shortable")
    desk.tell(Kind.WORK, symbol="MA")
    asked = refuse(desk, monkeypatch)
    rowid = desk.alert("MA-3*V")
    for _ in range(8):
        if not (desk.plan() is not None or desk.submit()):
            break
    for _ in range(20):
        desk.cancel()
    assert len(asked) == 1
    first = desk.orders(rowid)[0]
    assert (first.status, first.cancel_requested_at is not None) == ("CANCEL_PENDING", True)
    monkeypatch.undo()
    change(first, next_at=first.created_at)
    desk.work()
    assert desk.orders(rowid)[0].status == "CANCELED"


def test_an_answer_that_speaks_of_another_order_is_not_believed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rowid, other = working(desk), working(desk)
    theirs = ref(only(desk, other).client_order_id)
    real: Callable[[OrderRef], OrderReport] = desk.broker.cancel_order
    monkeypatch.setattr(desk.broker, "cancel_order", lambda _: real(theirs))
    cancel(desk, rowid)
    desk.cancel()
    assert only(desk, rowid).status == "CANCEL_PENDING"


@pytest.mark.parametrize("policy", LegPolicy)
def test_a_pair_that_is_canceled_by_hand_is_not_completed(desk: Desk, policy: LegPolicy) -> None:
    with transaction() as session:
        session.execute(sa.update(Pair).values(leg_policy=policy, on_leg_failure=FailurePolicy.COMPLETE))
    for symbol in ("MA", "V"):
        desk.tell(Kind.WORK, symbol=symbol)
    rowid = desk.alert("MA-3*V")
    desk.work()
    cancel(desk, rowid)
    desk.work()
    assert {order.status for order in desk.orders(rowid)} == {"CANCELED"}
    assert held() == {}


def test_a_stop_that_cancels_a_pair_does_not_let_it_be_completed(desk: Desk) -> None:
    with transaction() as session:
        session.execute(sa.update(Pair).values(on_leg_failure=FailurePolicy.COMPLETE))
    desk.tell(Kind.PARTIAL, symbol="MA", quantity=Decimal(5))
    desk.tell(Kind.PARTIAL, symbol="V", quantity=Decimal(15))
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    stops.set_stop(stops.StopForm(level=StopLevel.CANCEL, scope=Scope.DESK, reason="news"), "user anna")
    for _ in range(3):
        stops.carry_out(desk.brokers, "worker")
        desk.work()
    assert (held(), desk.signal(rowid).status) == ({"MA": 5, "V": -15}, "part.filled")


def test_a_broker_that_cannot_say_is_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rowid = working(desk)

    def unclear(_: str) -> OrderReport:
        raise OutcomeUnknown("no answer came")

    monkeypatch.setattr(desk.broker, "cancel_order", unclear)
    cancel(desk, rowid)
    assert desk.cancel()
    assert only(desk, rowid).status == "CANCEL_PENDING"
