"""What the tests of the Alpaca adapter share: the simulator in a thread, and its control."""

import itertools
import os
import time
from contextlib import closing
from decimal import Decimal
from typing import Any

import requests

from brokers.alpaca import rate_budget
from brokers.alpaca.client import WALL_SECONDS, AlpacaClient
from brokers.alpaca.settings import AlpacaSettings
from domain.enums import AssetClass, Environment, OrderType, Side, TimeInForce
from domain.messages import OrderRequest
from simulators.alpaca.keys import KEY, SECRET
from simulators.alpaca.server import run_in_thread

ACCOUNT = "alpaca-sim"
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
