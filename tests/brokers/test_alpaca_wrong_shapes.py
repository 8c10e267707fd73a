"""Answers of Alpaca that make no sense."""

from datetime import UTC, datetime
from typing import Any

import pytest

from brokers.alpaca.broker import AlpacaBroker
from brokers.errors import BrokerUnavailable, OutcomeUnknown
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import Desk, change_reads, make_request
from tests.support.brokers import find, ref

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class TestWrongShapes:
    """An answer that cannot be understood is never taken for an empty one."""

    SHAPES: tuple[Any, ...] = ({}, {"message": "ok"}, None, "flat", 7, [7], [None], [[]], [{}], [{"id": "1"}], b"")

    @pytest.mark.parametrize("body", SHAPES, ids=repr)
    def test_a_holding_is_never_overlooked(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.list_positions()

    @pytest.mark.parametrize("body", SHAPES, ids=repr)
    def test_nor_is_an_order(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.list_orders(LONG_AGO)

    @pytest.mark.parametrize(
        "body", [*SHAPES, [], {"client_order_id": "x"}, {"client_order_id": "y", "id": "1"}], ids=repr
    )
    def test_a_look_up_is_never_taken_for_absence(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        for call in (lambda: find(bare, "x"), lambda: bare.cancel_order(ref("x"))):
            with pytest.raises(BrokerUnavailable):
                call()

    @pytest.mark.parametrize("body", [*SHAPES, []], ids=repr)
    def test_nor_is_money(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(BrokerUnavailable):
            bare.account()

    @pytest.mark.parametrize("body", [*SHAPES, [], {"client_order_id": "another"}], ids=repr)
    def test_an_order_that_is_answered_so_may_have_arrived(self, answers: Answers, bare: AlpacaBroker, body: Any):
        answers.give(200, body)
        with pytest.raises(OutcomeUnknown):
            bare.submit_order(make_request())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"filled_qty": "some"},
            {"filled_qty": "1", "submitted_at": "soon"},
            {"filled_qty": "1", "submitted_at": "0001-01-01T00:00:00Z"},
            {"qty": "NaN"},
            {"updated_at": "soon"},
            {"client_order_id": None, "qty": []},
        ],
        ids=repr,
    )
    def test_an_order_with_nonsense_in_it_is_unavailable(
        self, answers: Answers, bare: AlpacaBroker, wrong: dict[str, Any]
    ):
        order = {"id": "1", "client_order_id": "x", "symbol": "F", "side": "buy", "qty": "1", "status": "new", **wrong}
        answers.give(200, [order])
        with pytest.raises(BrokerUnavailable):
            bare.list_orders(LONG_AGO)
        if order["client_order_id"] == "x":
            answers.give(200, order)
            with pytest.raises(BrokerUnavailable):
                find(bare, "x")

    @pytest.mark.parametrize(
        "page",
        [{}, None, [7], [None], [{}], [{"order_id": "1"}],
         [{"id": "e", "qty": "1", "price": "1", "transaction_time": "2026-11-25T12:00:00Z"}],
         [{"id": "e", "order_id": "1", "qty": "1e99999", "price": "1", "transaction_time": "2026-11-25T12:00:00Z"}]],
        ids=repr,
    )  # fmt: skip
    def test_executions_that_cannot_be_read_are_unavailable(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, page: Any
    ):
        client_order_id = desk.send()
        desk.pass_time()
        change_reads(monkeypatch, "/account/activities/FILL", lambda _: page)
        for call in (lambda: desk.find(client_order_id), lambda: desk.broker.list_orders(LONG_AGO)):
            with pytest.raises(BrokerUnavailable):
                call()
