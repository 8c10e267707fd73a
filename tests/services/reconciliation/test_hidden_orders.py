"""Orders that the venue hides until the desk has given them up: they are taken over as soon as they show."""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.enums import FailurePolicy, MarketPosition, Side
from extensions import database_time, db, transaction
from models import Fill, Order, Position, PositionDifference
from services.account_lock import lock_accounts
from services.broker_state import account_state
from services.execution import submit_orders
from services.reconciliation import reconcile
from services.worker import housekeeping
from services.worker.account_session import AccountSession
from tests.brokers.alpaca_support import Simulator
from tests.support import book_rows
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_pair, make_stock

HIDDEN = 150.0  # seconds, longer than the desk looks for an order before it gives it up
LONG, FLAT = MarketPosition.LONG, MarketPosition.FLAT
MINUTES = timedelta(minutes=4)


@pytest.fixture
def simulated(simulated: Flask) -> Flask:
    make_stock(simulated, "AAPL")
    make_pair(simulated, "MA-V", "3")
    make_pair(simulated, "KO-PEP", "2", on_leg_failure=FailurePolicy.COMPLETE)
    return simulated


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    with open_alpaca_desk(simulated, simulator, poll=3600.0) as desk:
        yield desk


@pytest.fixture
def account_session(desk: AlpacaDesk) -> AccountSession:
    account_session = desk.account_session()
    account_session.step()
    assert account_session.is_open
    return account_session


def settle(desk: AlpacaDesk) -> None:
    """Work until the venue has filled all that can be filled now, and the desk has heard of it."""
    for _ in range(8):
        desk.work_off()
        desk.simulator.advance(1)
        desk.poll()


def give_up(desk: AlpacaDesk, rowid: int, symbol: str) -> Order:
    """Let the minutes pass in which the desk looks for an order in vain; returns it as it ended."""
    with transaction() as session:
        order = session.execute(
            sa.select(Order).where(Order.signal_id == rowid, Order.symbol == symbol, Order.status == "UNKNOWN")
        ).scalar_one()
        order.created_at, order.sent_at = order.created_at - MINUTES, order.created_at - MINUTES
        order.not_after = order.created_at + timedelta(seconds=1)
        number = order.id
    for _ in range(3):
        desk.look_up()
    submit_orders.expire_orders("worker")
    with transaction() as session:
        return session.get_one(Order, number)


def show(desk: AlpacaDesk, account_session: AccountSession) -> None:
    """Let the venue show what it hid; by then it is older than all that the polls look back to."""
    desk.simulator.advance(HIDDEN + 1)
    account_state.set_state(desk.account_id, synced_until=database_time() + MINUTES)
    with transaction() as session:
        session.execute(sa.update(Order).where(Order.status == "STALE").values(next_at=Order.created_at))
    account_session._due.clear()
    account_session._due["poll"] = account_session._due["compare"] = float("inf")
    account_session.step()


def held() -> dict[str, Decimal]:
    db.session.rollback()
    rows = db.session.execute(sa.select(Position.symbol, Position.quantity))
    return {symbol: quantity for symbol, quantity in rows if quantity}


def at_broker(desk: AlpacaDesk) -> dict[str, Decimal]:
    return {row.symbol: row.quantity for row in desk.broker.list_positions()}


def differences() -> list[str]:
    db.session.rollback()
    return list(db.session.execute(sa.select(PositionDifference.symbol)).scalars())


def test_a_hidden_order_is_taken_over_when_it_shows(desk: AlpacaDesk, account_session: AccountSession) -> None:
    desk.simulator.tell("hidden", seconds=HIDDEN)
    rowid = desk.alert("AAPL")
    desk.work()
    assert give_up(desk, rowid, "AAPL").status == "STALE"
    assert desk.signal(rowid).status == "canceled"
    show(desk, account_session)
    (order,) = desk.orders(rowid)
    assert (order.status, order.filled_quantity, desk.signal(rowid).status) == ("FILLED", 10, "filled")
    assert held() == at_broker(desk) == {"AAPL": 10}


def test_a_position_that_nothing_explains_is_told_as_critical_once_and_shows_in_readyz(
    simulated: Flask, desk: AlpacaDesk, account_session: AccountSession, caplog: pytest.LogCaptureFixture
) -> None:
    client = simulated.test_client()
    housekeeping.heartbeat("worker")
    assert all(check["ok"] for check in client.get("/readyz").json["checks"] if check["name"] == "differences")
    desk.simulator.tell("hidden", seconds=HIDDEN)
    rowid = desk.alert("AAPL")
    desk.work()
    give_up(desk, rowid, "AAPL")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            account_session._due.clear()
            account_session._due["poll"] = float("inf")
            account_session.step()
    lines = [line for line in caplog.records if "AAPL" in line.message and line.levelno == logging.CRITICAL]
    assert [line.message.split(": ", 1)[1] for line in lines] == [
        "our book holds 0 AAPL, the broker 10, and nothing on record explains it"
    ]
    answer = client.get("/readyz")
    shown = answer.json
    assert answer.status_code == 200, "alerts are taken all the same"
    assert "differences" in {check["name"] for check in shown["checks"] if not check["ok"]}
    assert "AAPL" not in str(shown), "anyone may read it"
    show(desk, account_session)
    with transaction() as session:  # of the venue's time, minutes have passed since it was filled
        session.execute(sa.update(Fill).values(at=database_time() - MINUTES))
    reconcile.compare_positions(desk.account_id, desk.broker)
    assert (held(), differences()) == ({"AAPL": 10}, [])
    assert all(check["ok"] for check in client.get("/readyz").json["checks"] if check["name"] == "differences")


