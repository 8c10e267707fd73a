"""What v3's own Postman collection sends, in the order in which a person would, is answered as v3's clients expect.

Secrets are the desk's own; names of rows are those that this desk has given. All else is sent as v3's clients send it.
"""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.factories import ADMIN_PASSWORD, PASSPHRASE, bearer, make_pair

PASSWORD = "the password of user 2"
ALERT = {
    "passphrase": PASSPHRASE,
    "ticker": "NMFC-0.72*NASDAQ:ROIC",
    "order_action": "buy",
    "order_contracts": 100,
    "order_price": -0.01,
    "mar_pos": "long",
    "mar_pos_size": 100,
    "pre_mar_pos": "flat",
    "pre_mar_pos_size": 0,
    "order_comment": "Enter Long(...)",
}
EXECUTED = {
    "order_status": "canceled",
    "order_id1": 12,
    "order_id2": 14,
    "stk_price1": None,
    "stk_price2": None,
    "fill_price": None,
    "slip": None,
    "error_msg": "unregistered ticker",
}


class Collection:
    """Sends requests one after the other and remembers the tokens, as the collection's scripts do."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client
        self.tokens: dict[str, str] = {}
        self.passed = 0

    def send(self, method: str, path: str, status: int, body: Any = None, token: str | None = "access_token") -> Any:
        headers = bearer(self.tokens[token]) if token else {}
        response = self._client.open(f"/v3/{path}", method=method, json=body, headers=headers)
        assert response.status_code == status, (method, path, response.text)
        self.tokens |= {name: text for name, text in response.json.items() if name.endswith("_token")}
        self.passed += 1
        return response.json


@pytest.fixture
def v3(app: Flask, client: FlaskClient) -> Collection:
    """A client of a desk whose orders are sent by a program outside, as v3's were."""
    make_pair(app, "NMFC-ROIC", "0.72", account="external")
    return Collection(client)


def test_all_of_it_passes(v3: Collection) -> None:
    log_in = {"username": "admin", "password": ADMIN_PASSWORD, "expire": 20}
    assert v3.send("POST", "login", 200, log_in, None)["expire"] == 20

    stock = {"symbol": "EEE", "prixch": "SMART", "secxch": "NASDAQ", "active": 0}
    assert v3.send("POST", "regstock", 201, stock) == {"message": "Stock created successfully."}
    stock = {"symbol": "CCC", "prixch": "SMART", "secxch": "ISLAND", "active": 1}
    assert v3.send("PUT", "regstock", 201, stock).items() >= stock.items()
    assert {row["symbol"] for row in v3.send("GET", "stocks/0", 200)["stocks"]} >= {"EEE", "CCC"}
    assert v3.send("GET", "stock/CCC", 200).items() >= stock.items()
    assert v3.send("DELETE", "stock/CCC", 200) == {"message": "Item deleted"}

    pair = {"name": "AAA-BBB", "hedge": 1.123456789, "status": 0, "do not save": 0}
    told = v3.send("POST", "regpair", 201, pair)
    assert told == {"message": "'pair' created successfully.", "ignored": ["do not save"]}
    pair = {"name": "XXX-ZZZ", "hedge": 1.5878878979879879879877, "status": 0}
    assert v3.send("PUT", "regpair", 201, pair)["hedge"] == pytest.approx(1.5878879)
    assert {row["name"] for row in v3.send("GET", "pairs/0", 200, token=None)["pairs"]} >= {"AAA-BBB", "XXX-ZZZ"}
    assert v3.send("GET", "pair/AAA-BBB", 200, token=None)["ticker2"] == "BBB"
    assert v3.send("DELETE", "pair/XXX-ZZZ", 200) == {"message": "Item deleted"}

    first = v3.send("POST", "webhook", 201, ALERT, None)
    rowid = first["rowid"]
    assert first["message"] == "Signal created successfully."
    row = v3.send("GET", f"signal/{rowid}", 200, token=None)
    changed = {**row, **EXECUTED, "passphrase": PASSPHRASE}
    assert v3.send("PUT", "webhook", 200, changed)["rowid"] == rowid
    assert [each["rowid"] for each in v3.send("GET", "signals/0", 200)["signals"]] == [rowid]
    assert v3.send("GET", "signals/ticker/AAA/3", 200)["signals"] == []
    assert v3.send("GET", "signals/status/waiting/2", 200)["signals"] == []
    assert v3.send("DELETE", f"signal/{rowid}", 200) == {"message": "Item deleted"}

    user = {"username": "user2", "password": PASSWORD}
    assert v3.send("POST", "reguser", 201, user) == {"message": "'user' created successfully."}
    assert v3.send("PUT", "reguser", 200, user)["username"] == "user2"
    assert {each["username"] for each in v3.send("GET", "users/0", 200)["users"]} == {"admin", "user2"}
    assert v3.send("GET", "user/user2", 200)["username"] == "user2"
    assert v3.send("DELETE", "user/user2", 200) == {"message": "'user' deleted successfully."}

    assert "access_token" in v3.send("POST", "refresh", 200, token="refresh_token")
    assert v3.send("POST", "logout", 200) == {"message": "Successfully logged out"}
    assert v3.passed == 25
