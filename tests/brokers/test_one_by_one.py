"""Several orders for a broker that takes single ones."""

import logging

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown, RateLimited
from brokers.one_by_one import submit_one_by_one
from domain.messages import OrderReport, OrderRequest
from domain.order_status import OrderStatus
from tests.brokers.paper_support import NOON, make_request


class Single:
    """A broker that takes single orders, and raises what a test has for one."""

    def __init__(self, **trouble: Exception) -> None:
        self.trouble, self.sent = trouble, []

    def submit_order(self, request: OrderRequest) -> OrderReport:
        self.sent.append(request.client_order_id)
        if request.client_order_id in self.trouble:
            raise self.trouble[request.client_order_id]
        return OrderReport(
            client_order_id=request.client_order_id, broker_order_id="1", symbol=request.symbol, side=request.side,
            quantity=request.quantity, status=OrderStatus.ACCEPTED, at=NOON,
        )  # fmt: skip


def test_each_order_is_sent_once_and_answered_in_its_place():
    trouble = {
        "b": OrderRejected("no borrow"),
        "c": OutcomeUnknown("no answer came"),
        "d": BrokerUnavailable("away"),
        "e": RateLimited("later", 7),
    }
    broker = Single(**trouble)
    answers = submit_one_by_one(broker, [make_request(client_order_id=name) for name in "abcdef"])
    assert broker.sent == list("abcdef")
    assert answers[1:5] == list(trouble.values())
    assert [answer.client_order_id for answer in (answers[0], answers[5])] == ["a", "f"]


def test_what_an_adapter_did_not_foresee_is_unknown_and_keeps_no_other_order_back(caplog: pytest.LogCaptureFixture):
    broker = Single(a=ZeroDivisionError("by 0"))
    with caplog.at_level(logging.ERROR):
        unknown, report = submit_one_by_one(broker, [make_request(client_order_id=name) for name in "ab"])
    assert isinstance(unknown, OutcomeUnknown)
    assert str(unknown) == "unexpected while sending: ZeroDivisionError: by 0"
    assert report.client_order_id == "b"
    assert "order a: unexpected while sending" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_no_orders_get_no_answers():
    assert submit_one_by_one(Single(), []) == []
