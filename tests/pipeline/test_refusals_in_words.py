"""What the venue refuses is told in its words and with its code; what it puts off is waited for, and no longer."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask

from brokers.alpaca.errors import MEANINGS, of_sending
from brokers.errors import OrderRejected, RateLimited
from services.execution import recorder, send_orders
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    make_stock(simulated, "AAPL")
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


def test_a_refusal_tells_the_venue_s_code_on_order_and_signal(desk: AlpacaDesk, simulator: Simulator):
    simulator.tell("reject", reason="insufficient buying power")
    rowid = desk.alert("AAPL")
    desk.work()
    (order,) = desk.orders(rowid)
    assert (order.status, order.reason) == ("REJECTED", "insufficient buying power (code 40310000)")
    assert "insufficient buying power (code 40310000)" in str(desk.signal(rowid).error_text)


def test_a_code_alone_is_told_by_what_it_means():
    from alpaca.common.exceptions import APIError
    from requests import HTTPError, Response

    response = Response()
    response.status_code = 422
    error = of_sending(APIError('{"code": 42210000}', HTTPError(response=response)), 0.0)  # type: ignore[no-untyped-call]
    assert isinstance(error, OrderRejected)
    assert (error.code, error.in_words) == ("42210000", f"{MEANINGS['42210000']} (code 42210000)")


def test_an_order_that_is_put_off_waits_from_the_answer_on_and_not_from_its_record(
    desk: AlpacaDesk, monkeypatch: pytest.MonkeyPatch
):
    def submit(request: object) -> object:
        limit = RateLimited("too many requests", 30.0)
        limit.until = time.monotonic() + 5.0  # it was answered a while ago
        raise limit

    monkeypatch.setattr(recorder.CHANCE, "random", lambda: 0.0)
    desk.send_through(submit)  # type: ignore[arg-type]
    rowid = desk.alert("AAPL")
    send_orders.send_now(desk.plan(ready=True) or [], desk.brokers, "worker")
    (order,) = desk.orders(rowid)
    assert order.status == "QUEUED"
    assert (order.next_at - datetime.now(UTC)).total_seconds() <= 5.0


@pytest.mark.parametrize("kind", ["html_401", "html_404", "html_502"])
def test_the_page_of_a_proxy_leaves_the_outcome_of_an_order_open(desk: AlpacaDesk, simulator: Simulator, kind: str):
    simulator.tell(kind)
    rowid = desk.alert("AAPL")
    desk.work()
    assert desk.orders(rowid)[0].status == "UNKNOWN"
