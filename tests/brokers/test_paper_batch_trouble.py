"""What goes wrong with some of the orders that the paper venue takes together, or with all of them."""

import threading
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from brokers.paper import order_rows
from brokers.paper.broker import PaperBroker
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.placing import context
from brokers.paper.placing.context import DuplicateOrderId
from brokers.paper.placing.reads import read_context
from brokers.paper.placing.writes import store
from brokers.paper.venue import PaperVenue
from domain.messages import OrderReport, OrderRequest
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, ids_of, make_request, make_settings, orders_named, outcome_of
from tests.support.brokers import find, ref

D = Decimal
S = OrderStatus


def test_a_repeated_id_is_placed_once_whether_it_is_old_or_of_this_batch(venue: PaperVenue, broker: PaperBroker):
    (old,) = broker.submit_orders(orders_named("a"))
    venue.instruct(Instruction(kind=Kind.WORK))  # not used up by what is not placed
    answers = broker.submit_orders(orders_named("abcb", quantity=D(1)))
    unknown = "OutcomeUnknown: client order id must be unique"
    assert [outcome_of(answer) for answer in answers] == [unknown, "ACCEPTED", "FILLED", unknown]
    assert find(broker, "a") == old
    assert [find(broker, name) for name in "bc"] == answers[1:3]
    assert [position.quantity for position in broker.list_positions()] == [11]
    assert [type(answer) for answer in venue.submit_all(ACCOUNT, orders_named("a"))] == [DuplicateOrderId]


def test_an_id_of_a_refused_order_is_free_for_a_later_one_of_the_batch(broker: PaperBroker):
    refused, placed = broker.submit_orders([*orders_named("a", alert=None), *orders_named("a")])
    assert (outcome_of(refused), outcome_of(placed)) == ("OrderRejected: no price", "FILLED")


def test_a_dropped_answer_is_of_one_order_and_it_is_placed(venue: PaperVenue, broker: PaperBroker):
    venue.instruct(Instruction(kind=Kind.DROP_ANSWER, symbol="B"))
    answers = broker.submit_orders([make_request(client_order_id=name, symbol=name) for name in "ABC"])
    assert [outcome_of(answer) for answer in answers] == ["FILLED", "OutcomeUnknown: no answer came", "FILLED"]
    dropped = find(broker, "B")
    assert dropped is not None
    assert dropped.status is S.FILLED


def test_instructions_are_used_up_one_by_one_the_oldest_that_fits_first(venue: PaperVenue, broker: PaperBroker):
    venue.instruct(Instruction(kind=Kind.REJECT, symbol="MSFT", reason="msft"))
    venue.instruct(Instruction(kind=Kind.CANCEL_UNAVAILABLE))
    venue.instruct(Instruction(kind=Kind.REJECT, reason="first"), count=2)
    venue.instruct(Instruction(kind=Kind.UNAVAILABLE, symbol="AAPL"))
    venue.instruct(Instruction(kind=Kind.WORK))
    symbols = ("AAPL", "AAPL", "AAPL", "MSFT", "MSFT", "AAPL")
    answers = broker.submit_orders([make_request(symbol=symbol) for symbol in symbols])
    assert [outcome_of(answer) for answer in answers] == [
        "OrderRejected: first",
        "OrderRejected: first",
        "BrokerUnavailable: the paper venue cannot be reached",
        "OrderRejected: msft",
        "ACCEPTED",
        "FILLED",
    ]
    with pytest.raises(BrokerUnavailable):  # the one for cancels is still there
        broker.cancel_order(ref(answers[4].client_order_id))
    assert {outcome_of(answer) for answer in broker.submit_orders(orders_named("ab"))} == {"FILLED"}


def test_an_instruction_in_use_is_waited_for_and_the_next_one_taken(venue: PaperVenue):
    for account in "ab":
        venue.submit(make_request(account=account))
    for reason in ("first", "second"):
        venue.instruct(Instruction(kind=Kind.REJECT, reason=reason))
    refused: list[str] = []

    def submit() -> None:
        (answer,) = venue.submit_all("b", [make_request(account="b")])
        refused.append(str(answer))

    request = make_request(account="a")
    with venue._locked("a") as book:
        decided = read_context(book, [request])
        assert str(decided.place(request).outcome) == "first"
        store(book, decided)
        other = threading.Thread(target=submit)
        other.start()
        other.join(0.3)
        assert refused == []
    other.join(10)
    assert refused == ["second"]


