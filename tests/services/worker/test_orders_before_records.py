"""Orders that wait go to a venue on this machine before the answers of those ahead of them are recorded."""

from collections.abc import Iterator, Sequence

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.enums import Side
from domain.order_status import OrderStatus
from extensions import db
from models import Order
from services.execution import send_pool
from services.execution.recorder import Answered, record_until_done
from services.planning import plan_signals
from services.worker.pipeline import Pipeline, Stop
from tests.support.desk import Desk
from tests.support.factories import make_stock

NAMES = ("AA", "BB", "CC")


@pytest.fixture
def pipeline(context: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    for name in NAMES:
        make_stock(context, name)
    monkeypatch.setattr(plan_signals, "MOST", 1)
    monkeypatch.setattr(plan_signals, "MOST_ON_SQLITE", 1)
    made = Pipeline(context, "worker", lambda: None)
    made.run_once(Stop())
    yield made
    made.end()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many answers were recorded, one number for each transaction."""
    numbers: list[int] = []

    def record(answers: Sequence[Answered], worker: str) -> None:
        numbers.append(len(answers))
        record_until_done(answers, worker)

    monkeypatch.setattr(send_pool, "record_until_done", record)
    return numbers


def statuses() -> list[str]:
    db.session.rollback()
    return list(db.session.execute(sa.select(Order.status).order_by(Order.id)).scalars())


def alert_all(context: Flask, tmp_path_factory: pytest.TempPathFactory) -> None:
    desk = Desk(context, tmp_path_factory.mktemp("unused"))
    for name in NAMES:
        desk.alert(name, Side.BUY, "10")
    desk.close()


def test_all_that_waits_is_sent_and_then_recorded_together(
    context: Flask, pipeline: Pipeline, recorded: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path_factory
):
    monkeypatch.setattr(send_pool, "RECORD_WITHIN", 60.0)
    alert_all(context, tmp_path_factory)
    pipeline.run_due(Stop())
    assert (recorded, statuses()) == ([3], ["FILLED"] * 3)


@pytest.mark.parametrize(("within", "most"), [(0.0, 64), (60.0, 1)])
def test_answers_wait_neither_long_nor_in_great_number(
    context: Flask,
    pipeline: Pipeline,
    recorded: list[int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory,
    within: float,
    most: int,
):
    monkeypatch.setattr(send_pool, "RECORD_WITHIN", within)
    monkeypatch.setattr(send_pool, "MOST_UNRECORDED", most)
    alert_all(context, tmp_path_factory)
    pipeline.run_due(Stop())
    assert (recorded, statuses()) == ([1, 1, 1], ["FILLED"] * 3)


def test_what_was_answered_is_recorded_also_where_planning_fails_after_it(
    context: Flask, pipeline: Pipeline, recorded: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path_factory
):
    monkeypatch.setattr(send_pool, "RECORD_WITHIN", 60.0)
    alert_all(context, tmp_path_factory)
    plan, calls = plan_signals.plan_next, []

    def plan_once(*given: object) -> object:
        calls.append(given)
        if len(calls) > 1:
            raise ZeroDivisionError
        return plan(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(plan_signals, "plan_next", plan_once)
    with pytest.raises(ZeroDivisionError):
        pipeline.run_due(Stop())
    assert (recorded, statuses()) == ([1], [OrderStatus.FILLED])
