"""A worker takes up accounts as people add, change and switch them; real money moves only when it is switched on."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

import services.worker.pipeline
from domain.enums import Environment, Side
from extensions import db, reading, transaction
from logs import LineFormatter
from models import AccountState, BrokerAccount, Order, Signal
from services.accounts import unreachable_accounts
from services.accounts.connections import connect, desk_accounts
from services.accounts.credentials import CredentialsUnreadable, reseal, seal
from services.accounts.unreachable_accounts import UnreachableAccounts
from services.catalog import snapshots
from services.execution import recorder, send_pool, submit_orders
from services.execution.send_pool import SendPool
from services.worker.pipeline import Pipeline, Stop
from simulators.alpaca.keys import SECRET
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock


@pytest.fixture
def simulated(simulated: Flask) -> Flask:
    for symbol in ("AAPL", "MSFT", "NVDA", "TSLA"):
        make_stock(simulated, symbol)
    return simulated


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    with open_alpaca_desk(simulated, simulator) as desk:
        yield desk


@pytest.fixture
def pipeline(simulated: Flask) -> Iterator[Pipeline]:
    made = Pipeline(simulated, "worker", lambda: None)
    yield made
    made.end()


def change(**values: object) -> None:
    """Change the simulator's account as an admin would, so that every process learns of it."""
    with transaction() as session:
        snapshots.bump_version(session)
        session.execute(sa.update(BrokerAccount).where(BrokerAccount.name == "alpaca-sim").values(**values))


def open_names(pipeline: Pipeline) -> set[str]:
    return {account_session.broker.name for account_session in pipeline._sessions.values() if account_session.is_open}


def wait_for(pipeline: Pipeline, names: set[str]) -> None:
    end = time.monotonic() + 10
    while open_names(pipeline) != names:
        assert time.monotonic() < end, open_names(pipeline)
        pipeline._due.pop("accounts", None)
        pipeline.run_due(Stop())
        time.sleep(0.02)


