"""A leg that stays alone for too long is told, whatever keeps the other one, and no longer than that."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, LegPolicy, MarketPosition, Side
from extensions import db, transaction
from models import Order, Pair, Signal, SignalEvent
from services.execution import leg_timeouts
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def pass_time(rowid: int) -> None:
    """Let the pair's legs be out of balance for longer than they may."""
    with transaction() as session:
        signal = session.execute(sa.select(Signal).where(Signal.id == rowid)).scalar_one()
        assert signal.unbalanced_at is not None
        signal.unbalanced_at -= timedelta(seconds=3600)


def let_orders_work_for_a_while(*symbols: str) -> None:
    """Let the moment be over in which an exit leaves an entry to the market its turn."""
    sent = sa.select(Order).where(Order.sent_at.is_not(None), Order.symbol.in_(symbols or ("MA", "V")))
    with transaction() as session:
        for order in session.execute(sent).scalars():
            order.sent_at -= timedelta(seconds=30)


def test_a_leg_is_told_as_alone_while_the_outcome_of_the_other_is_not_known(desk: Desk) -> None:
    desk.tell(Kind.DROP_ANSWER, symbol="V")
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert [o.status for o in desk.orders(rowid)] == ["FILLED", "UNKNOWN"]
    leg_timeouts.tend(desk.brokers, "worker")
    assert desk.signal(rowid).status == "filled(...)"  # its time is not up yet
    pass_time(rowid)
    leg_timeouts.tend(desk.brokers, "worker")
    signal, sent = desk.signal(rowid), desk.orders(rowid)[1].sent_at
    assert sent is not None
    assert (signal.status, len(desk.orders(rowid))) == ("critical err", 2)
    assert signal.error_text == signal.status_reason
    assert "leg 1 is ahead of leg 2 since" in str(signal.status_reason)
    assert f"the outcome of leg 2 is not known since {sent:%Y-%m-%d %H:%M:%S} UTC" in str(signal.status_reason)
    assert str(signal.status_reason).endswith("the outcome of the other leg is awaited")
    desk.look_up()
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason, signal.error_text) == ("filled", None, None)


@pytest.mark.parametrize("policy", [LegPolicy.TOGETHER, LegPolicy.LEG1_FIRST])
def test_a_leg_of_an_account_that_cannot_be_traded_is_told_and_nothing_is_done(desk: Desk, policy: LegPolicy) -> None:
    with transaction() as session:
        session.execute(sa.update(Pair).values(leg_policy=policy))
    desk.tell(Kind.PARTIAL, symbol="MA", quantity=Decimal(10))
    desk.tell(Kind.WORK, symbol="V")
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    pass_time(rowid)
    before = [(o.leg, o.status, o.quantity, o.cancel_requested_at) for o in desk.orders(rowid)]
    leg_timeouts.tend((), "worker")
    assert [(o.leg, o.status, o.quantity, o.cancel_requested_at) for o in desk.orders(rowid)] == before
    signal = desk.signal(rowid)
    assert (signal.status, str(signal.status_reason)[:54]) == (
        "critical err", "one leg without the other: leg 1 is ahead of leg 2 sin",
    )  # fmt: skip
    assert leg_timeouts.tend((), "worker") == 0  # it is told already


def statuses(rowid: int) -> list[str]:
    """Return every status that a signal was moved to."""
    query = sa.select(SignalEvent.to_status).where(SignalEvent.signal_id == rowid).order_by(SignalEvent.id)
    return list(db.session.execute(query).scalars())


def close_by_exit(desk: Desk) -> int:
    return desk.alert("MA-3*V", Side.SELL, "20", position=MarketPosition.FLAT)


def test_a_pair_whose_entry_an_exit_cancels_stays_calm_until_both_legs_have_ended(desk: Desk) -> None:
    for symbol in ("MA", "V"):
        desk.tell(Kind.WORK, symbol=symbol)
    entry = desk.alert("MA-3*V", quantity="20")
    desk.work()
    let_orders_work_for_a_while()
    exit_ = close_by_exit(desk)
    desk.plan()
    assert [o.status for o in desk.orders(entry)] == ["CANCEL_PENDING", "CANCEL_PENDING"]
    assert desk.cancel()
    assert sorted(o.status for o in desk.orders(entry)) == ["CANCELED", "CANCEL_PENDING"]
    assert (desk.signal(entry).status, desk.signal(entry).error_text) == ("created", None)
    desk.work_off()
    assert (desk.signal(entry).status, desk.signal(exit_).status) == ("canceled", "canceled")
    assert "critical err" not in statuses(entry)


def test_a_pair_that_is_left_with_one_leg_when_both_have_ended_is_loud_until_that_is_traded_back(desk: Desk) -> None:
    desk.tell(Kind.PARTIAL, symbol="MA", quantity=Decimal(5))
    desk.tell(Kind.WORK, symbol="V")
    entry = desk.alert("MA-3*V", quantity="20")
    desk.work()
    let_orders_work_for_a_while()
    exit_ = close_by_exit(desk)
    desk.plan()
    assert desk.cancel()
    assert desk.signal(entry).status == "part.filled"
    assert desk.cancel()
    assert desk.signal(entry).status == "critical err"
    assert [o.purpose for o in desk.orders(entry)].count("unwind") == 1
    desk.work_off()
    assert (desk.signal(entry).status, desk.signal(exit_).status) == ("canceled", "canceled")
    assert {p.symbol: p.quantity for p in desk.broker.list_positions() if p.quantity} == {}


@pytest.mark.parametrize("on_failure", FailurePolicy)
@pytest.mark.parametrize("queued", ["MA", "V"])
def test_what_ends_both_legs_sends_neither_again(desk: Desk, on_failure: FailurePolicy, queued: str) -> None:
    with transaction() as session:
        session.execute(sa.update(Pair).values(on_leg_failure=on_failure))
    desk.tell(Kind.WORK, symbol="V" if queued == "MA" else "MA")
    desk.take_single_orders()
    desk.tell(Kind.UNAVAILABLE, symbol=queued)  # that leg stays queued, to be sent later
    entry = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert sorted(o.status for o in desk.orders(entry)) == ["ACCEPTED", "QUEUED"]
    let_orders_work_for_a_while()
    close_by_exit(desk)
    desk.plan()
    assert sorted(o.status for o in desk.orders(entry)) == ["CANCELED", "CANCEL_PENDING"]
    desk.work_off()
    assert (statuses(entry)[-1], len(desk.orders(entry))) == ("canceled", 2)
    assert "critical err" not in statuses(entry)


@pytest.mark.parametrize("on_failure", FailurePolicy)
def test_legs_that_were_sent_one_after_the_other_are_canceled_together(desk: Desk, on_failure: FailurePolicy) -> None:
    with transaction() as session:
        session.execute(sa.update(Pair).values(on_leg_failure=on_failure))
    for symbol in ("MA", "V"):
        desk.tell(Kind.WORK, symbol=symbol)
    entry = desk.alert("MA-3*V", quantity="20")
    desk.work()
    let_orders_work_for_a_while("MA")
    exit_ = close_by_exit(desk)
    desk.plan()
    assert [o.status for o in desk.orders(entry)] == ["ACCEPTED", "ACCEPTED"]
    let_orders_work_for_a_while("V")
    desk.work_off()
    assert [o.status for o in desk.orders(entry)] == ["CANCELED", "CANCELED"]
    assert (statuses(entry), desk.signal(exit_).status) == (["created", "canceled"], "canceled")
