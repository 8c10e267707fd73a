"""Two workers on one PostgreSQL: every order is sent once, and one of a symbol at a time."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import Side
from domain.lanes.account_book import AccountBook
from domain.messages import OrderReport, OrderRequest
from extensions import db, transaction
from models import Order, OrderEvent, Position, Signal
from services.broker_state.market import Market
from services.catalog import check_limits
from services.catalog.check_limits import RuleForm
from services.execution import cancel_orders, send_orders, submit_orders
from services.planning import plan_signals
from services.planning.broker_needs import WorkerContext
from tests.support.apps import closing_app
from tests.support.desk import LIFETIME, Desk, open_desk
from tests.support.factories import make_config, make_pair, make_stock, together

pytestmark = pytest.mark.postgres
SYMBOLS = [f"S{n:02}" for n in range(20)]


@pytest.fixture
def app(postgresql_url: str, tmp_path: Path) -> Iterator[Flask]:
    with closing_app(make_config(postgresql_url, tmp_path)) as app:
        yield app


@pytest.fixture
def desk(app: Flask, fast_folder: Path) -> Iterator[Desk]:
    with app.app_context(), open_desk(app, fast_folder) as desk:
        yield desk


class Watch:
    """Sees which orders are at the venue at the same moment."""

    def __init__(self, desk: Desk) -> None:
        self.lock = threading.Lock()
        self.now: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.doubled: list[str] = []
        self._real = desk.broker.submit_order

    def submit(self, request: OrderRequest) -> OrderReport:
        with self.lock:
            self.now[request.symbol] += 1
            self.sent[request.client_order_id] += 1
            if self.now[request.symbol] > 1:
                self.doubled.append(request.symbol)
        try:
            return self._real(request)
        finally:
            with self.lock:
                self.now[request.symbol] -= 1


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers take one signal at a time, and stay a while between what they read and what they decide."""
    real = plan_signals.read_books

    def slow(*given: Any) -> dict[int, AccountBook]:
        books = real(*given)
        time.sleep(0.1)
        return books

    monkeypatch.setattr(plan_signals, "read_books", slow)
    monkeypatch.setattr(plan_signals, "MOST", 1)


def work(app: Flask, desk: Desk, name: str) -> None:
    """Plan and send until nothing is left, as one worker does."""
    with app.app_context():
        hand = WorkerContext(
            brokers=desk.brokers, market=Market(desk.brokers), ready=frozenset(desk.brokers), lifetime=LIFETIME,
            leg_timeout=60, worker=name,
        )  # fmt: skip
        idle = 0
        while idle < 20:
            claims = plan_signals.plan_next(hand)
            if claims:
                send_orders.send_now(claims, desk.brokers, name)
            busy = claims is not None
            while submit_orders.submit_next(desk.brokers, name):
                busy = True
            idle = 0 if busy else idle + 1
        db.session.remove()


def test_two_workers_send_every_order_once_and_no_symbol_twice_at_a_time(desk: Desk, app: Flask) -> None:
    for symbol in SYMBOLS:
        make_stock(app, symbol)
    watch = Watch(desk)
    desk.send_through(watch.submit)
    for n in range(200):
        desk.alert(SYMBOLS[n % 20], Side.BUY, "1")
    results = together(*(lambda name=name: work(app, desk, name) for name in ("one", "two")))  # type: ignore[misc]
    assert results == [None, None]
    with transaction() as session:
        assert session.execute(sa.select(Signal.status).distinct()).scalars().all() == ["filled"]
        assert {row.quantity for row in session.execute(sa.select(Position)).scalars()} == {10}
        actors = set(session.execute(sa.select(OrderEvent.actor)).scalars())
    assert (len(watch.sent), set(watch.sent.values()), watch.doubled) == (200, {1}, [])
    assert actors <= {"one", "two"}  # who has the account in hand does all there is


@pytest.mark.usefixtures("one_by_one")
def test_two_workers_share_the_last_free_place(desk: Desk, app: Flask) -> None:
    for symbol in SYMBOLS[:6]:
        make_stock(app, symbol)
    check_limits.set_rule(RuleForm(check="open_positions", limit=Decimal(1)), "the test")
    for round_ in range(3):
        with transaction() as session:
            session.execute(sa.update(Position).values(quantity=Decimal(0)))
        rowids = [desk.alert(symbol, Side.BUY, "1") for symbol in SYMBOLS[2 * round_ : 2 * round_ + 2]]
        together(*(lambda name=name: work(app, desk, name) for name in ("one", "two")))  # type: ignore[misc]
        assert sorted(desk.signal(rowid).status for rowid in rowids) == ["canceled", "filled"]


@pytest.mark.usefixtures("one_by_one")
def test_two_workers_open_a_symbol_in_one_lane_only(desk: Desk, app: Flask) -> None:
    make_pair(app, "MA-V", "3")
    make_pair(app, "KO-V", "2")
    rowids = [desk.alert("MA-3*V", Side.BUY, "1", "-2"), desk.alert("KO-2*V", Side.BUY, "1", "-2")]
    together(*(lambda name=name: work(app, desk, name) for name in ("one", "two")))  # type: ignore[misc]
    assert sorted(desk.signal(rowid).status for rowid in rowids) == ["canceled", "filled"]
    assert "exclusivity" in {desk.signal(rowid).status_reason for rowid in rowids}


def test_pairs_that_are_canceled_while_two_workers_send_them_lock_nobody_out(desk: Desk, app: Flask) -> None:
    make_pair(app, "MA-V", "3")
    for n in range(40):
        desk.alert("MA-3*V", Side.BUY if n % 2 else Side.SELL, "1", "-2")
        desk.plan()
    desk.tell(Kind.WORK, count=20)

    def cancel() -> None:
        with app.app_context():
            for rowid in db.session.execute(sa.select(Signal.id).order_by(Signal.id)).scalars().all():
                with transaction() as session:
                    signal = session.execute(sa.select(Signal).where(Signal.id == rowid).with_for_update(of=Signal))
                    cancel_orders.cancel_signal_orders(session, signal.scalar_one(), "by hand", "user anna")
            db.session.remove()

    actions = [lambda: work(app, desk, "one"), lambda: work(app, desk, "two"), cancel]
    assert together(*actions) == [None, None, None]
    desk.work()
    desk.poll()
    with transaction() as session:
        assert session.execute(sa.select(Order.status).distinct()).scalars().all() != []
        ours = {r.symbol: r.quantity for r in session.execute(sa.select(Position)).scalars() if r.quantity}
    assert ours == {position.symbol: position.quantity for position in desk.broker.list_positions()}
    assert ours.get("MA", 0) * 3 == -ours.get("V", 0)


def test_a_leg_that_somebody_else_holds_is_not_waited_for(desk: Desk, app: Flask) -> None:
    make_pair(app, "MA-V", "3")
    rowid = desk.alert("MA-3*V", Side.BUY, "1", "-2")
    desk.plan()
    second = desk.orders(rowid)[1].id
    with db.engine.begin() as connection:  # as one that cancels leg 2, and wants leg 1 next
        connection.execute(sa.select(Order.__table__).where(Order.id == second).with_for_update())
        assert desk.submit()
        assert {order.status for order in desk.orders(rowid)} == {"QUEUED"}
    with transaction() as session:
        session.execute(sa.update(Order).values(next_at=Order.created_at))
    desk.work()
    assert desk.signal(rowid).status == "filled"
