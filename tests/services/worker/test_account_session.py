"""An account is kept in step with its broker: state, polls and stream, against the simulator."""

import logging
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.enums import Side
from extensions import db, transaction
from models import BrokerAccount, Fill, PositionDifference
from services.accounts.credentials import seal
from services.reconciliation import sync_broker
from services.worker import stream_lease
from services.worker.account_session import AccountSession
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock

NEVER = 3600.0  # seconds between polls: what is booked within the test was told by the stream


@pytest.fixture
def simulated(simulated: Flask) -> Flask:
    make_stock(simulated, "AAPL")
    return simulated


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    with open_alpaca_desk(simulated, simulator, poll=NEVER) as desk:
        yield desk


def fills(desk: AlpacaDesk) -> list[Decimal]:
    db.session.rollback()
    return list(db.session.execute(sa.select(Fill.quantity).order_by(Fill.id)).scalars())


def send(desk: AlpacaDesk, quantity: str = "10") -> int:
    rowid = desk.alert("AAPL", Side.BUY, quantity)
    desk.work()
    return rowid


def test_an_account_is_open_once_the_books_were_compared(desk: AlpacaDesk):
    account_session = desk.account_session()
    assert not account_session.is_open
    account_session.step()
    assert account_session.is_open
    state = desk.state()
    assert state.reconciled_at is not None
    assert state.cash == 1_000_000
    assert state.trouble is None


def test_what_is_filled_while_nobody_polls_is_told_by_the_stream(desk: AlpacaDesk):
    account_session = desk.account_session()
    account_session.begin()
    desk.wait(lambda: account_session.is_open and listening(desk) == 1)
    rowid = send(desk)
    desk.wait(lambda: desk.signal(rowid).status == "filled")
    assert fills(desk) == [10]


def test_what_happened_while_the_stream_was_cut_is_read_after_it_is_back(desk: AlpacaDesk):
    account_session = desk.account_session()
    account_session.begin()
    desk.wait(lambda: account_session.is_open and listening(desk) == 1)
    desk.simulator.tell("work")
    rowid = send(desk)
    (order,) = desk.orders(rowid)
    desk.simulator.control("POST", "streams", {"refuse": 1, "drop": True})
    desk.wait(lambda: listening(desk) == 0)
    desk.simulator.control("POST", f"orders/{order.client_order_id}/fill")
    assert desk.signal(rowid).status == "created"
    desk.wait(lambda: desk.signal(rowid).status == "filled")
    assert fills(desk) == [10]


def test_an_event_that_comes_twice_books_once(desk: AlpacaDesk):
    account_session = desk.account_session()
    account_session.begin()
    desk.wait(lambda: account_session.is_open and listening(desk) == 1)
    desk.simulator.tell("duplicate_event", times=10)
    rowid = send(desk)
    desk.wait(lambda: desk.signal(rowid).status == "filled")
    moves = desk.moves(desk.orders(rowid)[0])
    assert moves.count("FILLED") == 1
    assert fills(desk) == [10]


def test_without_a_stream_polls_bring_the_fills(simulated: Flask, simulator: Simulator):
    simulator.control("POST", "streams", {"refuse": 60})
    with open_alpaca_desk(simulated, simulator, poll=0.1) as desk:
        account_session = desk.account_session()
        account_session.begin()
        desk.wait(lambda: account_session.is_open)
        rowid = send(desk)
        desk.wait(lambda: desk.signal(rowid).status == "filled")


def test_a_stream_that_is_refused_is_on_record_until_it_is_heard_again(desk: AlpacaDesk):
    desk.simulator.control("POST", "streams", {"refuse": 3600})
    account_session = desk.account_session()
    account_session.step()
    account_session.step()  # begins to listen
    desk.wait(lambda: "429" in (account_session._watch.state()[0] or ""))
    account_session._due["stream"] = 0.0
    account_session.step()
    assert "429" in (desk.state().stream_trouble or "")
    desk.simulator.control("POST", "streams", {"refuse": 0})
    desk.wait(lambda: account_session._watch.state()[0] is None)
    account_session._due["stream"] = 0.0
    account_session.step()
    state = desk.state()
    assert state.stream_trouble is None
    assert state.stream_heard_at is not None


def test_one_worker_listens_and_another_takes_over(desk: AlpacaDesk):
    first, second = desk.account_session("first"), desk.account_session("second")
    for account_session in (first, second):
        account_session.step()
        account_session.step()
    desk.wait(lambda: listening(desk) == 1)
    first._close()
    second._due["stream"] = 0.0
    second.step()
    desk.wait(lambda: listening(desk) == 1)
    assert stream_lease.take_stream(desk.account_id, "second")
    assert not stream_lease.take_stream(desk.account_id, "third")