def test_the_batch_is_answered_when_its_slowest_order_is(paper_url: str):
    waits: list[float] = []
    with closing(PaperVenue(make_settings(paper_url), sleep=waits.append)) as venue:
        for symbol, seconds in (("A", 3), ("B", 7)):
            venue.instruct(Instruction(kind=Kind.HANG, symbol=symbol, seconds=seconds))
        answers = venue.submit_all(ACCOUNT, [make_request(symbol=symbol) for symbol in "ABC"])
        assert [outcome_of(answer) for answer in answers] == ["FILLED"] * 3
        venue.submit(make_request())
    assert waits == [7.0]


def test_orders_that_cannot_be_read_or_are_for_somebody_else_do_not_move_the_answers_of_the_others(
    broker: PaperBroker,
):
    answers = broker.submit_orders(
        [
            *orders_named("a"),
            *orders_named("b", symbol="A\x00"),
            *orders_named("c", account="somebody"),
            *orders_named("d"),
            *orders_named("\n"),
        ]
    )
    assert [outcome_of(answer).partition(":")[0] for answer in answers] == [
        "FILLED", "OrderRejected", "OrderRejected", "FILLED", "OrderRejected",
    ]  # fmt: skip
    assert "printable" in str(answers[1])
    assert "'somebody'" in str(answers[2])
    assert [answer.client_order_id for answer in (answers[0], answers[3])] == ["a", "d"]


def test_an_order_that_raises_leaves_the_others_of_its_batch_alone(
    venue: PaperVenue, broker: PaperBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    real = context.new_order

    def fails(request: OrderRequest, *args: Any, **more: Any) -> Any:
        return 1 / 0 if request.client_order_id == "b" else real(request, *args, **more)

    monkeypatch.setattr(context, "new_order", fails)
    venue.instruct(Instruction(kind=Kind.WORK))
    answers = broker.submit_orders(orders_named("abc"))
    assert [outcome_of(answer) for answer in answers] == [
        "ACCEPTED",
        "OutcomeUnknown: unexpected at the paper venue: ZeroDivisionError: division by zero",
        "FILLED",
    ]
    assert ids_of(broker) == ["a", "c"]
    assert [position.quantity for position in broker.list_positions()] == [10]
    assert "order b: unexpected" in caplog.text


def test_an_order_that_the_store_does_not_take_leaves_the_others_of_its_batch_alone(
    broker: PaperBroker, monkeypatch: pytest.MonkeyPatch
):
    real = order_rows._row

    def too_large(order: Any) -> dict[str, Any]:
        return real(order) | ({"quantity": D(10) ** 20} if order.client_order_id == "b" else {})

    monkeypatch.setattr(order_rows, "_row", too_large)
    answers = broker.submit_orders(orders_named("abc"))
    assert [type(answer) for answer in answers[::2]] == [OrderReport, OrderReport]
    assert isinstance(answers[1], BrokerUnavailable)
    assert "does not fit" in str(answers[1])
    assert ids_of(broker) == ["a", "c"]


def test_a_store_that_fails_has_taken_none_of_them(venue: PaperVenue, broker: PaperBroker):
    broker.submit_orders(orders_named("a"))
    tries: list[str] = []

    def fail(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO") and "positions" in statement:
            tries.append(statement)
            raise OperationalError(statement, {}, Exception("made up"))

    event.listen(venue._store._engine, "before_cursor_execute", fail)
    answers = broker.submit_orders([*orders_named("bc"), *orders_named("d", account="other")])
    event.remove(venue._store._engine, "before_cursor_execute", fail)
    assert [type(answer) for answer in answers] == [BrokerUnavailable, BrokerUnavailable, OrderRejected]
    assert len(tries) == 1  # it is away for all of them
    assert ids_of(broker) == ["a"]
    assert [outcome_of(answer) for answer in broker.submit_orders(orders_named("bc"))] == ["FILLED"] * 2


def test_a_commit_without_answer_is_unknown_for_each_of_them(venue: PaperVenue, broker: PaperBroker):
    broker.submit_orders(orders_named("a"))

    def fail(_: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("made up"))

    event.listen(venue._store._engine, "commit", fail)
    answers = broker.submit_orders([*orders_named("b"), *orders_named("c", alert=None)])
    event.remove(venue._store._engine, "commit", fail)
    assert [type(answer) for answer in answers] == [OutcomeUnknown, OutcomeUnknown]
