"""Whatever alerts come and whatever is refused: no exit opens a position, and none makes one larger."""

import itertools
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from brokers.paper.instructions import Kind
from domain.enums import LegPolicy, MarketPosition, Purpose, Side
from extensions import db, transaction
from models import DailyResult, Fill, Order, OrderEvent, Pair, Position, Signal
from services.catalog import snapshots
from tests.support.desk import Desk
from tests.support.factories import make_pair, make_stock

D = Decimal
LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT
TABLES = [OrderEvent, Fill, Order, Signal, Position, DailyResult]
PRICES = {"LNT": "50", "MA-3*V": "-2"}
numbers = itertools.count()
STEP = st.tuples(
    st.sampled_from(sorted(PRICES)),
    st.sampled_from(["enter", "leave", "leave", "turn"]),
    st.sampled_from(Side),
    st.integers(1, 12),
    st.sampled_from([None, None, "LNT", "MA", "V"]),  # the symbol of which the venue refuses the next order
    st.sampled_from(["work", "work", "plan", "submit"]),
)
REFUSED_ENTRY = [("LNT", "enter", Side.BUY, 10, "LNT", "work"), ("LNT", "leave", Side.SELL, 10, None, "work")]
WAITED_BEHIND_IT = [("LNT", "enter", Side.BUY, 10, "LNT", "plan"), ("LNT", "leave", Side.SELL, 10, None, "plan")]
HALF_REFUSED = [("MA-3*V", "enter", Side.BUY, 1, "V", "plan"), ("MA-3*V", "leave", Side.SELL, 1, None, "plan")]


@pytest.fixture
def venues(context: Flask, tmp_path: Path) -> Path:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    return tmp_path


def new_desk(app: Flask, folder: Path, policy: LegPolicy) -> Desk:
    with transaction() as session:
        for table in TABLES:
            session.execute(sa.delete(table))
        session.execute(sa.update(Pair).values(leg_policy=policy))
        snapshots.bump_version(session)
    app.extensions.pop("registry", None)
    place = folder / f"venue-{next(numbers)}"
    place.mkdir()
    return Desk(app, place)


def send_alert(desk: Desk, ticker: str, what: str, side: Side, quantity: int) -> None:
    towards, against = (LONG, SHORT) if side is Side.BUY else (SHORT, LONG)
    words = {
        "enter": {"position": towards, "position_size": D(quantity), "previous_position": FLAT},
        "leave": {"position": FLAT, "previous_position": against, "previous_position_size": D(quantity)},
        "turn": {"position": towards, "position_size": D(quantity), "previous_position": against},
    }[what]
    desk.alert(ticker, side, str(quantity * 2 if what == "turn" else quantity), PRICES[ticker], **words)


def exits_only_close() -> None:
    """Play all fills again: those of exits make the holding of their book smaller, and never turn it round."""
    query = (
        sa.select(Order.name, Order.symbol, Order.side, Order.purpose, Fill.quantity, Signal.position, Signal.id)
        .join(Order, Order.id == Fill.order_id)
        .join(Signal, Signal.id == Order.signal_id)
        .order_by(Fill.id)
    )
    held: dict[tuple[str, str], Decimal] = {}
    for name, symbol, side, purpose, quantity, position, rowid in db.session.execute(query):
        before = held.get((name, symbol), D(0))
        after = held[name, symbol] = before + Side(side).sign * quantity
        if position == FLAT and purpose == Purpose.SIGNAL:
            assert before * after >= 0, f"the exit {rowid} turned {before} {symbol} into {after}"
            assert abs(after) < abs(before), f"the exit {rowid} made {after} of {before} {symbol}"
    db.session.rollback()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=2, max_size=9), policy=st.sampled_from(LegPolicy))
@example(steps=REFUSED_ENTRY, policy=LegPolicy.TOGETHER)
@example(steps=WAITED_BEHIND_IT, policy=LegPolicy.TOGETHER)
@example(steps=HALF_REFUSED, policy=LegPolicy.LEG1_FIRST)
@example(steps=HALF_REFUSED, policy=LegPolicy.ATTACHED)
def test_no_sequence_of_alerts_and_refusals_makes_an_exit_open_a_position(
    venues: Path,
    context: Flask,
    steps: list[tuple[str, str, Side, int, str | None, str]],
    policy: LegPolicy,
):
    desk = new_desk(context, venues, policy)
    try:
        for ticker, what, side, quantity, refused, way in steps:
            send_alert(desk, ticker, what, side, quantity)
            if refused is not None:
                desk.tell(Kind.REJECT, symbol=refused, reason="no")
            if way == "work":
                desk.work()
            else:
                desk.plan()
                if way == "submit":
                    desk.submit()
        desk.work_off()
        exits_only_close()
    finally:
        desk.close()
