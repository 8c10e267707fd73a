"""Orders that a broker does not take yet: they wait, are counted right, and say why."""

import logging
import math
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests
import sqlalchemy as sa
from flask import Flask

from domain.enums import MarketPosition, Side
from extensions import db, transaction
from models import Order
from services.execution import submit_orders
from simulators.alpaca.keys import KEY, SECRET
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock

ORDERS = "POST /v2/orders"


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    make_stock(simulated, "AAPL")
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


def set_orders(**values: object) -> None:
    with transaction() as session:
        session.execute(sa.update(Order).values(**values))


def make_due(**values: object) -> None:
    """Let what waits be tried now."""
    set_orders(next_at=Order.created_at, **values)


def plan_for_nobody(desk: AlpacaDesk, monkeypatch: pytest.MonkeyPatch) -> int:
    """Queue an order at a broker that goes away then."""
    rowid = desk.alert("AAPL")
    desk.plan()
    monkeypatch.setattr(desk.broker._client._trading, "_base_url", "http://127.0.0.1:9")  # nobody listens there
    return rowid


def test_the_rate_limit_costs_no_attempt(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("rate_limit", seconds=60, times=1)
    rowid = desk.alert("AAPL")
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("QUEUED", 0)
    assert order.next_at - order.sent_at > timedelta(seconds=55)  # not before the window opens
    make_due(not_after=None)
    for _ in range(7):
        desk.work()
        make_due()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("QUEUED", 0)
    assert "rate limit" in (order.reason or "")
    assert simulator.count(ORDERS) == 1
    desk.broker._client._trading_budget._closed_until = -math.inf  # a minute later
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts, order.reason) == ("ACCEPTED", 1, None)


def test_an_order_with_an_end_of_life_waits_for_its_broker_until_then(
    desk: AlpacaDesk, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    rowid = plan_for_nobody(desk, monkeypatch)
    for _ in range(7):
        desk.work()
        make_due()
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("QUEUED", 7)
    set_orders(not_after=Order.created_at)
    assert submit_orders.expire_orders("worker") == 1
    (order,) = desk.orders(rowid)
    assert order.status == "STALE"
    assert order.reason == "expired before it could be sent (not sent yet: Alpaca cannot be reached (ConnectionError))"
    assert not [record for record in caplog.records if record.levelno >= logging.CRITICAL]


def test_an_order_without_an_end_of_life_is_given_up_after_five_attempts(
    desk: AlpacaDesk, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    rowid = plan_for_nobody(desk, monkeypatch)
    for _ in range(7):
        desk.work()
        make_due(not_after=None)
    (order,) = desk.orders(rowid)
    assert (order.status, order.send_attempts) == ("DENIED", 5)
    assert desk.signal(rowid).status == "error"


def test_an_exit_that_never_went_out_sounds_the_alarm(desk: AlpacaDesk, caplog: pytest.LogCaptureFixture):
    desk.alert("AAPL", Side.BUY)
    desk.work()
    desk.simulator.advance(1)
    desk.poll()
    rowid = desk.alert("AAPL", Side.SELL, position=MarketPosition.FLAT)
    assert desk.plan() == []
    assert desk.orders(rowid)[0].is_exit
    set_orders(not_after=Order.created_at)
    submit_orders.expire_orders("worker")
    assert desk.signal(rowid).status == "critical err"
    assert "exit unfinished: expired before it could be sent; 10 are not closed" in str(
        desk.signal(rowid).status_reason
    )
    (alarm,) = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert "exit unfinished: expired before it could be sent; 10 are not closed, a person must decide" in alarm
    assert "the exit (sell 10 AAPL) was not carried out" in caplog.text


def test_an_order_of_unknown_outcome_that_was_replaced_at_the_broker_comes_to_its_end(
    desk: AlpacaDesk, simulator: Simulator
):
    simulator.tell("work")
    simulator.tell("drop_after")
    rowid = desk.alert("AAPL")
    desk.work()
    assert desk.orders(rowid)[0].status == "UNKNOWN"
    simulator.advance(1)
    (there,) = simulator.control("GET", "book")["orders"]
    headers = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    answer = requests.patch(f"{simulator.url}/v2/orders/{there['id']}", headers=headers, json={"qty": "12"}, timeout=10)
    assert answer.ok
    desk.look_up()
    db.session.rollback()
    assert (desk.orders(rowid)[0].status, desk.signal(rowid).status) == ("REPLACED", "canceled")
    later = desk.alert("AAPL")
    desk.work()
    assert desk.orders(later)[0].status == "ACCEPTED"  # its symbol is free again
