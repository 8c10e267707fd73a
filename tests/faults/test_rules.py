"""The auditor: books in order pass, and each rule is seen to fail on books that were tampered with."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from brokers.paper.store import Store
from domain.enums import Side
from extensions import transaction
from faults import rules, snapshot
from faults.senders import Sent
from faults.snapshot import Snapshot
from faults.venues import PaperSide
from tests.brokers.paper_support import make_settings
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

SINGLE, PAIR, REFUSED = "LNT", "MA-3*V", "KO-0.5*PEP"


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    """A desk that has traded: signal 1 a single, 2 a pair, 3 a pair whose leg 2 was refused and leg 1 traded back."""
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3")
    make_pair(context, "KO-PEP", "0.5")
    with open_desk(context, tmp_path) as desk:
        desk.tell(Kind.REJECT, symbol="PEP")
        desk.alert(SINGLE)
        desk.alert(PAIR, side=Side.SELL, price="-2")
        desk.alert(REFUSED, price="20")
        desk.work()
        yield desk


@pytest.fixture
def sent() -> list[Sent]:
    """What was sent: three alerts, each answered 201."""
    return [make_sent(1, SINGLE), make_sent(2, PAIR, "sell"), make_sent(3, REFUSED)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/paper.db"


def make_sent(number: int, ticker: str, side: str = "buy") -> Sent:
    body = {"ticker": ticker, "order_action": side, "order_contracts": "10"}
    return Sent(f"test-{number}", body, rowids={number}, created=1, acknowledged_at=1.0)


def violated(context: Flask, url: str, sent: Sequence[Sent]) -> set[str]:
    return set(rules.audit(books_of(context, url), sent))


def books_of(context: Flask, url: str) -> Snapshot:
    with closing(PaperSide(make_settings(url))) as venue:
        return snapshot.take(context, venue)


def in_book(*statements: str) -> None:
    with transaction() as session:
        for statement in statements:
            session.execute(sa.text(statement))


def at_venue(url: str, *statements: str) -> None:
    with closing(Store(url)) as store, store.writing() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_books_in_order_pass(context: Flask, desk: Desk, sent: list[Sent], url: str) -> None:
    assert [desk.signal(number).status for number in (1, 2, 3)] == ["filled", "filled", "canceled"]
    assert violated(context, url, sent) == set()


def test_each_rule_is_tried_below() -> None:
    tried = {rule for _, rules in (*IN_BOOK, *AT_VENUE) for rule in rules} | {rule for _, rule in IN_ANSWERS}
    assert tried == {rule.__name__ for rule in rules.RULES}


TERMS, FILLS, HOLDS = "orders_agree_with_the_venue", "fills_agree_with_the_venue", "signals_hold_what_they_say"
HEDGED, PLANS = "pairs_are_hedged_as_a_whole", "plans_are_the_alerts_or_say_why_not"
POSITIONS, STORED, KNOWN = (
    "positions_agree_with_the_venue",
    "acknowledged_alerts_are_stored_once",
    "rows_are_alerts_that_were_sent",
)
ENDED, MOVES, ONCE, LEASE = (
    "everything_has_ended",
    "moves_are_on_record",
    "orders_reach_the_venue_once",
    "no_lease_is_left",
)
IN_BOOK = [
    ("update orders set is_exit = true where signal_id = 1", {"exits_open_nothing"}),
    ("update signals set dedupe_key = 'id:other' where id = 1", {STORED, KNOWN}),
    ("update signals set seen_count = 0 where id = 1", {STORED}),
    ("update signals set side = 'sell' where id = 1", {KNOWN, HOLDS}),
    ("update signals set quantity = '11' where id = 1", {KNOWN, PLANS}),
    ("update signals set quantity = '9' where id = 2", {KNOWN, PLANS}),
    ("update signals set leg_quantity1 = '9' where id = 2", {PLANS, HOLDS}),
    ("update signals set leg_quantity2 = '29' where id = 2", {PLANS, HOLDS}),
    ("update orders set quantity = '11' where symbol = 'LNT'", {TERMS, PLANS, HOLDS}),
    ("update orders set purpose = 'unwind' where symbol = 'LNT'", {HOLDS}),
    ("update orders set client_order_id = 'x' where symbol = 'LNT'", {ONCE, TERMS, FILLS}),
    ("update orders set status = 'CANCELED' where symbol = 'LNT'", {TERMS, MOVES}),
    ("update orders set filled_quantity = '9' where symbol = 'LNT'", {TERMS}),
    ("update orders set average_price = '50.01' where symbol = 'LNT'", {TERMS}),
    ("update orders set status = 'ACCEPTED' where symbol = 'PEP'", {TERMS, MOVES, ENDED}),
    ("delete from fills where order_id = 1", {FILLS, POSITIONS, HOLDS}),
    ("update fills set price = '51' where order_id = 1", {FILLS}),
    ("update fills set commission = '1' where order_id = 1", {FILLS}),
    ("update fills set execution_id = 'x' where order_id = 1", {FILLS}),
    ("update fills set quantity = '11' where order_id = 1", {FILLS, POSITIONS, HOLDS}),
    ("update signals set status = 'created' where id = 1", {ENDED}),
    ("update signals set status = 'waiting' where id = 1", {ENDED}),
    ("update signals set unbalanced_at = received_at where id = 2", {ENDED}),
    ("update signals set status = 'filled' where id = 3", {HOLDS}),
    ("update signals set hedge_ratio = '4' where id = 2", {HEDGED, PLANS}),
    ("update orders set name = 'GME' where symbol = 'V'", {HEDGED, POSITIONS}),
    ("delete from order_events where seq = 2 and order_id = 1", {MOVES}),
    ("delete from order_events where seq = 4 and order_id = 1", {MOVES}),
    ("delete from order_events where order_id = 1", {MOVES}),
    ("update order_events set to_status = 'CLAIMED' where seq = 1 and order_id = 1", {MOVES}),
    ("update order_events set from_status = 'UNKNOWN' where seq = 3 and order_id = 1", {MOVES}),
    ("update order_events set to_status = 'MANUAL' where seq = 4 and order_id = 1", {MOVES}),
    ("update orders set lease_owner = 'host:1:ab' where symbol = 'LNT'", {LEASE}),
    ("update positions set quantity = '11' where symbol = 'LNT'", {POSITIONS}),
    ("update positions set name = 'GME' where symbol = 'LNT'", {POSITIONS}),
    ("delete from positions where symbol = 'V'", {POSITIONS}),
    ("update orders set lease_until = created_at where symbol = 'LNT'", {LEASE}),
]
AT_VENUE = [
    ("update orders set client_order_id = 'x' where symbol = 'LNT'", {ONCE, TERMS, FILLS}),
    ("update orders set side = 'sell' where symbol = 'LNT'", {TERMS}),
    ("update orders set status = 'CANCELED' where symbol = 'LNT'", {TERMS}),
    ("update fills set quantity = '9' where quantity = '10.00000000' and price = '50.00000000'", {TERMS, FILLS}),
    ("update positions set quantity = '11' where symbol = 'LNT'", {POSITIONS}),
    ("delete from positions where symbol = 'V'", {POSITIONS}),
    ("update positions set symbol = 'GME' where symbol = 'LNT'", {POSITIONS}),
]
IN_ANSWERS = [
    ({"rowids": {1, 2}}, STORED),
    ({"rowids": {7}}, STORED),
    ({"created": 2}, STORED),
    ({"repeats": 1}, STORED),
]


@pytest.mark.parametrize(("statement", "expected"), IN_BOOK)
def test_a_book_that_was_tampered_with_fails(
    context: Flask, desk: Desk, sent: list[Sent], url: str, statement: str, expected: set[str]
) -> None:
    in_book(statement)
    assert violated(context, url, sent) == expected


@pytest.mark.parametrize(("statement", "expected"), AT_VENUE)
def test_a_venue_that_disagrees_fails(
    context: Flask, desk: Desk, sent: list[Sent], url: str, statement: str, expected: set[str]
) -> None:
    at_venue(url, statement)
    assert violated(context, url, sent) == expected


@pytest.mark.parametrize(("answered", "rule"), IN_ANSWERS)
def test_answers_that_were_not_kept_fail(
    context: Flask, desk: Desk, sent: list[Sent], url: str, answered: dict[str, object], rule: str
) -> None:
    for name, value in answered.items():
        setattr(sent[0], name, value)
    assert violated(context, url, sent) == {rule}


def test_an_order_that_is_twice_at_the_venue_fails(context: Flask, desk: Desk, sent: list[Sent], url: str) -> None:
    books = books_of(context, url)
    doubled = replace(books, venue_orders=[*books.venue_orders, books.venue_orders[0]])
    assert ONCE in rules.audit(doubled, sent)


def test_an_alert_without_an_answer_may_be_stored_or_not(
    context: Flask, desk: Desk, sent: list[Sent], url: str
) -> None:
    sent[0].acknowledged_at, sent[0].rowids, sent[0].created = None, set(), 0
    sent.append(Sent("lost", {}))
    assert violated(context, url, sent) == set()


def test_a_leg_alone_needs_a_person(context: Flask, desk: Desk, sent: list[Sent], url: str) -> None:
    """The order that traded leg 1 back is what makes the third signal right."""
    in_book("delete from fills where order_id = 6")
    assert HOLDS in violated(context, url, sent)
    in_book("update signals set status = 'critical err' where id = 3")
    assert HOLDS not in violated(context, url, sent)


def test_a_hedge_is_right_to_the_step(context: Flask, desk: Desk, sent: list[Sent], url: str) -> None:
    in_book("update signals set hedge_ratio = '3.000000001' where id = 2")
    assert HEDGED not in violated(context, url, sent)
    in_book("update signals set hedge_ratio = '3.00000001' where id = 2")
    assert HEDGED in violated(context, url, sent)
    assert Decimal("3.00000001") * 10 - 30 > rules.STEP
