"""What the tests of repeated alerts share: two alerts that alternate, and signals as they are some time later."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from extensions import transaction
from models import Signal
from tests.support.factories import post_alert

SELL = {"order_action": "sell", "order_price": 51}
BUY = {"order_action": "buy", "order_price": 50}


def set_back(app: Flask, seconds: float) -> None:
    """Let all signals have been received so many seconds earlier, by the database's clock."""
    with app.app_context(), transaction() as session:
        for signal in session.execute(sa.select(Signal)).scalars():
            signal.received_at -= timedelta(seconds=seconds)


def change(app: Flask, rowid: int, **values: Any) -> None:
    """Give a signal other values."""
    with app.app_context(), transaction() as session:
        session.execute(sa.update(Signal).where(Signal.id == rowid).values(**values))


def deliver(client: FlaskClient, **alert: Any) -> TestResponse:
    """Post an alert as TradingView does: what is answered 503, by a machine that is too busy, comes again."""
    for _ in range(4):
        answer = post_alert(client, **alert)
        if answer.status_code != 503:
            break
    return answer