def test_wrong_keys_keep_the_account_closed_and_are_told_once(
    simulated: Flask, simulator: Simulator, caplog: pytest.LogCaptureFixture
):
    with transaction() as session:
        account = session.execute(sa.select(BrokerAccount).where(BrokerAccount.name == "alpaca-sim")).scalar_one()
        wrong = {"key_id": "PKSIMULATOR000000000", "secret_key": "not-the-secret"}
        account.credentials = seal(simulated.config["DESK"].credentials_key, account.id, wrong)
    with open_alpaca_desk(simulated, simulator) as desk, caplog.at_level(logging.WARNING):
        account_session = desk.account_session()
        for _ in range(3):
            account_session._due.clear()
            account_session.step()
        assert not account_session.is_open
        assert "refuses the keys" in (desk.state().trouble or "")
    assert "not-the-secret" not in caplog.text
    assert caplog.text.count("it stays closed") == 1


def until_heard(desk: AlpacaDesk, account_session: AccountSession) -> None:
    def heard() -> bool:
        account_session._due.clear()
        account_session.step()
        return not account_session.is_away

    desk.wait(heard)


def test_a_broker_that_is_away_for_a_while_is_found_again(
    simulated: Flask, simulator: Simulator, caplog: pytest.LogCaptureFixture
):
    with open_alpaca_desk(simulated, simulator, poll=0.05) as desk, caplog.at_level(logging.INFO):
        account_session = desk.account_session()
        account_session.step()
        simulator.tell("status_503", where="reads", times=1000)
        for _ in range(3):
            account_session._due.clear()
            account_session.step()
        assert account_session.is_open  # orders may go out; it is planning that asks for fresh figures
        assert "503" in (desk.state().trouble or "")
        simulator.control("DELETE", "faults")
        until_heard(desk, account_session)
        assert desk.state().trouble is None
    assert caplog.text.count("cannot be read (Alpaca answered 503") <= 2
    assert caplog.text.count("can be read again") == 1


def test_a_broker_that_stays_away_is_not_said_to_be_back(
    simulated: Flask, simulator: Simulator, caplog: pytest.LogCaptureFixture
):
    with open_alpaca_desk(simulated, simulator, poll=0.05) as desk, caplog.at_level(logging.INFO):
        account_session = desk.account_session()
        account_session.step()
        desk.alert("AAPL", Side.BUY, "10")
        desk.plan()  # an order that only polls tell of
        simulator.tell("status_503", where="reads", times=1000)

        def polled() -> bool:
            account_session._due["poll"] = 0.0
            account_session.step()
            return account_session.is_away

        desk.wait(polled)
        for _ in range(3):
            account_session._due["poll"] = account_session._due["state"] = math.inf
            account_session.step()  # nothing is due, so nothing is learnt
            assert account_session.is_away
        assert "can be read again" not in caplog.text
        simulator.control("DELETE", "faults")
        until_heard(desk, account_session)
    assert "(sim): alpaca can be read again" in caplog.text


def test_a_position_that_trades_just_now_is_no_difference(desk: AlpacaDesk):
    account_session = desk.account_session()
    account_session.step()
    rowid = send(desk)
    desk.simulator.advance(1)
    account_session._watch.changed()
    account_session.step()
    assert desk.signal(rowid).status == "filled"
    account_session._due["compare"] = 0.0
    account_session._polls.clear()
    account_session.step()
    assert db.session.execute(sa.select(PositionDifference)).all() == []
    desk.simulator.control("POST", "orders", {"symbol": "MSFT", "qty": "3", "side": "buy"})
    desk.simulator.advance(1)
    account_session._due.clear()
    with transaction() as session:
        session.execute(sa.text("update account_states set polled_at = null"))
    account_session.step()
    (difference,) = db.session.execute(sa.select(PositionDifference)).scalars()
    assert (difference.symbol, difference.ours, difference.theirs) == ("MSFT", 0, 3)


def listening(desk: AlpacaDesk) -> int:
    return sum(stream["listening"] for stream in desk.simulator.control("GET", "streams"))


def test_news_of_which_half_is_missing_is_asked_for_again_less_and_less_often(
    desk: AlpacaDesk, monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def half(*_: object) -> sync_broker.Polled:
        asked.append(time.monotonic())
        return sync_broker.Polled(datetime.now(UTC), True)

    account_session = desk.account_session()
    account_session.step()
    monkeypatch.setattr(sync_broker, "poll_account", half)
    account_session._watch.changed()
    end = time.monotonic() + 2.2
    while time.monotonic() < end:
        account_session.step()
        time.sleep(0.02)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert 3 <= len(gaps) <= 4  # after 0.3, 0.3, 0.6 and 1.0 s
    assert gaps[-1] > 1.5 * gaps[0]
