"""A desk that trades at the Alpaca simulator: its worker takes its steps when a test says so."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask import Flask

from brokers.alpaca.broker import AlpacaBroker
from extensions import db
from models import AccountState, BrokerAccount
from services.accounts.connections import connect, desk_accounts
from services.broker_state.market import Market
from services.worker.account_session import AccountSession
from tests.brokers.alpaca_support import ACCOUNT, Simulator
from tests.support.desk import LIFETIME, Desk

PATIENCE = 10.0


class AlpacaDesk(Desk):
    """The services of one worker with one Alpaca account; needs the app context of the test."""

    def __init__(self, app: Flask, simulator: Simulator, **pace: float) -> None:
        self.app, self.simulator = app, simulator
        self.account_id = db.session.execute(
            sa.select(BrokerAccount.id).where(BrokerAccount.name == ACCOUNT)
        ).scalar_one()
        db.session.rollback()
        terms = desk_accounts()[self.account_id]
        broker = connect(app.config["DESK"], terms)
        assert isinstance(broker, AlpacaBroker)
        broker.capabilities = broker.capabilities.paced(**{"settle": 2.0, "poll": 5.0, "state": 10.0, **pace})
        self.broker = broker  # type: ignore[assignment]
        self.brokers = {self.account_id: self.broker}
        self.market = Market(self.brokers)
        self.lifetime = LIFETIME
        self.count = 0
        self._sessions: list[AccountSession] = []

    def account_session(self, worker: str = "worker") -> AccountSession:
        made = AccountSession(
            self.app, self.account_id, self.broker, self.market, name="sim", worker=worker, wake=lambda: None
        )
        self._sessions.append(made)
        return made

    def state(self) -> AccountState:
        db.session.rollback()
        db.session.expire_all()
        return db.session.execute(
            sa.select(AccountState).where(AccountState.account_id == self.account_id)
        ).scalar_one()

    def wait(self, condition: Callable[[], Any]) -> None:
        """Return once the condition holds; what is done meanwhile is done by other threads."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it did not come to be"
            time.sleep(0.02)

    def close(self) -> None:
        for account_session in self._sessions:
            account_session.end(PATIENCE)
            account_session._close_stream()  # of a session whose steps the test took itself
        self.broker.close()


@contextmanager
def open_alpaca_desk(app: Flask, simulator: Simulator, **pace: float) -> Iterator[AlpacaDesk]:
    desk = AlpacaDesk(app, simulator, **pace)
    try:
        yield desk
    finally:
        desk.close()
