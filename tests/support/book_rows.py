"""Rows of the desk's book as tests need them: orders, fills, events, positions, quotes; without a worker or broker."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask

from extensions import db, transaction
from models import AssetState, BrokerAccount, DailyResult, Fill, Order, OrderEvent, Position, Quote, Signal

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def add(app: Flask, *rows: Any) -> list[Any]:
    """Store rows and return their ids, None for those that have none of their own."""
    with app.app_context(), transaction() as session:
        session.add_all(rows)
        session.flush()
        return [getattr(row, "id", None) for row in rows]


def account_id(app: Flask, name: str = "paper") -> int:
    with app.app_context():
        found: int = db.session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.name == name)).scalar_one()
        return found


def order(symbol: str = "LNT", side: str = "buy", quantity: str = "10", **fields: Any) -> Order:
    values = {
        "account_id": 1,
        "leg": 1,
        "name": symbol,
        "symbol": symbol,
        "asset_class": "STK",
        "currency": "USD",
        "side": side,
        "quantity": Decimal(quantity),
        "order_type": "MARKET",
        "time_in_force": "DAY",
        "client_order_id": str(uuid.UUID(int=next(_numbers))),
        "status": "FILLED",
    }
    return Order(**{**values, **fields})


def fill(order_id: int, quantity: str = "10", price: str = "50", **fields: Any) -> Fill:
    values = {
        "account_id": 1,
        "execution_id": f"execution {next(_numbers)}",
        "order_id": order_id,
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "commission": Decimal(0),
        "at": NOON,
    }
    return Fill(**{**values, **fields})


def event(order_id: int, seq: int = 1, to_status: str = "QUEUED", **fields: Any) -> OrderEvent:
    values = {"from_status": None, "cause": "planned", "actor": "worker", "epoch": 0, "at": NOON}
    return OrderEvent(**{**values, "order_id": order_id, "seq": seq, "to_status": to_status, **fields})


def position(symbol: str = "LNT", quantity: str = "10", average_price: str = "50", **fields: Any) -> Position:
    values = {"account_id": 1, "name": symbol, "realised": Decimal(0), "commission": Decimal(0)}
    numbers = {"quantity": Decimal(quantity), "average_price": Decimal(average_price)}
    return Position(**{**values, "symbol": symbol, **numbers, **fields})


def quote(symbol: str = "LNT", bid: str = "50", ask: str = "51", **fields: Any) -> Quote:
    values = {"account_id": 1, "source": "a test", "at": datetime.now(UTC) - timedelta(seconds=5)}
    return Quote(**{**values, "symbol": symbol, "bid": Decimal(bid), "ask": Decimal(ask), **fields})


def step(symbol: str, quantity_step: str, **fields: Any) -> AssetState:
    values = {"account_id": 1, "tradable": True, "shortable": True, "quantity_step": Decimal(quantity_step)}
    return AssetState(**{**values, "symbol": symbol, **fields})


def result(day: str, symbol: str = "LNT", realised: str = "0", **fields: Any) -> DailyResult:
    values = {"account_id": 1, "name": symbol, "commission": Decimal(0), "traded": Decimal(0)}
    return DailyResult(**{**values, "day": day, "symbol": symbol, "realised": Decimal(realised), **fields})


def filled_signal(
    name: str = "LNT", side: str = "buy", slip: str | None = "0.1", filled: str = "10", **fields: Any
) -> Signal:
    number = next(_numbers)
    symbol1, _, symbol2 = name.partition("-")
    values = {
        "received_at": NOON,
        "source": "webhook",
        "dedupe_key": f"of a test {number}",
        "body_sha256": f"{number:064d}",
        "ticker": name,
        "side": side,
        "quantity": Decimal(filled),
        "price": Decimal(50),
        "name": name,
        "symbol1": symbol1,
        "symbol2": symbol2 or None,
        "account_id": 1,
        "status": "filled",
        "filled_quantity": Decimal(filled),
        "fill_price": Decimal(50),
        "slip": None if slip is None else Decimal(slip),
    }
    return Signal(**{**values, **fields})
