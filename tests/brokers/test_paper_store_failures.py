"""The paper venue's own store when it is locked, broken or away: honest about what has become of an order."""

import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError

import brokers.paper.store
from brokers.errors import BrokerUnavailable, OutcomeUnknown
from brokers.paper.broker import PaperBroker
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.venue import PaperVenue
from domain.order_status import OrderStatus
from tests.brokers.paper_support import (
    ACCOUNT,
    make_request,
    make_settings,
)
from tests.support.brokers import find, ref


def test_a_store_locked_by_somebody_else_is_unavailable_and_nothing_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(brokers.paper.store, "LOCK_SECONDS", 0.2)
    with closing(PaperVenue(make_settings(f"sqlite:///{tmp_path}/paper.db"))) as venue:
        venue.submit(make_request())
        with closing(sqlite3.connect(tmp_path / "paper.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            request = make_request()
            with pytest.raises(BrokerUnavailable, match="locked"):
                venue.submit(request)
            assert venue.find(ACCOUNT, request.client_order_id) is None  # reads go on
            other.execute("ROLLBACK")
        assert venue.submit(request).status is OrderStatus.FILLED


@pytest.mark.postgres
def test_an_account_locked_by_somebody_else_is_unavailable(pg_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(brokers.paper.store, "LOCK_SECONDS", 1)
    other = create_engine(pg_url)
    with closing(PaperVenue(make_settings(pg_url))) as venue:
        venue.submit(make_request())
        with other.connect() as connection:
            connection.execute(text("SELECT 1 FROM paper.accounts FOR UPDATE"))
            with pytest.raises(BrokerUnavailable, match="lock timeout"):
                venue.submit(make_request())
        assert venue.submit(make_request()).status is OrderStatus.FILLED
    other.dispose()


def test_a_failure_before_the_commit_leaves_nothing(venue: PaperVenue):
    venue.submit(make_request())
    venue.instruct(Instruction(kind=Kind.WORK))
    fail = _fail_on(venue, "UPDATE %accounts")
    request = make_request()
    venue.forget_instructions()
    with pytest.raises(BrokerUnavailable, match="made up"):
        venue.submit(request)
    event.remove(venue._store._engine, "before_cursor_execute", fail)
    assert venue.find(ACCOUNT, request.client_order_id) is None
    assert [position.quantity for position in venue.positions(ACCOUNT)] == [10]
    assert venue.account(ACCOUNT).cash == 999_000
    assert venue.submit(request).status is OrderStatus.FILLED


def _fail_on(venue: PaperVenue, pattern: str) -> Callable[..., None]:
    words = pattern.split("%")

    def fail(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(words[0]) and words[1] in statement:
            raise OperationalError(statement, {}, Exception("made up"))

    event.listen(venue._store._engine, "before_cursor_execute", fail)
    return fail


def test_a_commit_without_answer_is_an_unknown_outcome(venue: PaperVenue):
    broker = PaperBroker(venue, ACCOUNT)
    broker.submit_order(make_request())
    delayed = make_request()
    venue.instruct(Instruction(kind=Kind.DELAY, seconds=1))
    broker.submit_order(delayed)

    def fail(_: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("made up"))

    engine: Engine = venue._store._engine
    event.listen(engine, "commit", fail)
    with pytest.raises(OutcomeUnknown, match="made up"):
        broker.submit_order(make_request())
    with pytest.raises(OutcomeUnknown, match="made up"):
        broker.cancel_order(ref(delayed.client_order_id))
    venue._clock.advance(seconds=2)  # type: ignore[attr-defined]
    with pytest.raises(BrokerUnavailable, match="made up"):  # a read asks for no order to be looked up
        broker.list_positions()
    event.remove(engine, "commit", fail)
    assert [position.quantity for position in broker.list_positions()] == [20]


@pytest.mark.postgres
def test_a_connection_that_breaks_during_the_commit_is_an_unknown_outcome(pg_url: str):
    with closing(PaperVenue(make_settings(pg_url))) as venue:
        broker = PaperBroker(venue, ACCOUNT)
        broker.submit_order(make_request())
        admin = create_engine(pg_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(
                "CREATE FUNCTION paper.die() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(1); RETURN NULL; END $$"
            )
            connection.exec_driver_sql(
                "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON paper.orders DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION paper.die()"
            )
            request = make_request()
            with pytest.raises(OutcomeUnknown):
                broker.submit_order(request)
            connection.exec_driver_sql("DROP TRIGGER die ON paper.orders")
        admin.dispose()
        assert find(broker, request.client_order_id) is None
        assert broker.submit_order(request).fills


@pytest.mark.postgres
def test_a_connection_that_died_in_the_pool_is_replaced(pg_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(brokers.paper.store, "IDLE_SECONDS", 0.0)
    admin = create_engine(pg_url, isolation_level="AUTOCOMMIT")
    with closing(PaperVenue(make_settings(pg_url))) as venue, admin.connect() as connection:
        venue.submit(make_request())
        killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'paper'"
        assert connection.exec_driver_sql(killed).scalar()
        assert venue.submit(make_request()).status is OrderStatus.FILLED
    admin.dispose()


@pytest.mark.postgres
def test_a_connection_that_dies_between_two_orders_costs_one_try_at_most(pg_url: str):
    admin = create_engine(pg_url, isolation_level="AUTOCOMMIT")
    with closing(PaperVenue(make_settings(pg_url))) as venue, admin.connect() as connection:
        venue.submit(make_request())
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'paper'"
        )
        request = make_request()
        with pytest.raises(BrokerUnavailable):
            venue.submit(request)
        assert venue.submit(request).status is OrderStatus.FILLED
    admin.dispose()


@pytest.mark.postgres
def test_a_server_that_is_away_is_unavailable_soon_and_shows_no_password(pg_url: str):
    url = make_url(pg_url).set(password="hunter2").update_query_dict({"host": "/nowhere"})
    with closing(PaperVenue(make_settings(url.render_as_string(hide_password=False)))) as venue:
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable) as caught:
            PaperBroker(venue, ACCOUNT).list_positions()
        assert time.monotonic() - started < 5
        assert "hunter2" not in str(caught.value)


def test_a_server_that_says_nothing_is_unavailable_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(brokers.paper.store, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg2://postgres@127.0.0.1:{silent.getsockname()[1]}/desk"
        with closing(PaperVenue(make_settings(url))) as venue:
            started = time.monotonic()
            with pytest.raises(BrokerUnavailable, match="timeout"):
                venue.account(ACCOUNT)
            assert time.monotonic() - started < 10


def test_tables_that_vanish_are_unavailable_never_flat(venue: PaperVenue):
    venue.submit(make_request())
    engine: Engine = venue._store._engine
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {'' if venue._store.is_sqlite else 'paper.'}positions"))
    with pytest.raises(BrokerUnavailable):
        venue.positions(ACCOUNT)


def test_an_emptied_store_opens_its_accounts_again(venue: PaperVenue):
    venue.submit(make_request())
    prefix = "" if venue._store.is_sqlite else "paper."
    with venue._store._engine.begin() as connection:
        for table in ("fills", "orders", "positions", "accounts"):
            connection.execute(text(f"DELETE FROM {prefix}{table}"))  # noqa: S608 - fixed names
    with pytest.raises(BrokerUnavailable, match="emptied"):
        venue.submit(make_request())
    assert venue.submit(make_request()).status is OrderStatus.FILLED


def test_a_closed_venue_opens_again(venue: PaperVenue):
    report = venue.submit(make_request())
    venue.close()
    assert venue.find(ACCOUNT, report.client_order_id) == report