def run_until(pipeline: Pipeline, condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        pipeline.run_due(Stop())
        time.sleep(0.02)
        db.session.rollback()


def test_a_worker_follows_what_people_do_to_accounts(pipeline: Pipeline, simulated: Flask):
    wait_for(pipeline, {"paper", "alpaca"})
    keys = db.session.execute(
        sa.select(BrokerAccount.credentials).where(BrokerAccount.name == "alpaca-sim")
    ).scalar_one()
    change(credentials=None, revision=2)
    wait_for(pipeline, {"paper"})
    change(credentials=keys, revision=3)
    wait_for(pipeline, {"paper", "alpaca"})
    first = next(k for k in pipeline._sessions.values() if k.broker.name == "alpaca")
    number = first.account_id
    config = simulated.config["DESK"]
    other = seal(config.credentials_key, number, {"key_id": "PKSIMULATOR000000000", "secret_key": "not the one"})
    change(credentials=other, revision=4)
    wait_for(pipeline, {"paper"})  # the new keys are refused; the old connection is gone
    change(credentials="not a token", revision=5)
    pipeline._due.pop("accounts", None)
    pipeline.run_due(Stop())
    assert number not in pipeline._sessions


def test_keys_that_are_encrypted_anew_need_no_new_connection(pipeline: Pipeline, simulated: Flask):
    wait_for(pipeline, {"paper", "alpaca"})
    before = dict(pipeline._sessions)
    config = simulated.config["DESK"]
    number, token = db.session.execute(
        sa.select(BrokerAccount.id, BrokerAccount.credentials).where(BrokerAccount.name == "alpaca-sim")
    ).one()
    new = "a newer key of this desk that its worker has not heard of yet"
    change(credentials=reseal(f"{new},{config.credentials_key}", token))
    with pytest.raises(CredentialsUnreadable):
        connect(config, desk_accounts()[number])
    pipeline._due.pop("accounts", None)
    pipeline.run_due(Stop())
    assert pipeline._sessions == before
    assert open_names(pipeline) == {"paper", "alpaca"}


def test_keys_that_could_not_be_read_are_tried_again_once_they_are_encrypted_anew(
    pipeline: Pipeline, simulated: Flask, caplog: pytest.LogCaptureFixture
):
    config = simulated.config["DESK"]
    number, token = db.session.execute(
        sa.select(BrokerAccount.id, BrokerAccount.credentials).where(BrokerAccount.name == "alpaca-sim")
    ).one()
    older = "an older key of this desk that this worker was not given"
    change(credentials=reseal(f"{older},{config.credentials_key}", token))
    for _ in range(3):
        wait_for(pipeline, {"paper"})
        pipeline._due.pop("accounts", None)
        pipeline.run_due(Stop())
    assert number not in pipeline._sessions
    assert caplog.text.count("its keys cannot be decrypted") == 1
    change(credentials=reseal(f"{config.credentials_key},{older}", read_token()))
    wait_for(pipeline, {"paper", "alpaca"})
    with reading() as session:
        assert (
            session.execute(sa.select(AccountState.trouble).where(AccountState.account_id == number)).scalar() is None
        )
    account_session = pipeline._sessions[number]
    change(credentials=reseal(f"{older},{config.credentials_key}", read_token()))
    pipeline._due.pop("accounts", None)
    pipeline.run_due(Stop())
    assert pipeline._sessions[number] is account_session


def read_token() -> str:
    with reading() as session:
        token: str = session.execute(
            sa.select(BrokerAccount.credentials).where(BrokerAccount.name == "alpaca-sim")
        ).scalar_one()
        return token


def test_signals_of_an_account_without_keys_expire_in_time(pipeline: Pipeline, desk: AlpacaDesk):
    wait_for(pipeline, {"paper", "alpaca"})
    change(credentials=None, revision=2)
    wait_for(pipeline, {"paper"})
    rowid = desk.alert("AAPL", Side.BUY, "10", lifetime=1)
    end = time.monotonic() + 10
    while desk.signal(rowid).status == "waiting":
        assert time.monotonic() < end
        pipeline._due.pop("reap", None)
        pipeline.run_due(Stop())
        time.sleep(0.1)
    assert (desk.signal(rowid).status, desk.signal(rowid).status_reason) == ("canceled", "expired")
    assert desk.simulator.count("POST /v2/orders") == 0


def test_one_pass_without_threads_does_all_that_is_due(pipeline: Pipeline, desk: AlpacaDesk):
    rowid = desk.alert("AAPL", Side.BUY, "10")
    pipeline.run_once(Stop())
    pipeline.end()
    assert desk.signal(rowid).status in ("created", "filled")
    assert desk.simulator.count("POST /v2/orders") == 1


def test_a_live_account_that_is_not_switched_on_sends_nothing(desk: AlpacaDesk):
    desk.account_session().step()
    change(environment=Environment.LIVE)
    rowid = desk.alert("AAPL", Side.BUY, "10")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("error", "live trading is off")
    assert "Live trading is not switched on for the account alpaca-sim" in signal.error_text
    assert desk.simulator.count("POST /v2/orders") == 0
    change(live_enabled=True)
    rowid = desk.alert("AAPL", Side.BUY, "10")
    desk.work()
    assert desk.signal(rowid).status == "created"
    assert desk.simulator.count("POST /v2/orders") == 1


def test_an_order_that_was_planned_before_the_switch_went_off_is_not_sent(desk: AlpacaDesk):
    desk.account_session().step()
    change(environment=Environment.LIVE, live_enabled=True)
    rowid = desk.alert("AAPL", Side.BUY, "10")
    desk.plan()
    change(live_enabled=False)
    desk.submit()
    (order,) = desk.orders(rowid)
    assert (order.status, order.reason) == ("DENIED", "live trading is not switched on for the account")
    assert desk.simulator.count("POST /v2/orders") == 0


def test_a_broker_that_is_slow_holds_up_no_other_order(desk: AlpacaDesk, simulated: Flask):
    desk.account_session().step()
    desk.simulator.tell("delay", seconds=1, times=4)
    for symbol in ("AAPL", "MSFT", "NVDA", "TSLA"):
        desk.alert(symbol, Side.BUY, "10")
    woken = threading.Semaphore(0)
    senders = SendPool(simulated, "worker", woken.release)
    began = time.monotonic()
    while (claims := desk.plan(ready=True)) is not None:
        senders.send(claims, desk.brokers, "worker")
    assert time.monotonic() - began < 0.9  # all four are planned before the first answer comes
    senders.close()
    assert time.monotonic() - began < 3
    assert woken.acquire(blocking=False)
    statuses = db.session.execute(sa.select(Order.status)).scalars().all()
    assert set(statuses) == {"ACCEPTED"}


def test_of_one_account_a_few_orders_are_on_their_way_and_the_others_queue(
    pipeline: Pipeline, desk: AlpacaDesk, simulated: Flask, monkeypatch: pytest.MonkeyPatch
):
    most = 4
    monkeypatch.setattr(send_pool, "MOST", most)
    for symbol in ("AMD", "INTC"):
        make_stock(simulated, symbol)
    wait_for(pipeline, {"paper", "alpaca"})
    desk.simulator.tell("delay", seconds=1, times=9)
    for number in range(most + 2):
        desk.alert(["AAPL", "MSFT", "NVDA", "TSLA", "AMD", "INTC"][number], Side.BUY, "10")
    began = time.monotonic()
    pipeline.run_due(Stop())
    assert time.monotonic() - began < 0.9
    statuses = db.session.execute(sa.select(Order.status)).scalars().all()
    assert (statuses.count("SENDING"), statuses.count("QUEUED")) == (most, 2)
    assert pipeline._senders.room(desk.account_id) == 0
    run_until(pipeline, lambda: desk.simulator.count("POST /v2/orders") == most + 2)


def test_a_broker_that_answers_no_look_up_holds_up_no_other_account(pipeline: Pipeline, desk: AlpacaDesk):
    wait_for(pipeline, {"paper", "alpaca"})
    desk.simulator.tell("drop_after")
    rowid = desk.alert("AAPL", Side.BUY, "10")
    run_until(pipeline, lambda: desk.orders(rowid) and desk.orders(rowid)[0].status == "UNKNOWN")
    desk.simulator.tell("delay", seconds=30, times=99)
    with transaction() as session:
        session.execute(sa.update(Order).values(next_at=Order.sent_at))
    began = time.monotonic()
    pipeline.run_due(Stop())
    assert pipeline._tasks.under_way("orders") == {desk.account_id}
    pipeline.run_due(Stop())
    assert time.monotonic() - began < 0.9


def test_an_error_while_booking_leaves_the_order_to_be_looked_up(
    desk: AlpacaDesk, simulated: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    desk.account_session().step()

    def broken(*_: object) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("the disk is full"))

    rowid = desk.alert("AAPL", Side.BUY, "10")
    claims = desk.plan(ready=True) or []
    with monkeypatch.context() as patch:
        patch.setattr(recorder, "_record_all", broken)
        patch.setattr(recorder, "SEND_LEASE", timedelta(seconds=0.5))  # so long it is tried again
        senders = SendPool(simulated, "worker", lambda: None)
        senders.send(claims, desk.brokers, "worker")
        senders.close()
    assert "the answer cannot be booked yet (the disk is full); trying again" in caplog.text
    assert "the answer could not be booked (the disk is full); it will be looked up" in caplog.text
    assert desk.orders(rowid)[0].status == "SENDING"
    with transaction() as session:
        session.execute(sa.text("update orders set lease_until = '2020-01-01 00:00:00.000000+00:00'"))
    submit_orders.reap("worker")
    assert desk.look_up()
    assert desk.signal(rowid).status in ("created", "filled")
    assert desk.simulator.count("POST /v2/orders") == 1
    assert db.session.execute(sa.select(sa.func.count()).select_from(Signal)).scalar_one() == 1


def test_no_log_shows_the_keys_at_any_level(desk: AlpacaDesk, caplog: pytest.LogCaptureFixture):
    line = LineFormatter()
    with caplog.at_level(logging.DEBUG):
        account_session = desk.account_session()
        account_session.begin()
        desk.wait(lambda: account_session.is_open and desk.simulator.control("GET", "streams"))
        desk.wait(lambda: desk.simulator.control("GET", "streams")[0]["listening"])
        logging.getLogger("anybody").warning("what a careless line may say: %s", SECRET)
    written = "\n".join(line.format(record) for record in caplog.records)
    assert "careless" in written
    assert SECRET not in written
    assert "authenticate" not in caplog.text  # what the stream's library would say of what it sends


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]


