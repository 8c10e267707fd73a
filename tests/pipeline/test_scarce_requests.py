"""A broker that takes so many requests a minute: orders have them first, and reads are held back meanwhile."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.enums import MarketPosition, Side
from extensions import db, transaction
from models import Order
from services import failpoints
from services.accounts import unreachable_accounts
from services.accounts.unreachable_accounts import UnreachableAccounts
from services.broker_state import fetch, market
from services.execution import send_orders, submit_orders
from services.reconciliation import sync_broker
from services.reports.unmonitored_accounts import list_unwatched
from services.timing import READS_HELD
from services.worker import account_session, broker_tasks, read_pace
from services.worker.account_session import AccountSession
from services.worker.broker_tasks import BrokerTasks
from tests.brokers.alpaca_support import Clock, Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_pair, make_stock

LIMIT = 60  # requests a minute
BURST = 40  # orders of one bar's close
SYMBOLS = [f"S{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(BURST)]
ORDERS = "POST /v2/orders"


@pytest.fixture
def simulator_options() -> dict[str, Any]:
    return {"rate_limit": LIMIT}


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    for symbol in SYMBOLS:
        make_stock(simulated, symbol)
        simulator.control("PUT", f"assets/{symbol}", {"tradable": True})  # so that the list of all shows it
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that says what is due to be read; a test lets it go on."""
    clock = Clock()
    frozen = SimpleNamespace(monotonic=lambda: 1e6 + clock.ahead, time=time.time, sleep=time.sleep)
    for module in (account_session, broker_tasks, read_pace, fetch, market, unreachable_accounts):
        monkeypatch.setattr(module, "time", frozen)
    return clock


def requests(desk: AlpacaDesk) -> Counter[str]:
    return Counter(desk.simulator.control("GET", "book")["requests"])


def send_some(desk: AlpacaDesk, count: int) -> None:
    """Plan what waits, as far as so many orders may be sent now, and send those; queued ones first."""
    room = {desk.account_id: count}
    if not submit_orders.submit_next(desk.brokers, "worker", room=room):
        claims = desk.plan(ready=True, most=count)
        send_orders.send_now(claims or [], desk.brokers, "worker")


def set_orders(**values: object) -> None:
    with transaction() as session:
        session.execute(sa.update(Order).values(**values))


def statuses() -> Counter[str]:
    db.session.rollback()
    return Counter(db.session.execute(sa.select(Order.status)).scalars())


def go_on(desk: AlpacaDesk, clock: Clock, account_session: AccountSession, tasks: BrokerTasks) -> None:
    """Let a second pass in which an account's fills are told by its stream."""
    clock.ahead += 1.0
    desk.simulator.advance(1)
    account_session._watch.changed()
    account_session.step()
    tasks.see_to(desk.account_id, desk.broker)


