"""The paper venue's own store: durable, shared by threads and processes."""

import multiprocessing
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from brokers.errors import BrokerUnavailable, OrderRejected
from brokers.paper import control_rows, holding_rows
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.placing.context import DuplicateOrderId
from brokers.paper.venue import PaperVenue
from domain.enums import Side
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from tests.brokers.paper_support import (
    ACCOUNT,
    make_request,
    make_settings,
    submit_and_die,
    submit_many,
    submit_one,
)

D = Decimal
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PROCESSES = multiprocessing.get_context("spawn")
SOON = 1.5  # seconds until all processes have started


def at_once(work: Callable[[int], Any], threads: int) -> list[Any]:
    """Run `work(n)` in that many threads, started together."""
    barrier = threading.Barrier(threads)

    def run(n: int) -> Any:
        barrier.wait()
        return work(n)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def in_processes(work: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> list[Any]:
    """Run `work` in one process a task, together."""
    start = time.time() + SOON
    with PROCESSES.Pool(len(tasks)) as pool:
        return pool.starmap(work, [(url, start, *rest) for url, *rest in tasks], chunksize=1)


def test_an_answered_order_survives_a_kill(paper_url: str, tmp_path: Path):
    told = tmp_path / "told"
    process = PROCESSES.Process(target=submit_and_die, args=(paper_url, told))
    process.start()
    process.join(30)
    assert process.exitcode == -9
    answered = told.read_text().split()
    assert len(answered) == 20
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        assert [report.client_order_id for report in venue.list(ACCOUNT, LONG_AGO)] == answered
        assert [position.quantity for position in venue.positions(ACCOUNT)] == [200]
        assert venue.account(ACCOUNT).cash == 1_000_000 - 20_000


def test_sqlite_commits_reach_the_disk_before_the_answer(tmp_path: Path):
    with closing(PaperVenue(make_settings(f"sqlite:///{tmp_path}/a/b/paper.db"))) as venue:
        venue.open()
        with venue._store.reading() as connection:
            pragmas = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
            values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == ["wal", 2, 5000, 1]


def test_a_start_waits_for_another_process_that_is_just_making_the_file(tmp_path: Path):
    with (
        closing(sqlite3.connect(tmp_path / "paper.db", isolation_level=None, check_same_thread=False)) as other,
        closing(PaperVenue(make_settings(f"sqlite:///{tmp_path}/paper.db"))) as venue,
    ):
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.execute, ["COMMIT"])
        timer.start()
        assert venue.submit(make_request()).status is OrderStatus.FILLED
        timer.join()


def test_sqlite_needs_a_file():
    with pytest.raises(ValueError, match="file"):
        PaperVenue(make_settings("sqlite:///:memory:"))


@pytest.mark.postgres
def test_postgresql_sessions_have_time_outs_and_the_tables_a_schema_of_their_own(pg_url: str):
    with closing(PaperVenue(make_settings(pg_url))) as venue:
        venue.open()
        with venue._store.reading() as connection:
            names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
            assert [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names] == [
                "5s",
                "8s",
                "16s",
            ]
            schemas = connection.exec_driver_sql(
                "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('orders', 'fills', 'accounts')"
            )
            assert schemas.scalars().all() == ["paper"]


def test_four_processes_may_start_at_once_on_nothing(paper_url: str):
    outcomes = in_processes(submit_one, [(paper_url, f"first-{n}") for n in range(4)])
    assert outcomes == ["FILLED"] * 4
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        assert len(venue.list(ACCOUNT, LONG_AGO)) == 4


def test_the_tables_are_made_by_one_of_many_threads(paper_url: str):
    for attempt in range(5):
        url = _another_empty_store(paper_url, attempt)
        venues = [PaperVenue(make_settings(url)) for _ in range(6)]
        at_once(lambda n, venues=venues: venues[n].open(), len(venues))
        for venue in venues:
            venue.close()


def _another_empty_store(url: str, attempt: int) -> str:
    if url.startswith("sqlite"):
        return f"{url}-{attempt}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS paper CASCADE"))
    engine.dispose()
    return url


def test_one_id_from_eight_threads_is_one_order(venue: PaperVenue):
    venue.open()

    def submit(_: int) -> str:
        try:
            return venue.submit(make_request(client_order_id="the-one")).broker_order_id
        except DuplicateOrderId:
            return "duplicate"

    assert Counter(at_once(submit, 8)) == {"1": 1, "duplicate": 7}
    assert len(venue.list(ACCOUNT, LONG_AGO)) == 1
    assert [position.quantity for position in venue.positions(ACCOUNT)] == [10]


