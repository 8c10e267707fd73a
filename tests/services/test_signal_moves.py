"""Each move of a signal is legal, on record in its own commit, announced and logged once."""

import logging
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.errors import IllegalTransition
from domain.order_status import SignalStatus
from extensions import db, transaction
from models import Signal, SignalEvent
from services.interventions import edit_signal
from services.signal_moves import move_signal
from tests.support import book_rows

W = SignalStatus


def make_signal(app: Flask, status: SignalStatus = W.CREATED, **fields: Any) -> int:
    (rowid,) = book_rows.add(app, book_rows.filled_signal(status=status, slip=None, **fields))
    return int(rowid)


def move(rowid: int, status: SignalStatus, reason: str | None = None, **more: Any) -> None:
    with transaction() as session:
        move_signal(session, session.get_one(Signal, rowid), status, reason, "a test", **more)


def read(rowid: int) -> Signal:
    db.session.rollback()
    return db.session.get_one(Signal, rowid)


def events(rowid: int) -> list[tuple[Any, ...]]:
    query = sa.select(SignalEvent).where(SignalEvent.signal_id == rowid).order_by(SignalEvent.id)
    return [(row.from_status, row.to_status, row.reason, row.actor) for row in db.session.execute(query).scalars()]


def test_a_move_is_on_record_with_its_reason_and_its_time(context: Flask) -> None:
    rowid = make_signal(context)
    move(rowid, W.ERROR, "no buying power", text="no buying power: 100 dollars are missing")
    signal = read(rowid)
    assert (signal.status, signal.status_reason) == ("error", "no buying power")
    assert signal.error_text == "no buying power: 100 dollars are missing"
    assert events(rowid) == [("created", "error", "no buying power", "a test")]
    at = db.session.execute(sa.select(SignalEvent.at)).scalar_one()
    assert at > signal.received_at


def test_an_illegal_move_changes_nothing(context: Flask) -> None:
    rowid = make_signal(context, W.FILLED)
    with pytest.raises(IllegalTransition):
        move(rowid, W.CANCELED, "too late")
    assert (read(rowid).status, read(rowid).status_reason, events(rowid)) == ("filled", None, [])


def test_one_that_stays_gets_new_words_and_no_move(context: Flask, caplog: pytest.LogCaptureFixture) -> None:
    rowid = make_signal(context, W.CRITICAL, status_reason="one", error_text="one")
    caplog.clear()
    move(rowid, W.CRITICAL, "two", text="two")
    assert (read(rowid).status_reason, read(rowid).error_text, events(rowid)) == ("two", "two", [])
    assert "->" not in caplog.text


def test_what_a_person_had_to_do_is_forgotten_once_it_is_done(context: Flask) -> None:
    rowid = make_signal(context, W.CRITICAL, status_reason="one leg", error_text="one leg")
    move(rowid, W.FILLED)
    assert (read(rowid).status_reason, read(rowid).error_text) == (None, None)


def test_long_words_are_cut_to_their_columns(context: Flask) -> None:
    rowid = make_signal(context)
    move(rowid, W.ERROR, "x" * 300, text="y" * 1500)
    assert (len(str(read(rowid).status_reason)), len(str(read(rowid).error_text))) == (255, 1000)
    assert len(events(rowid)[0][2]) == 255


@pytest.mark.parametrize(
    ("status", "more", "level"),
    [
        (W.FILLED, {}, logging.INFO),
        (W.CRITICAL, {}, logging.CRITICAL),
        (W.CANCELED, {"level": logging.WARNING}, logging.WARNING),
    ],
)
def test_it_is_logged_once(
    context: Flask, caplog: pytest.LogCaptureFixture, status: SignalStatus, more: dict[str, int], level: int
) -> None:
    caplog.set_level(logging.INFO)
    rowid = make_signal(context)
    caplog.clear()
    move(rowid, status, "why", **more)
    told = [record.levelno for record in caplog.records if f"signal {rowid}: created -> {status}" in record.message]
    assert told == [level]


def test_others_are_told_after_the_commit(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    rowid = make_signal(context)
    monkeypatch.setitem(context.extensions, "tell_others", lambda: told.append(len(events(rowid))))
    move(rowid, W.FILLED)
    assert told == [1]


def test_the_record_goes_with_a_signal_that_is_deleted(context: Flask) -> None:
    rowid = make_signal(context, W.WAITING, filled_quantity=None, fill_price=None, external=False)
    move(rowid, W.CANCELED, "by hand")
    edit_signal.delete_signal(rowid, "a test")
    assert events(rowid) == []
