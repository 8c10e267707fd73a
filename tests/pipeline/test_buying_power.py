"""Buying power that orders on their way will need is not given out a second time."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from brokers.base import OrderAnswer
from brokers.one_by_one import submit_one_by_one
from domain.enums import Side
from domain.messages import OrderReport, OrderRequest
from services.execution import send_orders
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_stock


class SlowVenue:
    """Stands before the venue; an order waits here until it is let through."""

    def __init__(self, desk: Desk) -> None:
        desk.take_single_orders()
        self._venue = desk.broker
        self.arrived, self.go_on = threading.Event(), threading.Event()

    def submit_order(self, request: OrderRequest) -> OrderReport:
        self.arrived.set()
        assert self.go_on.wait(30)
        return self._venue.submit_order(request)

    def submit_orders(self, requests: Sequence[OrderRequest]) -> Sequence[OrderAnswer]:
        return submit_one_by_one(self, requests)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    for symbol in ("AAA", "BBB"):
        make_stock(context, symbol)
    with open_desk(context, tmp_path, cash=Decimal(1000), leverage=Decimal(1)) as desk:
        for symbol in ("AAA", "BBB"):
            desk.venue.set_quote(symbol, Decimal(10), Decimal(10))
        yield desk


@pytest.fixture
def slow(desk: Desk, context: Flask) -> Iterator[tuple[SlowVenue, "Future[None]"]]:
    """A venue that has an order of 900 in hand and has not answered it yet."""
    venue = SlowVenue(desk)
    desk.alert("AAA", Side.BUY, "90", price="10")
    claims = desk.plan(ready=True) or []

    def send() -> None:
        with context.app_context():
            send_orders.send_now(claims, {desk.account_id: venue}, "worker")  # type: ignore[dict-item]

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        assert venue.arrived.wait(30)
        yield venue, sending
        venue.go_on.set()


def plan_another(desk: Desk) -> tuple[str, str | None]:
    rowid = desk.alert("BBB", Side.BUY, "50", price="10")
    desk.plan(ready=True)
    return desk.signal(rowid).status, desk.signal(rowid).status_reason


def test_what_an_order_on_its_way_will_need_stays_set_aside_whenever_the_account_is_asked(
    desk: Desk, slow: tuple[SlowVenue, "Future[None]"]
):
    desk.market.refresh(desk.account_id)
    desk.market.refresh(desk.account_id)
    assert plan_another(desk) == ("error", "buying power")


def test_an_answer_that_was_asked_for_before_the_order_was_answered_does_not_count_it(
    desk: Desk, slow: tuple[SlowVenue, "Future[None]"], monkeypatch: pytest.MonkeyPatch
):
    venue, sending = slow
    ask = desk.broker.account

    def account_of_before() -> Any:
        found = ask()
        venue.go_on.set()
        sending.result(30)  # answered and booked while the figures of before are on their way back
        return found

    monkeypatch.setattr(desk.broker, "account", account_of_before)
    desk.market.refresh(desk.account_id)
    monkeypatch.undo()
    assert plan_another(desk) == ("error", "buying power")


def test_once_the_broker_counts_an_order_nothing_is_set_aside_for_it(
    desk: Desk, slow: tuple[SlowVenue, "Future[None]"]
):
    venue, sending = slow
    venue.go_on.set()
    sending.result(30)
    desk.market.refresh(desk.account_id)
    rowid = desk.alert("BBB", Side.BUY, "10", price="10")
    desk.plan(ready=True)
    assert desk.signal(rowid).status == "created"
    assert desk.market._known[desk.account_id].reserved.signals == {rowid}
