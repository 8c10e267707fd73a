"""An exit that waits for a free place among the orders on their way gets it before entries that come later."""

import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from domain.enums import MarketPosition, Side
from extensions import db
from services.execution import send_pool
from services.worker.pipeline import Pipeline, Stop
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock


@pytest.fixture
def simulated(simulated: Flask) -> Flask:
    for symbol in ("AAPL", "MSFT", "NVDA", "TSLA"):
        make_stock(simulated, symbol)
    return simulated


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


@pytest.fixture
def pipeline(simulated: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setattr(send_pool, "MOST", 1)  # one order of an account is on its way at a time
    made = Pipeline(simulated, "worker", lambda: None)
    yield made
    made.end()


def run_until(pipeline: Pipeline, condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        pipeline.run_due(Stop())
        time.sleep(0.02)
        db.session.rollback()


def sent(desk: AlpacaDesk) -> list[str]:
    return [order["symbol"] for order in desk.simulator.control("GET", "book")["orders"]]


def test_a_queued_exit_goes_before_an_entry_that_is_planned_later(pipeline: Pipeline, desk: AlpacaDesk) -> None:
    run_until(pipeline, lambda: desk.account_id in pipeline.open)
    held = desk.alert("AAPL")
    run_until(pipeline, lambda: desk.signal(held).status == "filled")
    desk.simulator.tell("delay", seconds=1, times=1)
    desk.alert("MSFT")
    run_until(pipeline, lambda: pipeline._senders.room(desk.account_id) == 0)
    early = desk.alert("NVDA")
    leaving = desk.alert("AAPL", Side.SELL, position=MarketPosition.FLAT)
    run_until(pipeline, lambda: [order.status for order in desk.orders(leaving)] == ["QUEUED"])
    assert desk.orders(early)[0].status == "QUEUED"
    desk.wait(lambda: pipeline._senders.room(desk.account_id) == 1)
    desk.alert("TSLA")
    run_until(pipeline, lambda: len(sent(desk)) == 5)
    assert sent(desk) == ["AAPL", "MSFT", "AAPL", "NVDA", "TSLA"]
