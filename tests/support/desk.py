"""A desk whose worker takes its steps when a test says so, on a paper venue of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from brokers.one_by_one import submit_one_by_one
from brokers.paper.broker import PaperBroker
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.settings import PaperSettings
from brokers.paper.venue import PaperVenue
from domain.alert import Alert
from domain.enums import Side
from domain.messages import OrderReport, OrderRequest
from extensions import db, transaction
from models import BrokerAccount, Order, OrderEvent, Signal
from models.signal import WAITING
from services.broker_state.market import Market
from services.execution import cancel_orders, send_orders, submit_orders
from services.intake.receive import receive_signal
from services.planning import plan_signals
from services.planning.broker_needs import WorkerContext
from services.reconciliation import look_ups, sync_broker

LIFETIME = timedelta(seconds=120)


class Desk:
    """The services of one worker, inside the app context of the test."""

    def __init__(self, app: Flask, folder: Path, **settings: Any) -> None:
        values = {
            "url": f"sqlite:///{folder}/paper.db",
            "slippage_bps": Decimal(0),
            "commission": Decimal(0),
            "reference_price": Decimal(100),
            "cash": Decimal(10**9),  # enough for any test that is not about buying power
        }
        self.venue = PaperVenue(PaperSettings(**{**values, **settings}))
        self.broker = PaperBroker(self.venue, "paper")
        self.account_id = db.session.execute(
            sa.select(BrokerAccount.id).where(BrokerAccount.name == "paper")
        ).scalar_one()
        db.session.rollback()
        self.brokers = {self.account_id: self.broker}
        self.market = Market(self.brokers)
        self.lifetime = LIFETIME
        self.count = 0

    def take_single_orders(self) -> None:
        """Let each order have a call of its own, for tests that stand in the way of single ones."""
        self.broker.capabilities = replace(self.broker.capabilities, batch_size=1)  # type: ignore[misc]

    def alert(
        self, ticker: str, side: Side = Side.BUY, quantity: str = "10", price: str | None = "50", **more: Any
    ) -> int:
        """Receive an alert and return its rowid."""
        self.count += 1
        fields = {"signal_id": f"test-{self.count}", "body_sha256": f"{self.count:064d}", **more}
        received = receive_signal(
            Alert(
                ticker=ticker,
                side=side,
                quantity=Decimal(quantity),
                price=None if price is None else Decimal(price),
                **fields,
            )
        )
        return received.rowid

    def plan(
        self, worker: str = "worker", *, ready: bool = False, most: int | None = 1
    ) -> list[submit_orders.Claim] | None:
        """Plan the next signals; their orders stay queued unless `ready`, and None means that no signal waits."""
        desk = WorkerContext(
            brokers=self.brokers,
            market=self.market,
            ready=frozenset(self.brokers) if ready else frozenset(),
            lifetime=self.lifetime,
            leg_timeout=60,
            worker=worker,
        )
        return plan_signals.plan_next(desk, most)

    def submit(self, worker: str = "worker") -> bool:
        return submit_orders.submit_next(self.brokers, worker)

    def cancel(self, worker: str = "worker") -> bool:
        return cancel_orders.cancel_next(self.brokers, worker)

    def work(self, *, at_once: bool = True) -> None:
        """Plan, send and cancel all that can be planned, sent and canceled now."""
        while True:
            claims = self.plan(ready=at_once)
            if claims:
                send_orders.send_now(claims, self.brokers, "worker")
            if not (claims is not None or self.submit() or self.cancel()):
                return

    def work_off(self) -> None:
        """Work until nothing is queued any more; what is put off for a moment is due at once."""
        for _ in range(10):
            self.work()
            with transaction() as session:
                queued = sa.update(Order).where(Order.status == "QUEUED").values(next_at=Order.created_at)
                waiting = sa.update(Signal).where(Signal.look_at.is_not(None), WAITING).values(look_at=None)
                left = [session.execute(each).rowcount for each in (queued, waiting)]  # type: ignore[attr-defined]
            if not any(left):
                return

    def look_up(self) -> bool:
        """Look up the next unknown outcome at once, whenever it is due."""
        with transaction() as session:
            session.execute(
                sa.update(Order)
                .where(Order.status == "UNKNOWN")
                .values(next_at=sa.func.coalesce(Order.sent_at, Order.next_at))
            )
        return look_ups.resolve_next(self.brokers, "worker")

    def poll(self) -> None:
        """Ask the venue for all changes of the last hour."""
        sync_broker.poll_account(self.account_id, self.broker, None, "worker")

    def tell(self, kind: Kind, count: int = 1, **more: Any) -> None:
        self.venue.instruct(Instruction(kind=kind, **more), count)

    def signal(self, rowid: int) -> Signal:
        db.session.rollback()
        db.session.expire_all()
        return db.session.execute(sa.select(Signal).where(Signal.id == rowid)).scalar_one()

    def orders(self, rowid: int) -> list[Order]:
        db.session.rollback()
        db.session.expire_all()
        return list(db.session.execute(sa.select(Order).where(Order.signal_id == rowid).order_by(Order.leg)).scalars())

    def moves(self, order: Order) -> list[str]:
        """Return the statuses an order went through."""
        events = db.session.execute(
            sa.select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.seq)
        ).scalars()
        return [event.to_status for event in events]

    def send_through(self, submit: Callable[[OrderRequest], OrderReport]) -> None:
        """Let each order that is sent to the broker, alone or with others, go through `submit`."""
        self.broker.submit_order = submit  # type: ignore[method-assign]
        self.broker.submit_orders = partial(submit_one_by_one, self.broker)  # type: ignore[method-assign]

    def close(self) -> None:
        self.venue.close()


@contextmanager
def open_desk(app: Flask, folder: Path, **settings: Any) -> Iterator[Desk]:
    desk = Desk(app, folder, **settings)
    try:
        yield desk
    finally:
        desk.close()