def test_one_id_from_four_processes_is_one_order(paper_url: str):
    outcomes = in_processes(submit_one, [(paper_url, "the-one")] * 4)
    assert Counter(outcomes) == {"FILLED": 1, "DuplicateOrderId": 3}


def test_many_processes_lose_no_cash_and_no_id(paper_url: str):
    answers = in_processes(submit_many, [(paper_url, f"process-{n}", 15) for n in range(4)])
    ids = [int(broker_order_id) for answer in answers for broker_order_id in answer]
    assert len(set(ids)) == 60
    assert all(sorted(answer, key=int) == answer for answer in answers)
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        assert [position.quantity for position in venue.positions(ACCOUNT)] == [600]
        assert venue.account(ACCOUNT).cash == 1_000_000 - 60_000


def test_an_instruction_is_used_up_by_as_many_orders_as_it_is_for(venue: PaperVenue):
    for account in "abcd":
        venue.submit(make_request(account=account))
    venue.instruct(Instruction(kind=Kind.REJECT, reason="one"), count=1)
    venue.instruct(Instruction(kind=Kind.REJECT, reason="two"), count=2)

    def submit(n: int) -> str:
        try:
            return venue.submit(make_request(account="abcd"[n])).status.value
        except OrderRejected as e:
            return str(e)

    assert Counter(at_once(submit, 4)) == {"one": 1, "two": 2, "FILLED": 1}


def test_a_cancel_that_comes_second_to_an_instruction_takes_the_next(venue: PaperVenue):
    for kind in (Kind.CANCEL_UNAVAILABLE, Kind.CANCEL_DROP_ANSWER):
        venue.instruct(Instruction(kind=kind))
    with venue._store.writing() as first:
        used = control_rows.use_cancel_instruction(first, "AAPL")
        assert used is not None
        assert used.kind is Kind.CANCEL_UNAVAILABLE
    with venue._store.writing() as second:
        used = control_rows.use_cancel_instruction(second, "AAPL")
        assert used is not None
        assert used.kind is Kind.CANCEL_DROP_ANSWER
        assert control_rows.use_cancel_instruction(second, "AAPL") is None


def test_no_order_slips_between_its_own_placing_and_a_quote(venue: PaperVenue):
    """A limit order that comes together with the quote that crosses it sees it, or is seen by it."""
    venue.submit(make_request())

    def work(n: int) -> OrderReport | None:
        if n:
            return venue.submit(make_request(limit="99", alert=None))
        venue.set_quote("AAPL", D(97), D(98))
        return None

    for _ in range(15):
        venue.drop_quote("AAPL")
        _, report = at_once(work, 2)
        assert venue.find(ACCOUNT, report.client_order_id).status is OrderStatus.FILLED


def test_an_account_in_the_making_is_not_missed_by_a_quote(paper_url: str):
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        venue.open()
        for attempt in range(15):
            venue.drop_quote("AAPL")

            def work(n: int, account: str = f"new-{attempt}") -> None:
                if n:
                    venue.submit(make_request(client_order_id="it", account=account, limit="99", alert=None))
                else:
                    venue.set_quote("AAPL", D(97), D(98))

            at_once(work, 2)
            report = venue.find(f"new-{attempt}", "it")
            assert report is not None
            assert report.status is OrderStatus.FILLED


def test_quotes_orders_and_cancels_together_do_not_deadlock(venue: PaperVenue):
    def work(n: int) -> None:
        for step in range(12):
            account = "abc"[(n + step) % 3]
            if n == 0:
                venue.set_quote("AAPL" if step % 2 else "MSFT", D(90 + step), D(91 + step))
            elif n == 1:
                for report in venue.list(account, LONG_AGO):
                    venue.cancel(account, report.client_order_id)
            else:
                venue.submit(make_request(account=account, symbol="AAPL", limit="95", side=Side.BUY))

    at_once(work, 5)
    for account in "abc":
        filled = sum(fill.quantity for report in venue.list(account, LONG_AGO) for fill in report.fills)
        assert sum(position.quantity for position in venue.positions(account)) == filled


def test_the_store_refuses_what_it_would_round(venue: PaperVenue):
    venue.submit(make_request())
    with pytest.raises(BrokerUnavailable, match="does not fit"), venue._store.writing() as connection:
        holding_rows.save_cash(connection, ACCOUNT, D("0.123456789"))
    assert venue.account(ACCOUNT).cash == 999_000
