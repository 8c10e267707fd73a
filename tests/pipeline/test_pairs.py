"""Both legs or none: every leg policy and failure policy, on both databases, against the real paper venue."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, LegPolicy, MarketPosition, Side
from extensions import db, transaction
from models import Order, Pair, Position, Signal
from services.catalog import snapshots
from services.execution import leg_timeouts, send_orders, submit_orders
from services.execution.cancel_orders import cancel_order
from services.interventions import settle
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair

POLICIES = [LegPolicy.TOGETHER, LegPolicy.LEG1_FIRST, LegPolicy.ATTACHED]


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path) as desk:
        yield desk


def trade_by(policy: LegPolicy = LegPolicy.TOGETHER, on_failure: FailurePolicy = FailurePolicy.UNWIND) -> None:
    with transaction() as session:
        session.execute(sa.update(Pair).values(leg_policy=policy, on_leg_failure=on_failure))


def held(desk: Desk) -> dict[str, Decimal]:
    """Return the venue's holdings, which must be those of the book."""
    db.session.rollback()
    theirs = {position.symbol: position.quantity for position in desk.broker.list_positions()}
    ours = {row.symbol: row.quantity for row in db.session.execute(sa.select(Position)).scalars() if row.quantity}
    db.session.rollback()
    assert ours == theirs
    return theirs


def hurry() -> None:
    """Make what is to be tried again later due now."""
    with transaction() as session:
        session.execute(sa.update(Order).where(Order.status == "QUEUED").values(next_at=Order.created_at))


def time_out(desk: Desk, rowid: int) -> None:
    """Let the pair's legs be out of balance for longer than they may."""
    with transaction() as session:
        signal = session.execute(sa.select(Signal).where(Signal.id == rowid)).scalar_one()
        assert signal.unbalanced_at is not None
        signal.unbalanced_at -= timedelta(seconds=3600)
    leg_timeouts.tend(desk.brokers, "worker")
    desk.work()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("at_once", [True, False])
def test_both_legs_are_filled(desk: Desk, policy: LegPolicy, at_once: bool) -> None:
    trade_by(policy)
    rowid = desk.alert("MA-3*V", quantity="20", price="-2")
    desk.work(at_once=at_once)
    signal = desk.signal(rowid)
    assert (signal.status, signal.leg_policy, signal.unbalanced_at) == ("filled", policy, None)
    assert [(o.side, o.quantity, o.symbol, o.name) for o in desk.orders(rowid)] == [
        ("buy", 20, "MA", "MA-V"),
        ("sell", 60, "V", "MA-V"),
    ]
    assert held(desk) == {"MA": 20, "V": -60}


@pytest.mark.parametrize("symbol", ["MA", "V"])
def test_a_rejected_leg_is_answered_by_trading_the_other_one_back(desk: Desk, symbol: str) -> None:
    trade_by(LegPolicy.TOGETHER)
    desk.tell(Kind.REJECT, symbol=symbol, reason="not shortable")
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.unbalanced_at) == ("canceled", None)
    assert "not shortable" in str(signal.status_reason)
    assert held(desk) == {}
    assert [o.purpose for o in desk.orders(rowid)].count("unwind") == 1
    assert signal.trace[-1]["check"] == "legs"
    assert str(signal.trace[-1]["text"]).startswith("Trades a leg back")
    assert signal.error_text is None  # nothing is still to be done


def test_while_a_leg_is_alone_the_signal_says_so_loudly(desk: Desk) -> None:
    trade_by(LegPolicy.TOGETHER)
    desk.tell(Kind.REJECT, symbol="V", reason="not shortable")
    rowid = desk.alert("MA-3*V", quantity="20")
    claims = desk.plan(ready=True)
    send_orders.send_now(claims or [], desk.brokers, "worker")
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == (
        "critical err",
        "one leg without the other: leg 2: not shortable; the other leg is being traded back",
    )
    assert signal.unbalanced_at is not None


@pytest.mark.parametrize("policy", [LegPolicy.LEG1_FIRST, LegPolicy.ATTACHED])
def test_when_leg_1_is_rejected_first_leg_2_is_never_sent(desk: Desk, policy: LegPolicy) -> None:
    trade_by(policy)
    desk.tell(Kind.REJECT, symbol="MA", reason="halted")
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert desk.signal(rowid).status == "error"
    assert "halted" in str(desk.signal(rowid).status_reason)
    assert [(o.symbol, o.status) for o in desk.orders(rowid) if o.sent_at] == [("MA", "REJECTED")]
    assert held(desk) == {}


def test_leg_2_follows_the_partial_fills_of_leg_1(desk: Desk) -> None:
    trade_by(LegPolicy.LEG1_FIRST)
    desk.tell(Kind.PARTIAL, symbol="MA", quantity=Decimal(5))
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert held(desk) == {"MA": 5, "V": -15}
    assert desk.signal(rowid).status == "part.filled"
    first = desk.orders(rowid)[0]
    desk.venue.fill_rest("paper", first.client_order_id, Decimal(7))
    desk.poll()
    desk.work()
    assert held(desk) == {"MA": 12, "V": -36}
    cancel_order(first.id, "enough", "user anna")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, signal.unbalanced_at) == ("part.filled", None)
    assert held(desk) == {"MA": 12, "V": -36}
    assert [o.quantity for o in desk.orders(rowid) if o.leg == 2] == [15, 21]


