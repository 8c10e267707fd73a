"""Orders that the broker does not take because another one of the same account stands against them."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.errors import Conflicts
from brokers.paper.instructions import Kind
from domain.enums import MarketPosition, Side
from domain.messages import OrderReport, OrderRequest
from extensions import db, reading, transaction
from models import Order, Position
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.desk import open_desk
from tests.support.factories import make_stock

FLAT = MarketPosition.FLAT


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    make_stock(simulated, "AAPL")
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


def place_by_hand(simulator: Simulator, side: str, quantity: str, limit: str) -> str:
    """Place an order past the desk; returns the venue's id of it."""
    body = {
        "symbol": "AAPL",
        "side": side,
        "qty": quantity,
        "type": "limit",
        "limit_price": limit,
        "time_in_force": "day",
    }
    return str(simulator.by_hand("POST", "orders", body)["id"])


def hold_ten(desk: AlpacaDesk, simulator: Simulator) -> None:
    desk.alert("AAPL")
    desk.work()
    simulator.advance(1)
    desk.poll()
    assert held() == 10


def held() -> Decimal:
    with reading() as session:
        return session.execute(sa.select(Position.quantity)).scalar() or Decimal(0)


def make_due() -> None:
    with transaction() as session:
        session.execute(sa.update(Order).values(next_at=Order.created_at))


def order_of(desk: AlpacaDesk, rowid: int) -> Order:
    db.session.rollback()
    return desk.orders(rowid)[0]


def test_an_exit_waits_for_the_end_of_an_order_that_somebody_placed_by_hand(desk: AlpacaDesk, simulator: Simulator):
    hold_ten(desk, simulator)
    simulator.tell("work")
    by_hand = place_by_hand(simulator, "buy", "5", "1.00")
    rowid = desk.alert("AAPL", Side.SELL, position=FLAT)
    desk.work()
    order = order_of(desk, rowid)
    assert order.status == "QUEUED"
    assert "wash trade" in (order.reason or "")
    simulator.by_hand("DELETE", f"orders/{by_hand}")
    simulator.advance(1)
    make_due()
    desk.work()
    simulator.advance(1)
    desk.poll()
    assert (order_of(desk, rowid).status, held()) == ("FILLED", 0)


def test_an_exit_that_is_never_taken_is_given_up_aloud(
    desk: AlpacaDesk, simulator: Simulator, caplog: pytest.LogCaptureFixture
):
    hold_ten(desk, simulator)
    simulator.tell("work")
    place_by_hand(simulator, "buy", "5", "1.00")
    rowid = desk.alert("AAPL", Side.SELL, position=FLAT)
    for _ in range(8):
        desk.work()
        make_due()
    assert order_of(desk, rowid).status in ("DENIED", "QUEUED")
    assert any("is not ours stands against it" in record.message for record in caplog.records)
    assert held() == 10


@pytest.mark.usefixtures("context")
def test_an_entry_of_ours_that_stands_against_an_exit_is_canceled_for_it(app: Flask, tmp_path: Path):
    for symbol in ("LNT", "MA"):
        make_stock(app, symbol)
    with open_desk(app, tmp_path) as desk:
        desk.alert("LNT")
        desk.work()
        desk.tell(Kind.WORK)
        entry = desk.alert("MA")
        desk.work()
        in_the_way = desk.orders(entry)[0].broker_order_id
        submit = desk.broker.submit_order

        def refuse(request: OrderRequest) -> OrderReport:
            working = desk.venue.find("paper", desk.orders(entry)[0].client_order_id)
            if working is not None and working.status == "ACCEPTED":
                raise Conflicts("potential wash trade", in_the_way or "")
            return submit(request)

        desk.send_through(refuse)
        leaving = desk.alert("LNT", Side.SELL, position=FLAT)
        for _ in range(4):
            desk.work()
            make_due()
        db.session.rollback()
        assert [order.status for order in desk.orders(entry)] == ["CANCELED"]
        assert [(order.status, order.send_attempts) for order in desk.orders(leaving)] == [("FILLED", 1)]
