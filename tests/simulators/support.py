"""What tests of the simulator call it with: its REST API with the keys, and its control."""

from __future__ import annotations

from typing import Any

import requests

from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET, KEY, SECRET

FILL_AFTER = 5.0  # seconds of the simulator's clock, which stands nearly still unless a test moves it
TIMEOUT = 10
KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}


class Caller:
    """One HTTP session; answers come as they are, good and bad."""

    def __init__(self, url: str, **session: Any) -> None:
        self.url, self._session = url, requests.Session()
        for name, value in session.items():
            setattr(self._session, name, value)

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self._session.request(method, self.url + path, json=body, **{"timeout": TIMEOUT, **options})

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def read(self, path: str, **query: Any) -> Any:
        """Return the body of an answer that must be good."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Control(Caller):
    """The simulator's control."""

    def do(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.call(method, f"/sim{path}", body)
        assert answer.ok, answer.text
        return answer.json()

    def advance(self, seconds: float) -> None:
        """Move the clock; orders that have just come are in the book before."""
        for step in (0, seconds):
            self.do("POST", "/time", {"advance": step})

    def quote(self, symbol: str, bid: Any, ask: Any) -> None:
        self.do("PUT", f"/quotes/{symbol}", {"bid": str(bid), "ask": str(ask)})

    def fault(self, kind: str, **more: Any) -> None:
        self.do("POST", "/faults", {"kind": kind, **more})

    def faults_done(self) -> list[int]:
        return [fault["done"] for fault in self.do("GET", "/faults")]

    def open(self) -> None:
        self.do("PUT", "/clock", {"is_open": True})

    def shut(self) -> None:
        self.do("PUT", "/clock", {"is_open": False})

    def book(self) -> Any:
        return self.do("GET", "/book")


class Alpaca(Caller):
    """The trading and data API of one account."""

    def __init__(self, url: str, control: Control, keys: dict[str, str] | None = None) -> None:
        super().__init__(url, headers=keys or KEYS)
        self.control = control

    def submit(self, **terms: Any) -> requests.Response:
        return self.call("POST", "/v2/orders", make_order(**terms))

    def order(self, **terms: Any) -> Any:
        """Place an order that must be taken; it is in the book then."""
        answer = self.submit(**terms)
        assert answer.status_code == 200, answer.text
        self.control.advance(0)
        return answer.json()

    def filled(self, **terms: Any) -> Any:
        """Place an order and let it fill."""
        order = self.order(**terms)
        self.control.advance(FILL_AFTER)
        return self.again(order)

    def again(self, order: Any) -> Any:
        return self.read(f"/v2/orders/{order['id']}")

    def status(self, order: Any) -> str:
        return str(self.again(order)["status"])

    def cancel(self, order: Any) -> requests.Response:
        return self.call("DELETE", f"/v2/orders/{order['id']}")

    def replace(self, order: Any, **changes: Any) -> requests.Response:
        return self.call("PATCH", f"/v2/orders/{order['id']}", changes)


def make_order(**changes: Any) -> dict[str, Any]:
    """Return an order that is taken; `None` leaves a field out."""
    usual = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def make_broker(url: str) -> Caller:
    """Return a caller of the Broker API."""
    return Caller(url, auth=(BROKER_KEY, BROKER_SECRET))
