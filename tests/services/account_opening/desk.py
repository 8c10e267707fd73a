"""A desk whose brokerage is the simulator: both in this process, so that a test can look behind both."""

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.alpaca.accounts import BrokerageClient
from brokers.alpaca.settings import BrokerageSettings
from domain.account_opening.status import Application
from extensions import db, transaction
from models import BrokerageAccount
from services.account_opening import follow_accounts
from services.account_opening.open_account import sign_up
from simulators.alpaca.broker_api import customers
from simulators.alpaca.keys import BROKER_KEY, BROKER_SECRET
from simulators.alpaca.server import Running, run_in_thread
from simulators.alpaca.trading import WORLD
from tests.support.apps import closing_app
from tests.support.factories import make_config

OWNER = 1  # the admin of each desk
WORKER = "worker:1"
TAX_ID = "123-45-6789"
ADDRESS = "/v1/accounts"
APPROVED_AFTER, ACTIVE_AFTER = 3600, 7200
COLUMNS = ("sent_at", "requested_at", "status_at", "next_at")


class Alpaca:
    """The simulator, told by its control what to do wrong."""

    def __init__(self, running: Running) -> None:
        self.url, self._running = running.url, running

    @property
    def customers(self) -> list[Any]:
        found: list[Any] = self._running.app[WORLD].customers
        return found

    def asked(self, method: str = "POST", path: str = ADDRESS) -> int:
        """Return how often something was asked for."""
        return self._running.app[WORLD].requests[f"{method} {path}"]

    def tell(self, kind: str, **more: Any) -> None:
        self.control("POST", "/sim/faults", {"kind": kind, "where": ADDRESS, **more})

    def move(self, alpaca_id: str, **more: Any) -> None:
        self.control("PUT", f"/sim/broker/accounts/{alpaca_id}", more)

    def pass_time(self, seconds: float) -> None:
        self.control("POST", "/sim/time", {"advance": seconds})

    def control(self, method: str, path: str, body: dict[str, Any]) -> None:
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            answer.read()


@contextlib.contextmanager
def simulated_alpaca() -> Iterator[Alpaca]:
    """A simulator that approves nothing before its clock is moved."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(customers, "APPROVED_AFTER", APPROVED_AFTER)
        patch.setattr(customers, "ACTIVE_AFTER", ACTIVE_AFTER)
        running = run_in_thread(rate_limit=10_000)
        try:
            yield Alpaca(running)
        finally:
            running.close()


@contextlib.contextmanager
def brokerage_app(alpaca_url: str, database_url: str, folder: Path, **settings: str) -> Iterator[Flask]:
    usual = {
        "APCA_BROKER_API_KEY": BROKER_KEY,
        "APCA_BROKER_API_SECRET": BROKER_SECRET,
        "APCA_BROKER_API_ENVIRONMENT": "simulator",
        "ALPACA_SIMULATOR_URL": alpaca_url,
    }
    with closing_app(make_config(database_url, folder, **{**usual, **settings})) as app:
        yield app


def hurry(app: Flask, url: str, wall_seconds: float) -> None:
    """Let the desk wait for Alpaca only so long."""
    settings = BrokerageSettings(
        environment="simulator", key_id=BROKER_KEY, secret_key=BROKER_SECRET, simulator_url=url
    )
    app.extensions["brokerage"] = BrokerageClient(settings, wall_seconds)


def application(email: str = "ada@example.com", name: str = "Ada Lovelace", **identity: Any) -> Application:
    """Return an application that says who she is and leaves the rest to be made up."""
    return Application(
        name=name,
        email=email,
        contact={},
        identity={"tax_id": TAX_ID, "tax_id_type": "USA_SSN", **identity},
        disclosures={},
        agreements=None,
    )


def rows() -> list[BrokerageAccount]:
    db.session.rollback()
    db.session.expire_all()
    return list(db.session.execute(sa.select(BrokerageAccount).order_by(BrokerageAccount.id)).scalars())


def statuses() -> list[str]:
    return [row.status for row in rows()]


def let_pass(seconds: float) -> None:
    """Make everything that was done so many seconds older."""
    with transaction() as session:
        for row in session.execute(sa.select(BrokerageAccount)).scalars():
            for column in COLUMNS:
                setattr(row, column, getattr(row, column) - timedelta(seconds=seconds))


def open_one(
    name: str = "Ada Lovelace", email: str = "ada@example.com", disclosures: dict[str, bool] | None = None
) -> int:
    """Open an account for the admin; returns its row's number."""
    form = application(email, name)
    form.disclosures.update(disclosures or {})
    return sign_up(OWNER, form, None).account_id


def follow(seconds: float = 61) -> int:
    """Let so much time pass on our side, and follow all that is due; returns how many accounts that was."""
    let_pass(seconds)
    looked = 0
    while follow_accounts.follow_next():
        looked += 1
    return looked