def test_all_orders_of_a_burst_are_sent_before_reads_use_the_minute_up(
    desk: AlpacaDesk, clock: Clock, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    account_session, tasks = desk.account_session(), BrokerTasks(desk.app, "worker", lambda: None)
    account_session.step()
    assert account_session.is_open
    rowids = [desk.alert(symbol) for symbol in SYMBOLS]
    before, alone = requests(desk), UnreachableAccounts()
    for _ in range(BURST // 2):
        send_some(desk, 2)
        go_on(desk, clock, account_session, tasks)
        assert not account_session.is_away
        alone.look([desk.account_id] if account_session.is_away else [])
    made = requests(desk) - before
    assert made[ORDERS] == BURST, f"{statuses()} {dict(made)}"
    assert statuses().keys() <= {"ACCEPTED", "FILLED"}
    assert {order.send_attempts for rowid in rowids for order in desk.orders(rowid)} == {1}
    reads = made.total() - BURST
    assert made["GET /v2/orders"] >= 1  # what became of them is looked at all the same
    assert reads <= LIMIT - BURST - 6, made  # the opening took some before
    assert made["GET /v2/orders:by_client_order_id"] == 0
    assert desk.state().trouble is None
    assert list_unwatched() == []
    assert not [record for record in caplog.records if record.levelname in ("CRITICAL", "ERROR")]


def test_several_unknown_outcomes_are_looked_up_by_one_list(desk: AlpacaDesk, simulator: Simulator) -> None:
    desk.account_session().step()
    rowids = [desk.alert(symbol) for symbol in SYMBOLS[:6]]
    simulator.tell("drop_after", times=6)
    desk.work()
    assert statuses() == {"UNKNOWN": 6}
    set_orders(next_at=Order.sent_at)
    before = requests(desk)
    BrokerTasks(desk.app, "worker", lambda: None).see_to(desk.account_id, desk.broker)
    made = requests(desk) - before
    assert {order.status for rowid in rowids for order in desk.orders(rowid)} <= {"ACCEPTED", "FILLED"}
    assert made["GET /v2/orders:by_client_order_id"] == 0
    assert made.total() <= 3


def test_an_unknown_outcome_that_the_list_does_not_show_is_asked_for_by_its_id(
    desk: AlpacaDesk, simulator: Simulator
) -> None:
    desk.account_session().step()
    for symbol in SYMBOLS[:4]:
        desk.alert(symbol)
    simulator.tell("drop_before", times=1)
    simulator.tell("drop_after", times=3)
    desk.work()
    assert statuses() == {"UNKNOWN": 4}
    set_orders(next_at=Order.sent_at)
    BrokerTasks(desk.app, "worker", lambda: None).see_to(desk.account_id, desk.broker)
    assert statuses()["UNKNOWN"] == 1  # it is not there, and that has to be seen more often
    assert simulator.count("GET /v2/orders:by_client_order_id") == 1
    assert db.session.execute(sa.select(Order.lookups).where(Order.status == "UNKNOWN")).scalar_one() == 1


def test_an_order_that_is_sent_while_a_poll_asks_is_not_looked_up(desk: AlpacaDesk, simulator: Simulator) -> None:
    desk.account_session().step()
    desk.alert(SYMBOLS[0])

    def send(point: str) -> None:
        if point == "poll answered":
            failpoints.install(None)
            desk.work()

    failpoints.install(send)
    try:
        desk.poll()
    finally:
        failpoints.install(None)
    assert simulator.count(ORDERS) == 1
    assert simulator.count("GET /v2/orders:by_client_order_id") == 0


def test_several_orders_that_ended_since_the_last_poll_are_read_by_one_list(
    desk: AlpacaDesk, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.account_session().step()
    rowids = [desk.alert(symbol) for symbol in SYMBOLS[:5]]
    simulator.tell("work", times=5)
    desk.work()
    simulator.advance(1)
    desk.poll()
    for rowid in rowids:
        simulator.control("POST", f"orders/{desk.orders(rowid)[0].client_order_id}/fill")
    set_orders(sent_at=db.session.execute(sa.select(sa.func.min(Order.sent_at))).scalar_one() - timedelta(seconds=10))
    monkeypatch.setattr(sync_broker, "OVERLAP", timedelta(0))
    before = requests(desk)
    sync_broker.poll_account(desk.account_id, desk.broker, datetime.now(UTC), "worker")
    made = requests(desk) - before
    assert statuses() == {"FILLED": 5}
    assert made["GET /v2/orders:by_client_order_id"] == 0
    assert made.total() <= 5


def leave(desk: AlpacaDesk, requests: int) -> None:
    """Let so many requests be left of the minute that runs."""
    budget = desk.broker._client._trading_budget  # type: ignore[attr-defined]
    budget._remaining = requests


def test_the_last_requests_of_a_minute_are_for_exits(desk: AlpacaDesk, simulator: Simulator) -> None:
    desk.account_session().step()
    desk.alert(SYMBOLS[0])
    desk.work()
    simulator.advance(1)
    desk.poll()
    entry = desk.alert(SYMBOLS[1])
    leaving = desk.alert(SYMBOLS[0], Side.SELL, position=MarketPosition.FLAT)
    desk.plan(most=2)
    leave(desk, 2)
    desk.work()
    (late,), (closing,) = desk.orders(entry), desk.orders(leaving)
    assert closing.status == "ACCEPTED"
    assert (late.status, late.send_attempts) == ("QUEUED", 0)
    assert "kept for orders" in str(late.reason)


def test_a_leg_that_hedges_what_is_filled_goes_before_entries(desk: AlpacaDesk, simulator: Simulator) -> None:
    make_pair(desk.app, "MA-V", "3", leg_policy="leg1_first")
    desk.account_session().step()
    rowid = desk.alert("MA-3*V", quantity="10")
    desk.work()
    simulator.advance(1)
    desk.poll()
    leave(desk, 2)
    desk.work()
    assert [order.status for order in desk.orders(rowid)] == ["FILLED", "ACCEPTED"]


def test_a_limit_that_is_reached_is_no_broker_that_cannot_be_read(
    desk: AlpacaDesk, clock: Clock, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    account_session, alone = desk.account_session(), UnreachableAccounts()
    desk.alert(SYMBOLS[0])
    desk.plan()
    simulator.tell("rate_limit", where="reads", seconds=60, times=1000)
    for _ in range(10):
        clock.ahead += 10
        account_session.step()
        assert not account_session.is_open
        assert not account_session.is_away
        alone.look([desk.account_id] if account_session.is_away else [])
    assert "cannot be read" not in caplog.text
    clock.ahead += READS_HELD
    account_session.step()
    assert account_session.is_away  # for so long no limit of a minute can be the cause
    assert "cannot be read" in caplog.text
    assert "rate limit" in str(desk.state().trouble)


def test_what_may_be_traded_is_read_ahead_in_one_list(desk: AlpacaDesk, simulator: Simulator) -> None:
    more = [f"T{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(30)]
    for symbol in more:
        make_stock(desk.app, symbol)
        simulator.control("PUT", f"assets/{symbol}", {"tradable": True})
    desk.account_session().step()
    for symbol in SYMBOLS + more:
        desk.alert(symbol)
    while desk.plan() is not None:
        pass
    assert statuses() == {"QUEUED": BURST + len(more)}
    assert simulator.count("GET /v2/assets") == 1
    assert simulator.count("GET /v2/assets/{symbol}") == 0