def test_leg_2_follows_each_part_at_once_however_many_there_are(desk: Desk) -> None:
    trade_by(LegPolicy.LEG1_FIRST)
    desk.tell(Kind.PARTIAL, symbol="MA", quantity=Decimal(1))
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    first = desk.orders(rowid)[0]
    for part in range(2, 8):
        desk.venue.fill_rest("paper", first.client_order_id, Decimal(1))
        desk.poll()
        desk.work()
        assert held(desk) == {"MA": part, "V": -3 * part}


def test_attached_leg_2_follows_leg_1_at_the_broker(desk: Desk) -> None:
    trade_by(LegPolicy.ATTACHED)
    desk.tell(Kind.PARTIAL, symbol="MA", quantity=Decimal(5))
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    first, second = desk.orders(rowid)
    assert (second.attached, second.status) == (True, "PARTIALLY_FILLED")
    assert held(desk) == {"MA": 5, "V": -15}
    desk.venue.fill_rest("paper", first.client_order_id)
    desk.poll()
    assert (desk.signal(rowid).status, held(desk)) == ("filled", {"MA": 20, "V": -60})


def test_a_failed_leg_is_sent_again_to_complete_the_pair(desk: Desk) -> None:
    trade_by(on_failure=FailurePolicy.COMPLETE)
    desk.tell(Kind.REJECT, symbol="V", reason="busy", count=2)
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert desk.signal(rowid).status == "critical err"
    hurry()
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, held(desk)) == ("filled", {"MA": 20, "V": -60})
    assert [o.purpose for o in desk.orders(rowid) if o.leg == 2] == ["signal", "complete", "complete"]


def test_a_leg_that_cannot_be_completed_is_left_to_a_person(desk: Desk) -> None:
    trade_by(on_failure=FailurePolicy.COMPLETE)
    desk.tell(Kind.REJECT, symbol="V", reason="no", count=9)
    rowid = desk.alert("MA-3*V", quantity="20")
    for _ in range(6):
        desk.work()
        hurry()
    signal = desk.signal(rowid)
    assert signal.status == "critical err"
    assert "a person must decide" in str(signal.status_reason)
    assert held(desk) == {"MA": 20}
    assert len(desk.orders(rowid)) == 5
    settled = settle.settle_signal(rowid, "closed by hand", "user anna")
    assert (settled.status, settled.status_reason) == ("part.filled", "settled by user anna: closed by hand")


def test_hold_touches_nothing(desk: Desk) -> None:
    trade_by(on_failure=FailurePolicy.HOLD)
    desk.tell(Kind.REJECT, symbol="V", reason="not shortable")
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    signal = desk.signal(rowid)
    assert (signal.status, held(desk), len(desk.orders(rowid))) == ("critical err", {"MA": 20}, 2)
    assert str(signal.status_reason).endswith("a person must decide")


def test_a_leg_that_works_too_long_is_canceled_and_the_other_traded_back(desk: Desk) -> None:
    desk.tell(Kind.PARTIAL, symbol="V", quantity=Decimal(30))
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert (desk.signal(rowid).status, held(desk)) == ("filled(...)", {"MA": 20, "V": -30})
    leg_timeouts.tend(desk.brokers, "worker")
    desk.work()
    assert held(desk) == {"MA": 20, "V": -30}  # its time is not up yet
    time_out(desk, rowid)
    signal = desk.signal(rowid)
    assert held(desk) == {"MA": 10, "V": -30}  # what both legs have stays
    assert (signal.status, signal.filled_quantity, signal.unbalanced_at) == ("part.filled", 10, None)


def test_while_an_outcome_is_not_known_nothing_more_is_sent(desk: Desk) -> None:
    desk.tell(Kind.REJECT, symbol="V", reason="not shortable")
    desk.tell(Kind.DROP_ANSWER, symbol="MA")
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert [o.status for o in desk.orders(rowid)] == ["UNKNOWN", "REJECTED"]
    assert len(desk.orders(rowid)) == 2
    desk.look_up()
    desk.work()
    assert (desk.signal(rowid).status, held(desk)) == ("canceled", {})


def test_an_unwinding_that_is_rejected_is_tried_again(desk: Desk) -> None:
    desk.tell(Kind.REJECT, symbol="V", reason="not shortable")
    rowid = desk.alert("MA-3*V", quantity="20")
    claims = desk.plan(ready=True)
    send_orders.send_now(claims or [], desk.brokers, "worker")
    desk.tell(Kind.REJECT, symbol="MA", reason="halted")
    desk.work()
    assert desk.signal(rowid).status == "critical err"
    hurry()
    desk.work()
    assert (desk.signal(rowid).status, held(desk)) == ("canceled", {})


