"""A program beside Interactive Brokers as v4's clients were: it polls without a token, and writes with the passphrase."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.factories import PASSPHRASE, exact


class Executor:
    """Makes the calls of such a program, and keeps each with its answer's status."""

    def __init__(self, client: FlaskClient, first_order_id: int = 944) -> None:
        self._client = client
        self._next_order_id = first_order_id
        self.calls: list[tuple[str, str, int]] = []

    def get(self, path: str) -> Any:
        return exact(self.call("GET", path))

    def put(self, path: str, **body: Any) -> TestResponse:
        return self.call("PUT", path, passphrase=PASSPHRASE, **body)

    def post(self, path: str, **body: Any) -> TestResponse:
        return self.call("POST", path, passphrase=PASSPHRASE, **body)

    def call(self, method: str, path: str, **body: Any) -> TestResponse:
        answer = self._client.open(f"/v4/{path}", method=method, **({"json": body} if body else {}))
        self.calls.append((method, path, answer.status_code))
        return answer

    def waiting(self, status: str = "waiting") -> list[dict[str, Any]]:
        """Return the rows of a status as a client in Python reads them: numbers with a point are floats there."""
        answer = self.call("GET", f"signals/status/{status}/0")
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json["signals"]
        return rows

    def is_sound(self, row: dict[str, Any]) -> bool:
        """Return True if the sizes of a row add up, as the program itself counts them."""
        size = -row["mar_pos_size"] if row["mar_pos"] == "short" else row["mar_pos_size"]
        before = -row["pre_mar_pos_size"] if row["pre_mar_pos"] == "short" else row["pre_mar_pos_size"]
        sign = 1 if row["order_action"] == "buy" else -1
        return bool(size == before + sign * row["order_contracts"])

    def send(self, row: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Look up the tickers of a row, give its legs order ids, and put it back as created."""
        tickers = [self.get(f"ticker/{row[name]}") for name in ("ticker1", "ticker2") if row[name] is not None]
        for ticker in tickers:
            assert {"xch", "prixch", "sectype", "currency", "order_type"} <= ticker.keys()
        changed = {**row, "order_status": "created", "status_msg": "", "error_msg": "", **changes}
        for number, _ in enumerate(tickers, 1):
            changed[f"order_id{number}"] = self._next_order_id
            self._next_order_id += 1
        answer = self.put("webhook", **changed)
        assert answer.status_code == 200, answer.text
        return dict(exact(answer))

    def fill(self, order_id: int, symbol: str, price: float, filled_qty: float) -> TestResponse:
        """Report what is filled of an order by now, its number as text, as it is read from an execution."""
        return self.put("signal/updateorder", order_id=str(order_id), symbol=symbol, price=price, filled_qty=filled_qty)

    def filled(self, order_id: int, symbol: str, price: float, filled_qty: float) -> dict[str, Any]:
        answer = self.fill(order_id, symbol, price, filled_qty)
        assert answer.status_code == 200, answer.text
        return dict(exact(answer))

    def cancel(self, order_id: int, symbol: str) -> TestResponse:
        return self.put("signal/updateorder", order_id=order_id, symbol=symbol, cancel=True, price=-1, filled_qty=-1)
