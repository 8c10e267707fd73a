"""What tests of the pages share: a visitor who fills in forms, and rows to look at."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from extensions import db, transaction
from models import BrokerAccount, Fill, Order, OrderEvent, Signal, Worker
from tests.support.factories import ADMIN_PASSWORD

_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]{64})"')
_ROW = re.compile(r'<tr data-key="s(\d+)">')


def form_token(client: FlaskClient, path: str = "/login") -> str:
    """Return the token of the form on a page."""
    found = _TOKEN.search(client.get(path).text)
    assert found, f"{path} has no form"
    return found[1]


def log_in_page(
    client: FlaskClient, username: str = "admin", password: str = ADMIN_PASSWORD, **more: Any
) -> TestResponse:
    """Fill in the log-in form as a browser does."""
    token = form_token(client)
    return client.post("/login", data={"username": username, "password": password, "csrf_token": token, **more})


def log_out_page(client: FlaskClient) -> TestResponse:
    return client.post("/logout", data={"csrf_token": form_token(client, "/")})


def is_logged_in(client: FlaskClient) -> bool:
    return "Log out" in client.get("/guide").text


def session_cookie(client: FlaskClient) -> str | None:
    cookie = client.get_cookie("session")
    return cookie.value if cookie else None


def shown_rows(response: TestResponse) -> list[int]:
    """Return the row ids of the signals that a list shows, in its order."""
    return [int(rowid) for rowid in _ROW.findall(response.text)]


def plain_text(response: TestResponse) -> str:
    """Return what a reader sees, in one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", response.text)))


def add_signal(app: Flask, **fields: Any) -> int:
    """Store a signal as it would be after its life so far; returns its row id."""
    now = datetime.now(UTC)
    age = timedelta(seconds=fields.pop("age", 0))
    with app.app_context(), transaction() as session:
        account = session.execute(sa.select(BrokerAccount).where(BrokerAccount.is_default)).scalar_one()
        number = session.execute(sa.select(sa.func.count()).select_from(Signal)).scalar_one()
        values = {
            "source": "webhook",
            "dedupe_key": f"id:{number}",
            "body_sha256": "0" * 64,
            "received_at": now - age,
            "ticker": "LNT",
            "side": "buy",
            "quantity": Decimal(100),
            "price": Decimal("61.2"),
            "ticker_type": "single",
            "name": "LNT",
            "symbol1": "LNT",
            "account_id": account.id,
        }
        row = Signal(**{**values, **fields})
        session.add(row)
        session.flush()
        return row.id


def add_filled_pair(app: Flask) -> int:
    """Store MA-3*V, bought 20 at -2.0 and filled at 300.1 and 100.756, one fill of leg 2 synthetic."""
    rowid = add_signal(
        app,
        ticker="NYSE:MA-3*NYSE:V",
        ticker_type="pair",
        name="MA-V",
        symbol1="MA",
        symbol2="V",
        hedge_ratio=Decimal(3),
        quantity=Decimal(20),
        price=Decimal(-2),
        status="filled",
        leg_price1=Decimal("300.1"),
        leg_price2=Decimal("100.756"),
        fill_price=Decimal("-2.168"),
        slip=Decimal("0.168"),
        filled_quantity=Decimal(20),
        trace=[
            {"check": "hedge", "ok": True, "text": "The hedge ratios are equal.", "values": {"registered": "3"}},
            {"check": "sizes", "ok": False, "text": "The sizes do not add up.", "values": {}},
        ],
    )
    with app.app_context(), transaction() as session:
        account = session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.is_default)).scalar_one()
        for leg, symbol, side, quantity, price in ((1, "MA", "buy", 20, "300.1"), (2, "V", "sell", 60, "100.756")):
            order = Order(
                signal_id=rowid,
                leg=leg,
                account_id=account,
                symbol=symbol,
                asset_class="STK",
                currency="USD",
                side=side,
                quantity=Decimal(quantity),
                order_type="MARKET",
                time_in_force="DAY",
                client_order_id=f"s{rowid}-{leg}",
                broker_order_id=f"broker-{leg}",
                status="FILLED",
                filled_quantity=Decimal(quantity),
                average_price=Decimal(price),
            )
            session.add(order)
            session.flush()
            fill = {"quantity": Decimal(quantity), "price": Decimal(price), "commission": Decimal("0.35")}
            at = datetime.now(UTC)
            session.add(
                Fill(account_id=account, execution_id=f"x-{leg}", order_id=order.id, synthetic=leg == 2, at=at, **fill)
            )
            session.add(
                OrderEvent(
                    order_id=order.id, seq=1, to_status="QUEUED", cause="planned by the worker", actor="w", epoch=1
                )
            )
    return rowid


def add_worker(app: Flask, silent: float = 0, **fields: Any) -> None:
    """Let a worker have been heard from `silent` seconds ago."""
    with app.app_context(), transaction() as session:
        session.add(Worker(name="w", seen_at=datetime.now(UTC) - timedelta(seconds=silent), **fields))


def change_default_route(app: Flask, name: str) -> None:
    with app.app_context(), transaction() as session:
        session.execute(sa.update(BrokerAccount).values(is_default=False))
        session.execute(sa.update(BrokerAccount).where(BrokerAccount.name == name).values(is_default=True))


def scalars(app: Flask, query: Any) -> list[Any]:
    with app.app_context():
        return list(db.session.execute(query).scalars())