def test_a_position_that_somebody_traded_by_hand_is_no_riddle(
    desk: AlpacaDesk, account_session: AccountSession, caplog: pytest.LogCaptureFixture
) -> None:
    desk.simulator.control("POST", "orders", {"symbol": "AAPL", "qty": "7", "side": "buy"})
    desk.simulator.advance(1)
    desk.poll()
    with caplog.at_level(logging.ERROR):
        reconcile.compare_positions(desk.account_id, desk.broker)
    told = [line for line in caplog.records if "AAPL" in line.message and line.levelno >= logging.ERROR]
    assert [(line.levelname, line.message.split(", ", 1)[1]) for line in told] == [
        ("ERROR", "the broker 7, by orders that are not ours")
    ]


def test_a_comparison_waits_for_whoever_books_for_the_account(
    desk: AlpacaDesk, account_session: AccountSession
) -> None:
    """The broker shows a fill that another worker is just booking: that is no difference."""
    desk.simulator.control("POST", "orders", {"symbol": "AAPL", "qty": "7", "side": "buy"})
    desk.simulator.advance(1)

    def compare() -> None:
        with desk.app.app_context():
            reconcile.compare_positions(desk.account_id, desk.broker)

    with transaction() as session:
        lock_accounts(session, [desk.account_id])
        session.add(book_rows.position("AAPL", "7", account_id=desk.account_id))
        session.flush()
        thread = threading.Thread(target=compare)
        thread.start()
        thread.join(1.0)
    thread.join()
    assert differences() == []


def test_a_hidden_leg_that_shows_after_the_other_was_traded_back_is_traded_back_too(
    desk: AlpacaDesk, account_session: AccountSession
) -> None:
    desk.simulator.tell("hidden", seconds=HIDDEN, symbol="V")
    rowid = desk.alert("MA-3*V", quantity="20")
    settle(desk)
    assert give_up(desk, rowid, "V").status == "STALE"
    settle(desk)
    assert held() == {}, "leg 1 is traded back, for leg 2 has failed"
    show(desk, account_session)
    settle(desk)
    assert held() == at_broker(desk) == {}
    signal = desk.signal(rowid)
    assert (signal.status, signal.unbalanced_at) == ("canceled", None)


def test_a_hidden_leg_that_shows_after_it_was_sent_again_is_not_held_twice(
    desk: AlpacaDesk, account_session: AccountSession
) -> None:
    desk.simulator.tell("hidden", seconds=HIDDEN, symbol="PEP")
    rowid = desk.alert("KO-2*PEP", Side.BUY, "20")
    settle(desk)
    give_up(desk, rowid, "PEP")
    settle(desk)
    assert held() == {"KO": 20, "PEP": -40}, "leg 2 is sent again"
    show(desk, account_session)
    settle(desk)
    assert held() == at_broker(desk) == {"KO": 20, "PEP": -40}
    assert desk.signal(rowid).status == "filled"


def test_a_hidden_exit_is_taken_over_when_it_shows(desk: AlpacaDesk, account_session: AccountSession) -> None:
    desk.alert("AAPL", position=LONG, position_size=Decimal(10))
    settle(desk)
    desk.simulator.tell("hidden", seconds=HIDDEN)
    rowid = desk.alert("AAPL", Side.SELL, position=FLAT, position_size=Decimal(0))
    desk.work()
    assert give_up(desk, rowid, "AAPL").status == "STALE"
    settle(desk)
    assert held() == {"AAPL": 10}
    show(desk, account_session)
    assert (held(), at_broker(desk), desk.signal(rowid).status) == ({}, {}, "filled")


def test_a_hidden_leg_of_an_exit_that_was_closed_again_meanwhile_leaves_nothing_open(
    desk: AlpacaDesk, account_session: AccountSession
) -> None:
    desk.alert("MA-3*V", Side.BUY, "20", position=LONG, position_size=Decimal(20))
    settle(desk)
    assert held() == {"MA": 20, "V": -60}
    desk.simulator.tell("hidden", seconds=HIDDEN, symbol="V")
    rowid = desk.alert("MA-3*V", Side.SELL, "20", position=FLAT, position_size=Decimal(0))
    settle(desk)
    give_up(desk, rowid, "V")
    settle(desk)
    show(desk, account_session)
    settle(desk)
    assert held() == at_broker(desk) == {}
    assert desk.signal(rowid).status == "filled"