def test_open_orders_out_of_reach_sound_the_alarm_once(
    desk: AlpacaDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unreachable_accounts, "PATIENCE", 0.0)
    alone = UnreachableAccounts()
    alone.look([desk.account_id])
    assert alarms(caplog) == []  # nothing is open there
    desk.alert("AAPL", Side.BUY, "10")
    desk.plan()
    alone.look([desk.account_id])
    alone.look([desk.account_id])
    (alarm,) = alarms(caplog)
    assert "(alpaca-sim) cannot be reached: 1 orders are open there, 0 pairs out of balance" in alarm
    alone.look([])
    alone.look([desk.account_id])
    assert len(alarms(caplog)) == 2  # it was reached meanwhile


def test_an_open_account_whose_broker_goes_away_sounds_the_alarm(
    pipeline: Pipeline, desk: AlpacaDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unreachable_accounts, "PATIENCE", 0.0)
    monkeypatch.setattr(services.worker.pipeline, "REAP_EVERY", 0.0)
    wait_for(pipeline, {"paper", "alpaca"})
    desk.alert("AAPL", Side.BUY, "10")
    run_until(pipeline, lambda: desk.simulator.control("GET", "book")["orders"])
    assert alarms(caplog) == []
    desk.simulator.tell("status_503", where="reads", times=1000)
    account_session = next(k for k in pipeline._sessions.values() if k.broker.name == "alpaca")

    def alarmed() -> bool:
        account_session._due.clear()
        account_session._thread.wake()
        return bool(alarms(caplog))

    run_until(pipeline, alarmed)
    assert "(alpaca-sim) cannot be reached: 1 orders are open there" in alarms(caplog)[0]


def test_a_connection_has_time_to_come_about(
    desk: AlpacaDesk,
    caplog: pytest.LogCaptureFixture,
):
    desk.alert("AAPL", Side.BUY, "10")
    desk.plan()
    UnreachableAccounts().look([desk.account_id])
    assert alarms(caplog) == []