def test_a_pair_that_goes_flat_closes_all_that_leg_2_holds(desk: Desk) -> None:
    first = desk.alert("MA-3*V", quantity="20", position=MarketPosition.LONG)
    desk.work()
    assert held(desk) == {"MA": 20, "V": -60}
    with transaction() as session:  # a fill that the hedge ratio of today does not explain
        session.execute(sa.update(Position).where(Position.symbol == "V").values(quantity=Decimal(-61)))
    rowid = desk.alert("MA-3*V", Side.SELL, quantity="20", position=MarketPosition.FLAT)
    desk.work()
    assert [(o.symbol, o.quantity, o.is_exit) for o in desk.orders(rowid)] == [("MA", 20, True), ("V", 61, True)]
    assert desk.signal(first).status == "filled"


def test_legs_are_rounded_to_what_can_be_traded_and_the_rest_is_shown(desk: Desk) -> None:
    with transaction() as session:
        snapshots.bump_version(session)
        session.execute(sa.update(Pair).values(hedge_ratio=Decimal("1.25")))
    desk.venue.set_asset("V", tradable=True, shortable=True, quantity_step=Decimal(1))
    desk.venue.set_quote("V", bid=Decimal(100), ask=Decimal(100))
    rowid = desk.alert("MA-1.25*V", quantity="10")
    desk.work()
    sizing = next(step for step in desk.signal(rowid).trace if step["check"] == "sizing")
    assert sizing["values"]["quantity2"] == "12"
    assert sizing["values"]["rounding"] == "-0.5"
    assert desk.signal(rowid).status == "filled"


@pytest.mark.parametrize(
    ("symbol", "asset", "reason"),
    [
        ("V", {"tradable": True, "shortable": False, "quantity_step": Decimal(1)}, "shortable"),
        ("MA", {"tradable": False, "shortable": True, "quantity_step": Decimal(1)}, "tradable"),
    ],
)
def test_when_the_broker_would_refuse_one_leg_neither_is_sent(
    desk: Desk, symbol: str, asset: dict[str, Any], reason: str
) -> None:
    desk.venue.set_asset(symbol, **asset)
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert (desk.signal(rowid).status, desk.signal(rowid).status_reason) == ("error", reason)
    assert desk.orders(rowid) == []


def test_the_money_must_suffice_for_both_legs(context: Flask, tmp_path: Path) -> None:
    make_pair(context, "MA-V", "3")
    with open_desk(context, tmp_path, cash=Decimal(1000)) as desk:
        for symbol in ("MA", "V"):
            desk.venue.set_quote(symbol, bid=Decimal(100), ask=Decimal(100))
        rowid = desk.alert("MA-3*V", quantity="10")  # 4000 against a buying power of 2000
        desk.work()
        assert (desk.signal(rowid).status, desk.signal(rowid).status_reason) == ("error", "buying power")
        assert desk.orders(rowid) == []


def test_canceling_one_leg_cancels_both(desk: Desk) -> None:
    for symbol in ("MA", "V"):
        desk.tell(Kind.WORK, symbol=symbol)
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    assert desk.signal(rowid).status == "created"
    cancel_order(desk.orders(rowid)[0].id, "changed my mind", "user anna")
    assert [o.status for o in desk.orders(rowid)] == ["CANCEL_PENDING", "CANCEL_PENDING"]
    desk.work()
    assert [o.status for o in desk.orders(rowid)] == ["CANCELED", "CANCELED"]
    assert (desk.signal(rowid).status, held(desk)) == ("canceled", {})


def test_a_fill_that_crosses_the_cancel_of_a_leg_is_traded_back(desk: Desk) -> None:
    for symbol in ("MA", "V"):
        desk.tell(Kind.WORK, symbol=symbol)
    desk.tell(Kind.CANCEL_FILLS, symbol="MA")
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.work()
    cancel_order(desk.orders(rowid)[0].id, "changed my mind", "user anna")
    desk.work()
    assert held(desk) == {}
    assert desk.signal(rowid).status == "canceled"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_pair_that_waited_too_long_is_told_as_expired_and_not_as_an_error(desk: Desk, policy: LegPolicy) -> None:
    trade_by(policy)
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.plan()
    with transaction() as session:
        session.execute(sa.update(Order).values(not_after=Order.created_at))
    submit_orders.expire_orders("worker")
    signal = desk.signal(rowid)
    assert (signal.status, signal.status_reason) == ("canceled", "expired")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_pair_that_is_canceled_before_it_is_sent_is_told_as_canceled(desk: Desk, policy: LegPolicy) -> None:
    trade_by(policy)
    rowid = desk.alert("MA-3*V", quantity="20")
    desk.plan()
    cancel_order(desk.orders(rowid)[0].id, "changed my mind", "user anna")
    assert desk.signal(rowid).status == "canceled"
