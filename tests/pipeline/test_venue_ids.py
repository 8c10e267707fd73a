"""Venues that do not tell our ids, or take one twice: unknown outcomes end adopted or with a person, never sent twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.broker import PaperBroker
from brokers.paper.instructions import Kind
from domain.enums import Side
from domain.errors import InvalidInput
from domain.messages import OrderReport
from extensions import db, reading, transaction
from models import ForeignOrder, Order, Position
from services.execution import cancel_orders
from services.interventions import settle
from simulators.odd_venues import EchoingBroker, NamelessBroker
from tests.brokers.paper_support import make_request
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

EVER = datetime(2000, 1, 1, tzinfo=UTC)
ODD = [EchoingBroker, NamelessBroker]


@pytest.fixture(params=ODD, ids=lambda kind: kind.name)
def desk(app: Flask, context: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    make_stock(app, "LNT")
    make_pair(app, "MA-V", "3")
    with open_desk(app, tmp_path) as desk:
        broker: PaperBroker = request.param(desk.venue, "paper")
        desk.broker = broker
        desk.brokers[desk.account_id] = broker
        desk.market.connect(desk.account_id, broker)
        yield desk


def place_by_hand(desk: Desk, client_order_id: str = "by hand") -> None:
    """Place ten shares past the desk."""
    order = make_request(account="paper", client_order_id=client_order_id, symbol="LNT", quantity=Decimal(10))
    (answer,) = desk.venue.submit_all("paper", [order])
    assert isinstance(answer, OrderReport), answer


def is_nameless(desk: Desk) -> bool:
    return isinstance(desk.broker, NamelessBroker)


def at_the_venue(desk: Desk) -> list[tuple[str, Decimal]]:
    return [(report.symbol, report.quantity) for report in desk.venue.list("paper", EVER)]


def pass_minutes() -> None:
    """Let the minutes pass that a broker has to show an order."""
    with transaction() as session:
        for order in session.execute(sa.select(Order).where(Order.sent_at.is_not(None))).scalars():
            assert order.sent_at is not None
            order.sent_at -= timedelta(seconds=30)
            order.next_at = order.created_at
        for row in session.execute(sa.select(ForeignOrder)).scalars():
            row.first_seen_at -= timedelta(seconds=30)


def look_up(desk: Desk, times: int = 4) -> None:
    for _ in range(times):
        pass_minutes()
        desk.look_up()
        db.session.rollback()


def told(desk: Desk, rowid: int) -> list[tuple[str, Decimal]]:
    db.session.rollback()
    return [(order.status, order.filled_quantity) for order in desk.orders(rowid)]


def held() -> dict[str, Decimal]:
    with reading() as session:
        rows = session.execute(sa.select(Position.symbol, Position.quantity).where(Position.quantity != 0)).all()
    return {row.symbol: row.quantity for row in rows}


def foreign() -> int:
    with reading() as session:
        return session.execute(sa.select(sa.func.count()).select_from(ForeignOrder)).scalar_one()


def test_an_accepted_order_is_polled_to_its_end(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    pass_minutes()
    desk.poll()
    assert told(desk, rowid) == [("ACCEPTED", 0)]
    desk.venue.fill_rest("paper", desk.orders(rowid)[0].client_order_id)
    desk.poll()
    assert told(desk, rowid) == [("FILLED", 10)]
    assert (held(), foreign()) == ({"LNT": 10}, 0)


def test_a_pair_is_filled(desk: Desk) -> None:
    rowid = desk.alert("MA-3*V")
    desk.work()
    assert told(desk, rowid) == [("FILLED", 10), ("FILLED", 30)]
    assert held() == {"MA": 10, "V": -30}


def test_a_lost_answer_is_found_and_never_sent_again(desk: Desk) -> None:
    desk.tell(Kind.DROP_ANSWER)
    rowid = desk.alert("LNT")
    desk.work()
    assert told(desk, rowid) == [("UNKNOWN", 0)]
    look_up(desk)
    assert told(desk, rowid) == [("FILLED", 10)]
    assert at_the_venue(desk) == [("LNT", 10)]
    assert (held(), foreign()) == ({"LNT": 10}, 0)


def test_a_lost_request_is_left_to_a_person_and_never_sent_again(desk: Desk) -> None:
    desk.tell(Kind.DROP_REQUEST)
    rowid = desk.alert("LNT")
    desk.work()
    look_up(desk)
    desk.work()
    assert told(desk, rowid) == [("MANUAL", 0)]
    assert desk.signal(rowid).status == "critical err"
    assert at_the_venue(desk) == []


def test_an_order_that_shows_after_a_person_was_called_is_taken_over(desk: Desk) -> None:
    desk.tell(Kind.DROP_REQUEST)
    rowid = desk.alert("LNT")
    desk.work()
    look_up(desk)
    assert told(desk, rowid) == [("MANUAL", 0)]
    place_by_hand(desk, desk.orders(rowid)[0].client_order_id)  # it was on its way all the time
    desk.poll()
    assert told(desk, rowid) == [("FILLED", 10)]
    assert (held(), foreign()) == ({"LNT": 10}, 0)


def test_an_order_of_somebody_else_from_before_is_not_taken_for_ours(desk: Desk) -> None:
    if not is_nameless(desk):
        pytest.skip("this venue tells our ids")
    place_by_hand(desk)
    desk.poll()
    assert foreign() == 1
    desk.tell(Kind.DROP_REQUEST)
    rowid = desk.alert("LNT")
    desk.work()
    look_up(desk)
    assert told(desk, rowid) == [("MANUAL", 0)]
    assert held() == {}


def test_of_several_that_look_alike_a_person_chooses(desk: Desk) -> None:
    if not is_nameless(desk):
        pytest.skip("this venue tells our ids")
    desk.tell(Kind.DROP_ANSWER)
    rowid = desk.alert("LNT")
    desk.work()
    place_by_hand(desk)
    look_up(desk)
    desk.poll()
    assert told(desk, rowid) == [("MANUAL", 0)]
    assert "several orders like it" in (desk.orders(rowid)[0].reason or "")


def manual_of_two(desk: Desk) -> tuple[int, str, str]:
    """Return a signal whose order nobody can tell from one that was placed by hand, and both their ids there."""
    desk.tell(Kind.DROP_ANSWER)
    rowid = desk.alert("LNT")
    desk.work()
    place_by_hand(desk)
    look_up(desk)
    assert told(desk, rowid) == [("MANUAL", 0)]
    ours, other = (report.broker_order_id for report in desk.venue.list("paper", EVER))
    return rowid, ours, other


def test_the_one_that_a_person_names_is_looked_up_and_booked(desk: Desk) -> None:
    if not is_nameless(desk):
        pytest.skip("this venue tells our ids")
    rowid, ours, _ = manual_of_two(desk)
    (order,) = desk.orders(rowid)
    settle.identify_order(order.id, ours, "seen on its page", "user anna")
    assert told(desk, rowid) == [("UNKNOWN", 0)]
    desk.look_up()
    desk.poll()
    assert (told(desk, rowid), desk.signal(rowid).status) == ([("FILLED", 10)], "filled")
    assert (held(), foreign()) == ({"LNT": 10}, 1)


def test_an_id_that_the_broker_does_not_know_is_left_to_a_person_again(desk: Desk) -> None:
    if not is_nameless(desk):
        pytest.skip("this venue tells our ids")
    rowid, ours, _ = manual_of_two(desk)
    (order,) = desk.orders(rowid)
    settle.identify_order(order.id, "no such id", "a slip of the pen", "user anna")
    look_up(desk)
    assert told(desk, rowid) == [("MANUAL", 0)]
    settle.identify_order(order.id, ours, "now right", "user anna")
    desk.look_up()
    assert told(desk, rowid) == [("FILLED", 10)]


def test_an_id_of_another_order_of_ours_is_refused(desk: Desk) -> None:
    first = desk.alert("LNT")
    desk.work()
    desk.tell(Kind.DROP_REQUEST)
    second = desk.alert("LNT")
    desk.work()
    look_up(desk)
    assert told(desk, second) == [("MANUAL", 0)]
    (taken,), (order,) = desk.orders(first), desk.orders(second)
    assert taken.broker_order_id
    with pytest.raises(InvalidInput, match=f"broker_order_id: is the id of order {taken.client_order_id}"):
        settle.identify_order(order.id, taken.broker_order_id, "wrong line", "user anna")
    assert told(desk, second) == [("MANUAL", 0)]


def test_what_the_named_one_traded_is_nobody_else_s(desk: Desk) -> None:
    place_by_hand(desk)  # by the broker's staff, on the phone
    desk.poll()
    assert foreign() == 1
    desk.tell(Kind.DROP_REQUEST)
    rowid = desk.alert("LNT")
    desk.work()
    look_up(desk)
    (order,) = desk.orders(rowid)
    (there,) = desk.venue.list("paper", EVER)
    assert told(desk, rowid) == [("MANUAL", 0)]
    settle.identify_order(order.id, there.broker_order_id, "the broker's staff placed it", "user anna")
    assert foreign() == 0


def test_two_alike_of_ours_are_told_apart_by_the_venue_s_ids(desk: Desk) -> None:
    first = desk.alert("LNT")
    desk.work()
    desk.tell(Kind.DROP_ANSWER)
    second = desk.alert("LNT")
    desk.work()
    look_up(desk)
    assert told(desk, first) == told(desk, second) == [("FILLED", 10)]
    assert len({desk.orders(rowid)[0].broker_order_id for rowid in (first, second)}) == 2
    assert held() == {"LNT": 20}


def test_a_working_order_that_the_list_shows_no_more_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not is_nameless(desk):
        pytest.skip("this venue lists all orders")
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT")
    desk.work()
    pass_minutes()
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr(desk.venue, "now", lambda: datetime.now(UTC) + timedelta(hours=25))
        desk.poll()
        desk.poll()
    assert told(desk, rowid) == [("ACCEPTED", 0)]
    assert sum("does not show it any more" in record.message for record in caplog.records) == 1
    desk.venue.fill_rest("paper", desk.orders(rowid)[0].client_order_id)
    desk.poll()
    assert told(desk, rowid) == [("FILLED", 10)]


def test_a_cancel_ends_the_order(desk: Desk) -> None:
    desk.tell(Kind.WORK)
    rowid = desk.alert("LNT", Side.BUY)
    desk.work()
    cancel_orders.cancel_order(desk.orders(rowid)[0].id, "changed my mind", "user anna")
    desk.work()
    assert told(desk, rowid) == [("CANCELED", 0)]
