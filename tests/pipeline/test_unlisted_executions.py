"""Executions that the venue lists late, in another order, or never: what is booked is what its orders say."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.alpaca import executions
from domain.enums import MarketPosition, Side
from extensions import db, reading
from models import Fill, Position
from simulators.alpaca.keys import KEY
from simulators.alpaca.trading import WORLD
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock

NEVER = 40 * 86_400
LATER = 600


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    make_stock(simulated, "AAPL")
    make_stock(simulated, "BTCUSD", asset_class="CRYPTO")
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what the venue says of an order be settled at once."""
    monkeypatch.setattr(executions, "SETTLE", timedelta(days=-1))
    monkeypatch.setattr(executions, "AGAIN", 0.0)


def begin(desk: AlpacaDesk, ticker: str = "AAPL", quantity: str = "10") -> int:
    desk.simulator.tell("work")
    rowid = desk.alert(ticker, quantity=quantity)
    desk.work()
    desk.simulator.advance(0.001)
    return rowid


def fill(desk: AlpacaDesk, rowid: int, quantity: str, *, price: str = "100", listed_after: int = 0) -> None:
    name = desk.orders(rowid)[0].client_order_id
    body = {"quantity": quantity, "price": price, "listed_after": listed_after}
    desk.simulator.control("POST", f"orders/{name}/fill", body)


def end(desk: AlpacaDesk, rowid: int) -> None:
    desk.simulator.control("POST", f"orders/{desk.orders(rowid)[0].client_order_id}/cancel")


def booked() -> list[tuple[Decimal, bool]]:
    db.session.rollback()
    query = sa.select(Fill.quantity, Fill.synthetic).order_by(Fill.id)
    return [(row.quantity, row.synthetic) for row in db.session.execute(query)]


def held() -> Decimal:
    with reading() as session:
        return session.execute(sa.select(Position.quantity)).scalar() or Decimal(0)


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.CRITICAL]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("ends", ["filled", "canceled"])
def test_what_is_never_listed_is_booked_by_the_order_s_total(
    desk: AlpacaDesk, caplog: pytest.LogCaptureFixture, ends: str
):
    rowid = begin(desk, quantity="10" if ends == "filled" else "12")
    fill(desk, rowid, "4", price="99")
    fill(desk, rowid, "6", price="101", listed_after=NEVER)
    if ends == "canceled":
        end(desk, rowid)
    for _ in range(3):
        desk.poll()
    (order,) = desk.orders(rowid)
    assert (order.status, order.filled_quantity) == (ends.upper(), 10)
    assert (booked(), held()) == ([(4, False), (6, True)], 10)
    assert order.average_price == Decimal("100.2")
    (alarm,) = alarms(caplog)
    assert "6 at 101 are booked by the order's total" in alarm
    leaving = desk.alert("AAPL", Side.SELL, position=MarketPosition.FLAT)
    desk.work()
    assert [order.quantity for order in desk.orders(leaving)] == [10]


@pytest.mark.usefixtures("settled")
def test_one_that_is_listed_after_all_is_not_booked_twice(desk: AlpacaDesk, caplog: pytest.LogCaptureFixture):
    rowid = begin(desk)
    fill(desk, rowid, "4")
    fill(desk, rowid, "6", listed_after=LATER)
    desk.poll()
    assert booked() == [(4, False), (6, True)]
    desk.simulator.advance(LATER + 1)
    for _ in range(2):
        desk.poll()
    restarted = [report.fills for report in desk.broker.list_orders(desk.orders(rowid)[0].created_at)]
    assert [fill.quantity for fills in restarted for fill in fills] == [4, 6]
    assert (booked(), held()) == ([(4, False), (6, True)], 10)
    assert desk.orders(rowid)[0].status == "FILLED"
    assert len(alarms(caplog)) == 1


@pytest.mark.usefixtures("settled")
def test_an_order_that_goes_on_after_a_rest_is_booked_to_its_end(desk: AlpacaDesk):
    rowid = begin(desk)
    fill(desk, rowid, "3")
    fill(desk, rowid, "2", listed_after=LATER)
    desk.poll()
    assert (booked(), desk.orders(rowid)[0].status) == ([(3, False), (2, True)], "PARTIALLY_FILLED")
    desk.simulator.advance(LATER + 1)
    fill(desk, rowid, "5")
    for _ in range(2):
        desk.poll()
    assert (booked(), held()) == ([(3, False), (2, True), (5, False)], 10)
    assert desk.orders(rowid)[0].status == "FILLED"


def test_nothing_is_booked_by_totals_before_the_venue_had_its_time(desk: AlpacaDesk, caplog: pytest.LogCaptureFixture):
    rowid = begin(desk)
    fill(desk, rowid, "4")
    fill(desk, rowid, "6", listed_after=1)
    desk.poll()
    assert (booked(), desk.orders(rowid)[0].status) == ([(4, False)], "PARTIALLY_FILLED")
    desk.simulator.advance(2)
    desk.poll()
    assert (booked(), desk.orders(rowid)[0].status) == ([(4, False), (6, False)], "FILLED")
    assert alarms(caplog) == []


def test_coins_of_nine_decimals_add_up_in_whatever_order_their_executions_show(desk: AlpacaDesk):
    rowid = begin(desk, "BTCUSD", "0.5")
    world = desk.simulator.running.app[WORLD]
    moment = world.clock.now().replace(microsecond=0)
    for number in range(3):
        fill(desk, rowid, "0.100000004", price="60000")
        row = world.accounts[KEY].activities[-2]  # the last one is the fee
        row["id"] = f"{moment:%Y%m%d%H%M%S}000::{9 - number}"  # each sorts before those that were known earlier
        row["transaction_time"] = f"{moment:%Y-%m-%dT%H:%M:%S}.000000000Z"
        desk.poll()
        desk.broker._orders._executions._known.clear()  # type: ignore[attr-defined] # another worker's adapter
    (order,) = desk.orders(rowid)
    assert order.filled_quantity == Decimal("0.30000001")
    assert held() == sum(quantity for quantity, _ in booked()) == Decimal("0.30000001")
    desk.poll()
    assert held() == Decimal("0.30000001")
