"""What the tests of the paper broker share: settings, requests, a clock, work for processes."""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import event

from brokers.errors import BrokerError
from brokers.paper.broker import PaperBroker
from brokers.paper.settings import PaperSettings
from brokers.paper.venue import PaperVenue
from domain.enums import AssetClass, OrderType, Side, TimeInForce
from domain.messages import AlertPrice, OrderReport, OrderRequest

ACCOUNT = "demo"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


def make_settings(url: str, **overrides: Any) -> PaperSettings:
    values = {
        "slippage_bps": Decimal(0),
        "commission": Decimal(0),
        "reference_price": Decimal(100),
        "cash": Decimal(1_000_000),
    }
    return PaperSettings(url=url, **(values | overrides))


def make_request(**overrides: Any) -> OrderRequest:
    """Return a market order for 10 AAPL; `alert` (100) and `limit` (none) are short for the prices."""
    alert, limit = overrides.pop("alert", "100"), overrides.pop("limit", None)
    values = {
        "client_order_id": f"order-{os.getpid()}-{next(_numbers)}",
        "account": ACCOUNT,
        "symbol": "AAPL",
        "asset_class": AssetClass.STOCK,
        "currency": "USD",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.MARKET if limit is None else OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "limit_price": None if limit is None else Decimal(limit),
        "alert_price": None if alert is None else AlertPrice(price=Decimal(alert)),
    }
    return OrderRequest(**(values | overrides))


def wait_for_start(start: float) -> None:
    """Sleep until a moment of the system's clock, so that processes begin together."""
    time.sleep(max(0.0, start - time.time()))


def submit_one(url: str, start: float, client_order_id: str) -> str:
    """Work for a process: submit one order; the answer is its status or the name of an error."""
    wait_for_start(start)
    with closing(PaperVenue(make_settings(url))) as venue:
        try:
            return venue.submit(make_request(client_order_id=client_order_id)).status.value
        except BrokerError as e:
            return type(e).__name__


def submit_many(url: str, start: float, name: str, count: int) -> list[str]:
    """Work for a process: submit `count` orders, and return their broker order ids."""
    wait_for_start(start)
    with closing(PaperVenue(make_settings(url))) as venue:
        requests = [make_request(client_order_id=f"{name}-{n}") for n in range(count)]
        return [venue.submit(request).broker_order_id for request in requests]


def submit_and_die(url: str, told: Path) -> None:
    """Work for a process: submit orders, note each answer, and kill itself after the 20th."""
    venue = PaperVenue(make_settings(url))
    with told.open("ab", buffering=0) as file:
        for n in range(1, 21):
            report = venue.submit(make_request(client_order_id=f"durable-{n}"))
            file.write(f"{report.client_order_id}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def found(venue: PaperVenue, report: OrderReport) -> OrderReport:
    """Return an order as the venue has it now."""
    again = venue.find(ACCOUNT, report.client_order_id)
    assert again is not None
    return again


def orders_named(names: str, **overrides: Any) -> list[OrderRequest]:
    """Return an order for each letter, which is its id."""
    return [make_request(client_order_id=name, **overrides) for name in names]


def outcome_of(answer: OrderReport | BrokerError) -> str:
    """Return the status of an order, or the error with its text."""
    return answer.status.value if isinstance(answer, OrderReport) else f"{type(answer).__name__}: {answer}"


@contextmanager
def statements(venue: PaperVenue) -> Iterator[list[str]]:
    """Give the statements that are executed meanwhile, without BEGIN, and COMMIT for each commit."""
    found: list[str] = []

    def executed(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            found.append(statement)

    def committed(_: Any) -> None:
        found.append("COMMIT")

    engine = venue._store._engine
    event.listen(engine, "before_cursor_execute", executed)
    event.listen(engine, "commit", committed)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", executed)
        event.remove(engine, "commit", committed)


def ids_of(broker: PaperBroker) -> list[str]:
    """Return the ids of all orders, as the broker lists them."""
    return [report.client_order_id for report in broker.list_orders(datetime(2000, 1, 1, tzinfo=UTC))]
