"""Changed rows of one transaction go out in few statements, and hold what the mapper would have written."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm.exc import StaleDataError

from domain.order_status import SignalStatus
from extensions import database_time, db, transaction, utc_now
from models import Signal, SignalEvent
from services.batch_writes import add_record
from tests.support import book_rows

AT = datetime(2026, 3, 29, 1, 30, 15, 123456, tzinfo=UTC)


def make_signals(app: Flask, count: int) -> list[int]:
    return book_rows.add(app, *(book_rows.filled_signal(status="created", slip=None) for _ in range(count)))


def read(rowid: int) -> Signal:
    db.session.rollback()
    return db.session.get_one(Signal, rowid, populate_existing=True)


@contextmanager
def statements(start: str) -> Iterator[list[str]]:
    """Yield the statements that begin so and are sent meanwhile, one entry for each time."""
    found: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if statement.startswith(start):
            found.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)


def change_all(rowids: list[int], change: Callable[[Signal, int], None]) -> None:
    with transaction() as session:
        for number, signal in enumerate([session.get_one(Signal, rowid) for rowid in rowids]):
            change(signal, number)


def test_many_rows_with_the_same_columns_changed_are_one_statement(context: Flask) -> None:
    rowids = make_signals(context, 20)

    def change(signal: Signal, number: int) -> None:
        signal.status_reason = f"reason {number}"

    with statements("UPDATE signals") as sent:
        change_all(rowids, change)
    assert len(sent) == 1
    assert [read(rowid).status_reason for rowid in rowids] == [f"reason {number}" for number in range(20)]


def test_every_kind_of_value_arrives_as_it_was_set(context: Flask) -> None:
    rowids = make_signals(context, 6)
    trace = [{"step": "a 'quoted' \\ step", "ok": True, "values": {"many": [1, 2], "none": None}}, {"step": "two"}]

    def change(signal: Signal, number: int) -> None:
        is_odd = bool(number % 2)
        signal.status = SignalStatus.PART_FILLED
        signal.status_reason = None if is_odd else 'a "word", a {brace}\nand a line'
        signal.trace = trace * number
        signal.held_until = None if is_odd else AT
        signal.leg_quantity1 = None if is_odd else Decimal("1234567890.12345678")
        signal.leg_timeout = number
        signal.external = is_odd

    change_all(rowids, change)
    for number, rowid in enumerate(rowids):
        signal, is_odd = read(rowid), bool(number % 2)
        assert signal.status == SignalStatus.PART_FILLED
        assert signal.status_reason == (None if is_odd else 'a "word", a {brace}\nand a line')
        assert (signal.trace, signal.leg_timeout, signal.external) == (trace * number, number, is_odd)
        assert signal.held_until == (None if is_odd else AT)
        assert signal.leg_quantity1 == (None if is_odd else Decimal("1234567890.12345678"))


def test_what_was_written_once_is_not_written_again(context: Flask) -> None:
    rowids = make_signals(context, 5)
    with statements("UPDATE signals") as sent, transaction() as session:
        signals = [session.get_one(Signal, rowid) for rowid in rowids]
        for signal in signals:
            signal.status_reason = "first"
        session.flush()
        session.flush()
        assert len(sent) == 1
        signals[0].status_reason = "second"
    assert [read(rowid).status_reason for rowid in rowids] == ["second", *["first"] * 4]


def test_a_change_that_the_database_computes_is_left_to_the_mapper(context: Flask) -> None:
    rowids = make_signals(context, 5)

    def change(signal: Signal, number: int) -> None:
        signal.look_at = utc_now()  # type: ignore[assignment]

    before = database_time()
    change_all(rowids, change)
    for rowid in rowids:
        look_at = read(rowid).look_at
        assert look_at is not None
        assert look_at >= before


def change_and_delete(rowids: list[int], gone: int) -> None:
    with transaction() as session:
        signals = [session.get_one(Signal, rowid) for rowid in rowids]
        unseen = {"synchronize_session": False}
        session.execute(sa.delete(Signal).where(Signal.id == gone), execution_options=unseen)
        for signal in signals:
            signal.status_reason = "changed"


def test_a_row_that_is_gone_undoes_the_whole_transaction(context: Flask) -> None:
    rowids = make_signals(context, 5)
    with pytest.raises(StaleDataError):
        change_and_delete(rowids, rowids[2])
    assert [read(rowid).status_reason for rowid in rowids] == [None] * 5


def events() -> list[str]:
    db.session.rollback()
    return list(db.session.execute(sa.select(SignalEvent.reason).order_by(SignalEvent.id)).scalars())


def test_records_are_stored_with_the_commit_also_where_no_row_has_changed(context: Flask) -> None:
    (rowid,) = make_signals(context, 1)
    with statements("INSERT INTO signal_events") as sent, transaction() as session:
        for reason in "abc":
            values = {
                "signal_id": rowid,
                "to_status": "error",
                "from_status": None,
                "reason": reason,
                "actor": "a test",
            }
            add_record(session, SignalEvent, values)
    assert (events(), len(sent)) == (["a", "b", "c"], 1)


def test_records_of_a_transaction_that_came_to_nothing_are_forgotten(context: Flask) -> None:
    (rowid,) = make_signals(context, 1)
    values = {"signal_id": rowid, "to_status": "error", "from_status": None, "reason": "lost", "actor": "a test"}
    with contextlib.suppress(ZeroDivisionError), transaction() as session:
        add_record(session, SignalEvent, values)
        raise ZeroDivisionError
    with transaction() as session:
        add_record(session, SignalEvent, {**values, "reason": "kept"})
    assert events() == ["kept"]
