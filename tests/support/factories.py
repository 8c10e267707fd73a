"""What tests are made of: settings, users, stocks, pairs, alerts, and threads that start at the same moment."""

import json
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import Config
from domain.enums import Activity, Role
from extensions import db
from services.catalog import pairs, stocks
from services.catalog.registry_changes import Editor
from services.identity import users

PASSPHRASE = "an alert may carry 7 words"
ADMIN_PASSWORD = "the desk of a careful trader"
USER_PASSWORD = "a reader of this desk"
TESTER = Editor("the test", is_admin=True)  # who has made what a test begins with
ABSENT: Any = object()  # in make_alert_body: leave the field out

T = TypeVar("T")
REFUSALS = ("refused_deliveries", "refused_counts")  # that something was refused is on record, and changes nothing else


def make_env(url: str, folder: Path, **overrides: str) -> dict[str, str]:
    """Return the environment of a desk on that database; the same keys each time, as on one installation."""
    return {
        "INSTANCE_DIR": str(folder),
        "DATABASE_URL": url,
        "SECRET_KEY": "signs the sessions of this test desk only, and never those of another one",
        "JWT_SECRET_KEY": "signs the tokens of this test desk only, and never those of another one",
        "CREDENTIALS_KEY": "encrypts the keys of this test desk only and never those of another one",
        "ADMIN_PASSWORD": ADMIN_PASSWORD,
        "WEBHOOK_PASSPHRASE": PASSPHRASE,
        **overrides,
    }


def make_config(url: str, folder: Path, **overrides: str) -> Config:
    return Config.from_env(make_env(url, folder, **overrides))


def make_user(app: Flask, username: str = "reader", password: str = USER_PASSWORD, role: Role = Role.USER) -> None:
    with app.app_context():
        users.create_user(username, password, role, actor=TESTER.name)


def log_in(client: FlaskClient, username: str = "admin", password: str = ADMIN_PASSWORD, **more: Any) -> dict[str, Any]:
    """Return the answer to a log-in, with the header of its access token under `headers`."""
    response = client.post("/v3/login", json={"username": username, "password": password, **more})
    assert response.status_code == 200, response.text
    return {**response.json, "headers": bearer(response.json["access_token"])}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def make_stock(app: Flask, symbol: str = "LNT", **fields: Any) -> None:
    """Register a stock; active unless `activity` says otherwise."""
    with app.app_context():
        stocks.put_stock(stocks.StockForm(**{"symbol": symbol, "activity": Activity.ACTIVE, **fields}), TESTER)


def make_pair(app: Flask, name: str = "LNT-FTS", hedge_ratio: str = "1", **fields: Any) -> None:
    """Register a pair, active unless `activity` says otherwise, and its legs as passive stocks."""
    symbol1, symbol2 = name.split("-")
    form = {"symbol1": symbol1, "symbol2": symbol2, "hedge_ratio": Decimal(hedge_ratio)}
    with app.app_context():
        pairs.put_pair(pairs.PairForm(**form), TESTER)
        pairs.put_pair(pairs.PairForm(**{**form, "activity": Activity.ACTIVE, **fields}), TESTER)


def make_alert_body(**overrides: Any) -> dict[str, Any]:
    """Return an alert's body; a field given as ABSENT is left out."""
    body = {"passphrase": PASSPHRASE, "ticker": "LNT", "order_action": "buy", "order_contracts": 100, **overrides}
    return {name: value for name, value in body.items() if value is not ABSENT}


def post_alert(client: FlaskClient, **overrides: Any) -> TestResponse:
    return client.post("/v3/webhook", json=make_alert_body(**overrides))


def store_alert(client: FlaskClient, **overrides: Any) -> int:
    """Post an alert that must be stored anew and return its rowid."""
    response = post_alert(client, **overrides)
    assert response.status_code == 201, response.text
    rowid: int = response.json["rowid"]
    return rowid


def get_signal(client: FlaskClient, rowid: int) -> dict[str, Any]:
    response = client.get(f"/v3/signal/{rowid}")
    assert response.status_code == 200, response.text
    return exact(response)


def exact(response: TestResponse) -> Any:
    """Return a JSON answer with its numbers as written; raises for NaN and Infinity, which are no JSON."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} in an answer")

    return json.loads(response.get_data(as_text=True), parse_float=Decimal, parse_constant=refuse)


def count_rows(app: Flask, *leave_out: str) -> dict[str, int]:
    """Return how many rows each table has."""
    with app.app_context():
        return {
            table.name: db.session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in db.metadata.sorted_tables
            if table.name not in (*leave_out, *REFUSALS)
        }


def dump_tables(app: Flask, *leave_out: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return the content of each table, for a look before and after."""
    with app.app_context():
        return {
            table.name: sorted((tuple(row) for row in db.session.execute(sa.select(table))), key=repr)
            for table in db.metadata.sorted_tables
            if table.name not in (*leave_out, *REFUSALS)
        }


def together(*actions: Callable[[], T]) -> list[T | Exception]:
    """Run the actions in threads that start at the same moment; an exception counts as the result."""
    start = threading.Barrier(len(actions))
    results: list[Any] = [None] * len(actions)

    def run(number: int, action: Callable[[], T]) -> None:
        start.wait()
        try:
            results[number] = action()
        except Exception as e:
            results[number] = e

    threads = [threading.Thread(target=run, args=item) for item in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
