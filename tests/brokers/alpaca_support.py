"""What the tests of the Alpaca adapter share: the simulator in a thread, and its control."""

import itertools
import os
import time
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
import requests

from brokers.alpaca import rate_budget
from brokers.alpaca.broker import AlpacaBroker
from brokers.alpaca.client import WALL_SECONDS, AlpacaClient
from brokers.alpaca.settings import AlpacaSettings
from domain.enums import AssetClass, Environment, OrderType, Side, TimeInForce
from domain.messages import OrderReport, OrderRequest
from simulators.alpaca.keys import KEY, SECRET
from simulators.alpaca.server import run_in_thread
from tests.support.brokers import find

ACCOUNT = "alpaca-sim"
FILL_AFTER = 60.0  # seconds by the simulator's clock, which stands still unless a test moves it on
_numbers = itertools.count(1)


class Simulator:
    """A simulator on a port of its own, and what it can be told."""

    def __init__(self, **options: Any) -> None:
        self.running = run_in_thread(**{"fill_after": 0.01, "rate_limit": 100_000, **options})
        self.url = self.running.url
        self._session = requests.Session()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._session.request(method, f"{self.url}/sim/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def tell(self, kind: str, **more: Any) -> None:
        self.control("POST", "faults", {"kind": kind, **more})

    def advance(self, seconds: float) -> None:
        self.control("POST", "time", {"advance": seconds})

    def by_hand(self, method: str, path: str, body: Any = None) -> Any:
        """Do what the account's owner does past the desk; returns the venue's answer, None where it has no text."""
        headers = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
        answer = self._session.request(method, f"{self.url}/v2/{path}", headers=headers, json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json() if answer.text else None

    def count(self, request: str) -> int:
        """Return how often a request such as `POST /v2/orders` has arrived."""
        found: int = self.control("GET", "book")["requests"].get(request, 0)
        return found

    def close(self) -> None:
        self._session.close()
        self.running.close()


class Clock:
    """The machine's clocks, plus what a test has let pass, and what somebody has set the time of day forward or back."""

    def __init__(self) -> None:
        self.ahead = self.set_by = 0.0

    def time(self) -> float:
        return time.time() + self.ahead + self.set_by

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


def open_client(url: str, wall: float = WALL_SECONDS, clock: rate_budget.Clock = time) -> closing[AlpacaClient]:
    """Return a client whose calls take `wall` seconds at most."""
    client = AlpacaClient(make_settings(url), clock)
    client._trading._session.wall_seconds = client._data._session.wall_seconds = wall
    return closing(client)


def make_settings(url: str, **overrides: Any) -> AlpacaSettings:
    values = {"environment": Environment.SIMULATOR, "key_id": KEY, "secret_key": SECRET, "simulator_url": url}
    return AlpacaSettings(**{**values, **overrides})


def make_request(**overrides: Any) -> OrderRequest:
    """Return a market order for 10 AAPL; `limit` and `stop` are short for the prices."""
    limit, stop = overrides.pop("limit", None), overrides.pop("stop", None)
    kinds = {(False, False): OrderType.MARKET, (True, False): OrderType.LIMIT, (False, True): OrderType.STOP}
    values = {
        "client_order_id": f"order-{os.getpid()}-{next(_numbers)}",
        "account": ACCOUNT,
        "symbol": "AAPL",
        "asset_class": AssetClass.STOCK,
        "currency": "USD",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": kinds.get((limit is not None, stop is not None), OrderType.STOP_LIMIT),
        "time_in_force": TimeInForce.DAY,
        "limit_price": None if limit is None else Decimal(limit),
        "stop_price": None if stop is None else Decimal(stop),
    }
    return OrderRequest(**{**values, **overrides})


class Desk:
    """A broker, and the simulator behind it."""

    def __init__(self) -> None:
        self.simulator = Simulator(fill_after=FILL_AFTER)
        self.broker = AlpacaBroker(make_settings(self.simulator.url), ACCOUNT)
        self.quote("10.00", "10.02")

    def quote(self, bid: str, ask: str, symbol: str = "AAPL") -> None:
        self.simulator.control("PUT", f"quotes/{symbol}", {"bid": bid, "ask": ask})

    def open_market(self, is_open: bool = True) -> None:
        self.simulator.control("PUT", "clock", {"is_open": is_open})

    def send(self, **overrides: Any) -> str:
        """Send an order and let it come to life; returns its id."""
        request = make_request(**overrides)
        self.broker.submit_order(request)
        self.simulator.advance(0.001)
        return request.client_order_id

    def find(self, client_order_id: str) -> OrderReport:
        report = find(self.broker, client_order_id)
        assert report is not None
        return report

    def trade(self, **overrides: Any) -> OrderReport:
        """Send an order and let the time pass in which it is filled."""
        client_order_id = self.send(**overrides)
        self.pass_time()
        return self.find(client_order_id)

    def pass_time(self, seconds: float = FILL_AFTER + 1) -> None:
        self.simulator.advance(seconds)

    def fill(self, client_order_id: str, quantity: str) -> None:
        self.simulator.control("POST", f"orders/{client_order_id}/fill", {"quantity": quantity})

    def at_alpaca(self, client_order_id: str) -> dict[str, Any]:
        """Return the order as the simulator has it."""
        orders = self.simulator.control("GET", "book")["orders"]
        return next(order for order in orders if order["client_order_id"] == client_order_id)

    def close(self) -> None:
        self.broker.close()
        self.simulator.close()


def filled(report: OrderReport) -> Decimal:
    return report.filled


def change_reads(monkeypatch: pytest.MonkeyPatch, path: str, change: Any) -> None:
    """Let the answers to a read be changed on their way."""
    original = AlpacaClient.read

    def read(self: AlpacaClient, asked: str, params: dict[str, Any] | None = None, **more: Any) -> Any:
        answer = original(self, asked, params, **more)
        return change(answer) if asked == path else answer

    monkeypatch.setattr(AlpacaClient, "read", read)


def make_order(**overrides: Any) -> dict[str, Any]:
    """Return an order as Alpaca writes it."""
    usual = {
        "id": "alpaca-1", "client_order_id": "ours-1", "symbol": "AAPL", "side": "buy", "qty": "10",
        "filled_qty": "0", "status": "new", "created_at": "2026-11-25T12:00:00.123456789Z", "updated_at": None,
    }  # fmt: skip
    return {**usual, **overrides}
