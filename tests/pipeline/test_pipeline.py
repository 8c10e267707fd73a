"""From an alert to fills: planning, sending and syncing on both databases, against the real paper venue."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.errors import BrokerUnavailable
from brokers.paper.instructions import Kind
from domain.enums import Activity, OrderType, Side
from domain.messages import AccountReport, OrderReport, OrderRequest
from domain.planning.values import Outcome, PlanContext, Request
from extensions import transaction
from models import Fill, Instrument, Order, OrderEvent, Signal
from services.catalog.snapshots import bump_version
from services.execution import recorder, submit_orders
from services.execution.new_orders import client_order_id
from tests.support.brokers import find, ref
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def change(model: type, rowid: int, **values: object) -> None:
    with transaction() as session:
        session.execute(sa.update(model).where(model.id == rowid).values(**values))  # type: ignore[attr-defined]


def test_a_single_is_filled_at_the_alert_s_price(desk: Desk) -> None:
    rowid = desk.alert("NYSE:LNT", quantity="10.5", price="51.25")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.fill_price, signal.slip, signal.filled_quantity) == (
        "filled", Decimal("51.25"), Decimal(0), Decimal("10.5"),
    )  # fmt: skip
    (order,) = desk.orders(rowid)
    assert desk.moves(order) == ["QUEUED", "CLAIMED", "SENDING", "FILLED"]
    assert signal.order_id1 == order.broker_order_id
    assert [step["check"] for step in signal.trace] == [
        "ticker", "registered", "active", "stop", "exclusivity", "age", "position size", "missed alert",
        "buying power", "pre-flight", "orders",
    ]  # fmt: skip


def test_a_pair_is_filled_so_that_the_spread_equals_the_alert_s_price(desk: Desk) -> None:
    rowid = desk.alert("MA-3*V", quantity="20", price="-2")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.fill_price, signal.slip) == ("filled", Decimal(-2), Decimal(0))
    first, second = desk.orders(rowid)
    assert [(o.side, o.quantity, o.symbol) for o in (first, second)] == [("buy", 20, "MA"), ("sell", 60, "V")]
    assert all(fill.synthetic for order in (first, second) for fill in order.fills)


def test_fill_price_and_slip_follow_from_the_legs_prices(desk: Desk) -> None:
    for symbol, price in (("MA", "300.1"), ("V", "100.756")):
        desk.venue.set_quote(symbol, bid=Decimal(price), ask=Decimal(price))
    rowid = desk.alert("MA-3*V", quantity="20", price="-2")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.fill_price, signal.slip) == (Decimal("-2.168"), Decimal("0.168"))
    assert (signal.leg_price1, signal.leg_price2) == (Decimal("300.1"), Decimal("100.756"))


def test_slippage_is_worse_for_buys_and_for_sells(context: Flask, tmp_path: Path) -> None:
    make_stock(context, "LNT")
    with open_desk(context, tmp_path, slippage_bps=Decimal(10)) as desk:
        bought, sold = desk.alert("LNT", Side.BUY, price="100"), desk.alert("LNT", Side.SELL, price="100")
        desk.work()
        assert desk.signal(bought).slip == desk.signal(sold).slip == Decimal("-0.1")


def test_signals_of_one_stock_are_sent_in_order_of_arrival(desk: Desk) -> None:
    rowids = [desk.alert("LNT") for _ in range(4)]
    while desk.plan() is not None:
        pass
    sent = []
    while desk.submit():
        sent += [rowid for rowid in rowids if desk.signal(rowid).status == "filled" and rowid not in sent]
    assert sent == rowids


def test_a_waiting_signal_keeps_later_ones_of_its_stock_but_not_others(desk: Desk, context: Flask) -> None:
    make_stock(context, "KO")
    first, second, other = desk.alert("LNT"), desk.alert("LNT"), desk.alert("KO")
    desk.plan()
    desk.plan()
    assert [desk.signal(rowid).status for rowid in (first, second, other)] == ["created", "created", "waiting"]
    desk.tell(Kind.UNAVAILABLE, symbol="LNT")
    while desk.plan() is not None or desk.submit():
        pass
    assert [desk.signal(rowid).status for rowid in (first, second, other)] == ["created", "created", "filled"]


def test_signals_for_an_outside_executor_are_left_alone(desk: Desk, context: Flask) -> None:
    make_stock(context, "KO", account="external")
    rowid = desk.alert("KO")
    desk.work()
    assert desk.signal(rowid).status == "waiting"
    assert desk.orders(rowid) == []


def test_an_old_signal_expires_unsent(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.lifetime = timedelta(seconds=-1)  # SQLite counts milliseconds: zero would allow the same one
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("canceled", "expired")
    assert desk.orders(rowid) == []


def test_an_order_that_waited_too_long_is_never_sent(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    (order,) = desk.orders(rowid)
    change(Order, order.id, not_after=order.created_at - timedelta(seconds=1))
    assert not desk.submit()
    assert submit_orders.expire_orders("worker") == 1
    signal = desk.signal(rowid)
    assert (desk.orders(rowid)[0].status, signal.status, signal.status_reason) == ("STALE", "canceled", "expired")
    assert find(desk.broker, order.client_order_id) is None


def test_a_stock_made_passive_after_the_alert_is_not_traded(desk: Desk, context: Flask) -> None:
    rowid = desk.alert("LNT")
    make_stock(context, "LNT", activity=Activity.PASSIVE)
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("canceled", "passive ticker")
    assert desk.orders(rowid) == []


def test_what_the_broker_cannot_do_is_refused_before_anything_is_sent(desk: Desk, context: Flask) -> None:
    make_stock(context, "KO")
    with transaction() as session:  # as it may have been registered before registration asked the broker
        session.execute(sa.update(Instrument).where(Instrument.symbol == "KO").values(order_type=OrderType.RELATIVE))
        bump_version(session)
    rowid = desk.alert("KO")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("error", "order type")
    assert signal.trace[-1]["ok"] is False
    assert desk.orders(rowid) == []


def test_a_limit_order_without_a_price_is_refused(desk: Desk, context: Flask) -> None:
    make_stock(context, "KO", order_type=OrderType.LIMIT)
    rowid = desk.alert("KO", price=None)
    desk.work()
    assert (desk.signal(rowid).status, desk.signal(rowid).status_reason) == ("error", "limit price")


def test_an_order_without_any_price_is_rejected_by_the_venue(desk: Desk) -> None:
    rowid = desk.alert("LNT", price=None)
    desk.work()
    signal, (order,) = desk.signal(rowid), desk.orders(rowid)
    assert (signal.status, order.status) == ("error", "REJECTED")
    assert "price" in str(signal.error_text)


def test_an_order_whose_answer_was_lost_is_adopted_and_not_sent_again(desk: Desk) -> None:
    desk.tell(Kind.DROP_ANSWER)
    rowid = desk.alert("LNT")
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, desk.signal(rowid).status) == ("UNKNOWN", "created")
    assert desk.look_up()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts, desk.signal(rowid).status) == ("FILLED", 1, "filled")
    assert [position.quantity for position in desk.broker.list_positions()] == [10]


def test_an_order_that_surely_never_arrived_is_sent_again_under_the_same_id(desk: Desk) -> None:
    desk.tell(Kind.DROP_REQUEST)
    rowid = desk.alert("LNT")
    desk.work()
    (order,) = desk.orders(rowid)
    sent_id = order.client_order_id
    desk.look_up()
    desk.look_up()
    assert desk.orders(rowid)[0].status == "UNKNOWN"  # two 'not found' prove nothing
    change(Order, order.id, sent_at=order.created_at - timedelta(seconds=60))
    desk.look_up()
    assert desk.orders(rowid)[0].status == "QUEUED"
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.client_order_id, order.send_attempts) == ("FILLED", sent_id, 2)
    assert [position.quantity for position in desk.broker.list_positions()] == [10]


def test_absence_is_not_believed_before_the_venue_had_time_to_show_the_order(desk: Desk) -> None:
    desk.tell(Kind.DROP_REQUEST)
    rowid = desk.alert("LNT")
    desk.work()
    (order,) = desk.orders(rowid)
    change(Order, order.id, sent_at=order.created_at + timedelta(seconds=600))
    for _ in range(5):
        desk.look_up()
    assert desk.orders(rowid)[0].status == "UNKNOWN"


def test_an_order_in_doubt_holds_back_the_next_of_its_stock(desk: Desk) -> None:
    desk.tell(Kind.DROP_ANSWER)
    first, second = desk.alert("LNT"), desk.alert("LNT", Side.SELL)
    desk.work()
    assert ([order.status for order in desk.orders(first)], desk.orders(second)) == (["UNKNOWN"], [])
    assert "the outcome of order 1 of 1 (buy 10 LNT) is not known yet" in str(desk.signal(second).status_reason)


def test_a_venue_that_cannot_be_reached_is_tried_again_with_the_same_id(desk: Desk) -> None:
    desk.tell(Kind.UNAVAILABLE, count=2)
    rowid = desk.alert("LNT")
    for _ in range(3):
        desk.work()
        (order,) = desk.orders(rowid)
        change(Order, order.id, next_at=order.created_at)
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("FILLED", 3)
    assert len(set(desk.moves(order))) == 4


def test_after_five_tries_an_order_without_an_end_is_denied(desk: Desk) -> None:
    desk.tell(Kind.UNAVAILABLE, count=9)
    rowid = desk.alert("LNT")
    for _ in range(6):
        desk.work()
        (order,) = desk.orders(rowid)
        change(Order, order.id, next_at=order.created_at, not_after=None)
    assert (desk.orders(rowid)[0].status, desk.signal(rowid).status) == ("DENIED", "error")


def test_fills_that_come_later_are_polled(desk: Desk) -> None:
    desk.tell(Kind.PARTIAL, quantity=Decimal(4))
    rowid = desk.alert("LNT")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.filled_quantity) == ("part.filled", 4)
    desk.venue.fill_rest("paper", desk.orders(rowid)[0].client_order_id)
    desk.poll()
    signal = desk.signal(rowid)
    assert (signal.status, signal.filled_quantity, desk.orders(rowid)[0].status) == ("filled", 10, "FILLED")


def test_one_leg_filled_and_the_other_working_shows_so(desk: Desk) -> None:
    desk.tell(Kind.WORK, symbol="V")
    rowid = desk.alert("MA-3*V")
    desk.work()
    assert desk.signal(rowid).status == "filled(...)"
    desk.venue.fill_rest("paper", desk.orders(rowid)[1].client_order_id)
    desk.poll()
    assert desk.signal(rowid).status == "filled"


def test_syncing_twice_changes_nothing(desk: Desk) -> None:
    desk.tell(Kind.PARTIAL, quantity=Decimal(4))
    rowid = desk.alert("LNT")
    desk.work()
    desk.poll()
    with transaction() as session:
        before = [
            session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (Fill, OrderEvent)
        ]
    desk.poll()
    desk.poll()
    with transaction() as session:
        after = [
            session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (Fill, OrderEvent)
        ]
    assert after == before
    assert desk.orders(rowid)[0].filled_quantity == 4


def test_a_working_order_canceled_at_the_venue_ends_as_canceled(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    assert desk.signal(rowid).status == "created"
    desk.broker.cancel_order(ref(desk.orders(rowid)[0].client_order_id))
    desk.poll()
    assert (desk.orders(rowid)[0].status, desk.signal(rowid).status) == ("CANCELED", "canceled")


def test_orders_of_others_at_the_venue_are_left_alone(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.work()
    (order,) = desk.orders(rowid)
    with transaction() as session:  # as if another desk had sent it
        session.execute(sa.update(Order).where(Order.id == order.id).values(client_order_id="somebody else's"))
    desk.poll()
    assert desk.orders(rowid)[0].client_order_id == "somebody else's"


def test_a_worker_that_died_before_sending_gives_the_order_back(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    order = desk.orders(rowid)[0]  # as a worker of an older version leaves it
    change(Order, order.id, status="CLAIMED", lease_until=order.created_at - timedelta(seconds=1), lease_epoch=1)
    assert not desk.submit()  # one order of a stock is in one hand
    assert submit_orders.reap("worker") == 1
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("FILLED", 1)


def test_a_worker_that_died_while_sending_leaves_the_order_to_a_look_up(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    (claim,) = submit_orders.claim_orders(desk.brokers, "dead worker") or []
    desk.broker.submit_order(claim.request)  # it arrived, and then the worker died
    change(Order, claim.order_id, lease_until=desk.orders(rowid)[0].created_at - timedelta(seconds=1))
    submit_orders.reap("worker")
    assert desk.orders(rowid)[0].status == "UNKNOWN"
    assert not desk.submit()
    desk.look_up()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("FILLED", 1)
    assert [position.quantity for position in desk.broker.list_positions()] == [10]


def test_an_answer_after_the_lease_was_lost_touches_nothing(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.plan()
    (claim,) = submit_orders.claim_orders(desk.brokers, "slow worker") or []
    assert claim.until == desk.orders(rowid)[0].lease_until
    report = desk.broker.submit_order(claim.request)
    change(Order, claim.order_id, lease_until=desk.orders(rowid)[0].created_at - timedelta(seconds=1))
    submit_orders.reap("worker")
    recorder.record_answers([(claim, report)], "slow worker")
    (order,) = desk.orders(rowid)
    assert order.status == "UNKNOWN"
    assert desk.moves(order)[-1] == "UNKNOWN"
    desk.look_up()
    assert desk.orders(rowid)[0].status == "FILLED"


def test_an_answer_about_another_order_is_never_adopted(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    real = desk.broker.submit_order

    def mixed_up(request: OrderRequest) -> OrderReport:
        report = real(request)
        return OrderReport(
            client_order_id="another", broker_order_id="99", symbol=report.symbol, side=report.side,
            quantity=report.quantity, status=report.status, at=report.at, fills=report.fills,
        )  # fmt: skip

    desk.send_through(mixed_up)
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.broker_order_id, order.filled_quantity) == ("UNKNOWN", None, 0)


def test_an_error_that_no_adapter_foresaw_counts_as_unknown(desk: Desk) -> None:
    rowid = desk.alert("LNT")

    def broken(request: OrderRequest) -> OrderReport:
        raise ZeroDivisionError

    desk.send_through(broken)
    desk.work()
    assert desk.orders(rowid)[0].status == "UNKNOWN"


def test_every_move_is_on_record(desk: Desk) -> None:
    rowid = desk.alert("LNT")
    desk.work()
    (order,) = desk.orders(rowid)
    with transaction() as session:
        events = (
            session.execute(sa.select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.seq))
            .scalars()
            .all()
        )
        assert [event.seq for event in events] == [1, 2, 3, 4]
        assert [event.from_status for event in events] == [None, "QUEUED", "CLAIMED", "SENDING"]
        assert all(event.actor == "worker" and isinstance(event.at, datetime) for event in events)


def test_client_order_ids_depend_on_desk_signal_leg_and_generation() -> None:
    desks = ("5f1b0c1e-0000-4000-8000-000000000001", "5f1b0c1e-0000-4000-8000-000000000002")
    ids = {client_order_id(desk, s, leg, g) for desk in desks for s in (1, 2) for leg in (1, 2) for g in (1, 2)}
    assert len(ids) == 16
    assert client_order_id(desks[0], 1, 1, 1) == client_order_id(desks[0], 1, 1, 1)


def test_a_signal_that_cannot_be_planned_does_not_hold_up_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.planning import plan_signals

    bad, good = desk.alert("LNT"), desk.alert("MA-3*V")
    real = plan_signals.plan

    def plan(request: Request, context: PlanContext) -> Outcome:
        if request.signal_id == bad:
            raise ZeroDivisionError
        return real(request, context)

    monkeypatch.setattr(plan_signals, "plan", plan)
    desk.work()
    assert [desk.signal(rowid).status for rowid in (bad, good)] == ["critical err", "filled"]


def test_while_the_broker_cannot_be_asked_signals_wait_and_then_expire(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> AccountReport:
        raise BrokerUnavailable("no route")

    with monkeypatch.context() as patch:
        patch.setattr(desk.broker, "account", away)
        young = desk.alert("LNT")
        desk.plan()
        assert desk.signal(young).status == "waiting"
        change(Signal, young, received_at=desk.signal(young).received_at - timedelta(seconds=300))
        desk.market._known[desk.account_id].away_until = 0
        desk.plan()
        assert (desk.signal(young).status, desk.signal(young).status_reason) == ("canceled", "expired")
        later = desk.alert("LNT")
        assert desk.plan() is None  # the broker is not asked again at once
    desk.market._known[desk.account_id].away_until = 0
    desk.work()
    assert desk.signal(later).status == "filled"
