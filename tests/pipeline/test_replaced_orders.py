"""Orders that a person, or an event of the market, replaces at the broker: followed to the end of what took their place."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask

from extensions import db, reading, transaction
from models import ForeignOrder, Order, Position
from services.execution import cancel_orders
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    make_stock(simulated, "AAPL")
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


def replace_there(simulator: Simulator, **terms: str) -> str:
    """Replace the one order that works at the venue; returns the venue's id of the new one."""
    open_there = [order for order in simulator.control("GET", "book")["orders"] if order["status"] != "replaced"]
    new = str(simulator.by_hand("PATCH", f"orders/{open_there[-1]['id']}", terms)["id"])
    simulator.advance(0.001)  # it is answered before it is done
    return new


def fill_there(simulator: Simulator, broker_order_id: str, quantity: str) -> None:
    simulator.advance(1)
    orders = simulator.control("GET", "book")["orders"]
    name = next(order["client_order_id"] for order in orders if order["id"] == broker_order_id)
    simulator.control("POST", f"orders/{name}/fill", {"quantity": quantity})


def set_due() -> None:
    with transaction() as session:
        session.execute(sa.update(Order).values(next_at=Order.created_at))


def order_of(desk: AlpacaDesk, rowid: int) -> tuple[str, Decimal, Decimal]:
    db.session.rollback()
    order = desk.orders(rowid)[0]
    return order.status, order.quantity, order.filled_quantity


def held_and_foreign() -> tuple[Decimal, int]:
    with reading() as session:
        held = session.execute(sa.select(Position.quantity)).scalar() or Decimal(0)
        return held, session.execute(sa.select(sa.func.count()).select_from(ForeignOrder)).scalar_one()


def test_one_that_is_partly_filled_is_followed_to_the_end_of_the_new_one(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("partial", quantity="4")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    desk.poll()
    assert order_of(desk, rowid) == ("PARTIALLY_FILLED", 10, 4)
    new = replace_there(simulator, qty="12")
    desk.poll()
    assert order_of(desk, rowid) == ("PARTIALLY_FILLED", 12, 4)
    assert desk.orders(rowid)[0].broker_order_id == new
    fill_there(simulator, new, "8")
    desk.poll()
    assert order_of(desk, rowid) == ("FILLED", 12, 12)
    assert desk.signal(rowid).status == "filled"
    assert held_and_foreign() == (12, 0)


def test_one_that_is_replaced_twice_between_two_polls_is_followed(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("work")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    replace_there(simulator, qty="12")
    simulator.advance(1)
    last = replace_there(simulator, qty="7")
    desk.poll()
    desk.poll()
    fill_there(simulator, last, "7")
    desk.poll()
    assert order_of(desk, rowid) == ("FILLED", 7, 7)
    assert held_and_foreign() == (7, 0)


def test_one_of_unknown_outcome_is_followed(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("work")
    simulator.tell("drop_after")
    rowid = desk.alert("AAPL")
    desk.work()
    assert desk.orders(rowid)[0].status == "UNKNOWN"
    simulator.advance(1)
    new = replace_there(simulator, qty="12")
    desk.look_up()
    assert order_of(desk, rowid) == ("ACCEPTED", 12, 0)
    fill_there(simulator, new, "12")
    desk.poll()
    assert order_of(desk, rowid) == ("FILLED", 12, 12)
    assert held_and_foreign() == (12, 0)


def test_one_of_unknown_outcome_that_was_replaced_twice_is_followed_to_the_last(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("work")
    simulator.tell("drop_after")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    replace_there(simulator, qty="12")
    simulator.advance(1)
    last = replace_there(simulator, qty="7")
    desk.look_up()
    assert order_of(desk, rowid) == ("ACCEPTED", 7, 0)
    assert desk.orders(rowid)[0].broker_order_id == last


def test_one_that_works_and_is_not_listed_is_looked_up_and_followed_to_the_last(
    desk: AlpacaDesk, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    simulator.tell("work")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    replace_there(simulator, qty="12")
    simulator.advance(1)
    last = replace_there(simulator, qty="7")
    with transaction() as session:  # long ago, so that the venue has had the time to show it
        session.execute(sa.update(Order).values(sent_at=datetime.now(UTC) - timedelta(minutes=5)))
    monkeypatch.setattr(desk.broker, "list_orders", lambda _: [])
    desk.poll()
    assert order_of(desk, rowid) == ("ACCEPTED", 7, 0)
    assert desk.orders(rowid)[0].broker_order_id == last


def test_a_cancel_ends_the_one_that_took_its_place(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("work")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    replace_there(simulator, qty="12")
    cancel_orders.cancel_order(desk.orders(rowid)[0].id, "changed my mind", "user anna")
    for _ in range(3):
        set_due()
        desk.work()
        simulator.advance(1)
        desk.poll()
    assert order_of(desk, rowid) == ("CANCELED", 12, 0)
    assert {order["status"] for order in simulator.control("GET", "book")["orders"]} == {"replaced", "canceled"}


def test_one_that_fills_before_its_replacement_arrives_stays_the_one_that_is_followed(
    desk: AlpacaDesk, simulator: Simulator
):
    simulator.tell("work")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    desk.poll()
    old = str(desk.orders(rowid)[0].broker_order_id)
    simulator.tell("replace_late", seconds=60)
    new = replace_there(simulator, qty="12")
    desk.poll()
    assert order_of(desk, rowid) == ("ACCEPTED", 10, 0)
    fill_there(simulator, old, "10")
    simulator.advance(61)
    orders = {order["id"]: order["status"] for order in simulator.control("GET", "book")["orders"]}
    assert orders == {old: "filled", new: "rejected"}
    desk.poll()
    assert order_of(desk, rowid) == ("FILLED", 10, 10)
    assert desk.orders(rowid)[0].broker_order_id == old
    assert held_and_foreign() == (10, 0)


def test_one_whose_replacement_is_refused_after_the_answer_works_on(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("work")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    desk.poll()
    old = str(desk.orders(rowid)[0].broker_order_id)
    simulator.tell("replace_rejected")
    replace_there(simulator, qty="12")
    desk.poll()
    assert order_of(desk, rowid) == ("ACCEPTED", 10, 0)
    fill_there(simulator, old, "10")
    desk.poll()
    assert order_of(desk, rowid) == ("FILLED", 10, 10)
    assert held_and_foreign() == (10, 0)


@pytest.mark.parametrize("status", ["stopped", "suspended", "calculated", "done_for_day", "accepted_for_bidding"])
def test_one_in_a_rare_state_works_on(desk: AlpacaDesk, simulator: Simulator, status: str):
    simulator.tell("work")
    rowid = desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    desk.poll()
    (order,) = desk.orders(rowid)
    simulator.control("POST", f"orders/{order.client_order_id}/status", {"status": status})
    desk.poll()
    assert order_of(desk, rowid) == ("ACCEPTED", 10, 0)
    fill_there(simulator, str(order.broker_order_id), "10")
    desk.poll()
    assert order_of(desk, rowid) == ("FILLED", 10, 10)
