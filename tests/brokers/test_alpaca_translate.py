"""Alpaca's words and the desk's, and what is read of an order and its executions."""

import importlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import brokers.alpaca.sdk  # noqa: F401 - first, else the warnings of the SDK's own modules are errors here
from brokers.alpaca.translate import (
    SIDE_FROM_ALPACA,
    STATUS_FROM_ALPACA,
    TIF_TO_ALPACA,
    TYPE_TO_ALPACA,
    fill_report,
    moment,
    number,
    order_report,
    order_status,
)
from domain.enums import Side, TimeInForce
from domain.messages import FillReport
from domain.order_status import CLOSED, OrderStatus
from tests.brokers.alpaca_support import make_order

theirs = importlib.import_module("alpaca.trading.enums")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def make_fill(quantity: str, at: datetime = NOON) -> FillReport:
    return FillReport(
        execution_id=f"{at}-{quantity}", quantity=Decimal(quantity), price=Decimal(5), commission=Decimal(0), at=at
    )


class TestVocabularies:
    """An upgrade of the SDK that brings new words must not slip past."""

    @pytest.mark.parametrize("status", [status.value for status in theirs.OrderStatus])
    def test_every_status_of_the_sdk_is_known(self, status: str):
        assert status in STATUS_FROM_ALPACA

    @pytest.mark.parametrize("kind", [kind.value for kind in theirs.OrderType])
    def test_every_order_type_of_the_sdk_can_be_sent(self, kind: str):
        assert kind in TYPE_TO_ALPACA.values()

    @pytest.mark.parametrize("time_in_force", [t.value for t in theirs.TimeInForce])
    def test_every_time_in_force_of_the_sdk_can_be_sent(self, time_in_force: str):
        assert time_in_force in TIF_TO_ALPACA.values()

    @pytest.mark.parametrize("side", [side.value for side in theirs.OrderSide])
    def test_both_sides_of_the_sdk_are_known(self, side: str):
        assert SIDE_FROM_ALPACA[side].value == side

    def test_nothing_is_sent_that_the_sdk_does_not_know(self):
        assert set(TYPE_TO_ALPACA.values()) <= {kind.value for kind in theirs.OrderType}
        assert set(TIF_TO_ALPACA.values()) <= {t.value for t in theirs.TimeInForce}
        assert set(TIF_TO_ALPACA) == set(TimeInForce)

    @pytest.mark.parametrize("status", ["filled", "canceled", "expired", "rejected", "replaced"])
    def test_only_ends_are_taken_for_ends(self, status: str):
        ends = {word for word, meaning in STATUS_FROM_ALPACA.items() if meaning in CLOSED}
        assert status in ends
        assert len(ends) == 5


class TestUnknownStatus:
    @pytest.mark.parametrize(
        ("field", "meaning"),
        [
            ("filled_at", OrderStatus.FILLED),
            ("canceled_at", OrderStatus.CANCELED),
            ("expired_at", OrderStatus.EXPIRED),
            ("failed_at", OrderStatus.REJECTED),
            ("replaced_at", OrderStatus.REPLACED),
        ],
    )
    def test_the_orders_own_times_say_how_it_ended(self, field: str, meaning: OrderStatus):
        assert order_status(make_order(status="levitating", **{field: "2026-11-25T12:00:01Z"})) is meaning

    @pytest.mark.parametrize("status", ["levitating", "", None, 7, "NEW"])
    def test_without_such_a_time_it_is_still_at_work(self, status: Any):
        assert order_status(make_order(status=status, filled_at=None)) is OrderStatus.ACCEPTED

    def test_a_known_status_is_believed_before_the_times(self):
        assert order_status(make_order(status="pending_cancel", filled_at="2026-11-25T12:00:01Z")) is (
            OrderStatus.CANCEL_PENDING
        )


class TestReading:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("10", Decimal(10)),
            ("-3.5", Decimal("-3.5")),
            (1.1, Decimal("1.1")),
            (7, Decimal(7)),
            ("0.000000001", Decimal("0.000000001")),
            ("1e3", Decimal(1000)),
            (None, None),
            ("", None),
        ],
    )
    def test_numbers_are_read_exactly(self, text: Any, value: Decimal | None):
        assert number(text) == value

    @pytest.mark.parametrize(
        "text", ["ten", "NaN", "Infinity", "-inf", True, [], {}, "1,000", "1e999999", "1e-999999", "0x10"]
    )
    def test_what_is_no_number_is_a_value_error(self, text: Any):
        with pytest.raises(ValueError):
            number(text)

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("2026-11-25T12:00:00Z", NOON),
            ("2026-11-25T12:00:00.123456789Z", NOON.replace(microsecond=123456)),
            ("2026-11-25T12:00:00.5Z", NOON.replace(microsecond=500000)),
            ("2026-11-25T07:00:00-05:00", NOON),
            ("2026-11-25T12:00:00", NOON),
            ("2026-11-25", datetime(2026, 11, 25, tzinfo=UTC)),
            (None, None),
            ("", None),
        ],
    )
    def test_times_are_read_with_any_number_of_decimals(self, text: Any, at: datetime | None):
        assert moment(text) == at

    @pytest.mark.parametrize("text", ["soon", "2026-13-01T00:00:00Z", 17.5, [1], "0001-01-01T00:00:00+05:00"])
    def test_what_is_no_time_is_a_value_error(self, text: Any):
        with pytest.raises(ValueError):
            moment(text)

    def test_an_order_is_read(self):
        report = order_report(make_order(updated_at="2026-11-25T12:00:05Z"), [make_fill("4")])
        assert (report.client_order_id, report.broker_order_id, report.symbol) == ("ours-1", "alpaca-1", "AAPL")
        assert (report.side, report.quantity, report.status) == (Side.BUY, Decimal(10), OrderStatus.ACCEPTED)
        assert report.at == NOON + timedelta(seconds=5)
        assert report.fills == (make_fill("4"),)

    def test_an_order_in_dollars_counts_what_is_filled(self):
        assert order_report(make_order(qty=None, notional="50", filled_qty="0.25"), []).quantity == Decimal("0.25")

    def test_an_order_with_several_legs_has_a_name_of_its_own(self):
        report = order_report(make_order(symbol="", side="", order_class="mleg"), [])
        assert report.symbol == "(several legs)"

    @pytest.mark.parametrize("field", ["id", "client_order_id"])
    def test_an_order_without_an_id_makes_no_sense(self, field: str):
        order = make_order()
        del order[field]
        with pytest.raises(KeyError):
            order_report(order, [])

    @pytest.mark.parametrize(
        ("order", "reason"),
        [
            ({"status": "rejected"}, "rejected by Alpaca after it was taken"),
            ({"status": "rejected", "reject_reason": "no borrow"}, "no borrow"),
            ({"status": "replaced", "replaced_by": "alpaca-2"}, "replaced by alpaca-2"),
            ({"status": "canceled"}, ""),
        ],
    )
    def test_the_reason_of_an_end_is_told(self, order: dict[str, str], reason: str):
        assert order_report(make_order(**order), []).reason == reason

    def test_an_execution_is_read_as_it_is(self):
        fill = fill_report(
            {"id": "e1", "qty": "0.123456789", "price": "60000.5", "transaction_time": "2026-11-25T12:00:00Z"}
        )
        assert (fill.execution_id, fill.quantity, fill.price) == ("e1", Decimal("0.123456789"), Decimal("60000.5"))
        assert (fill.commission, fill.at, fill.synthetic) == (Decimal(0), NOON, False)

    @pytest.mark.parametrize("field", ["qty", "price", "transaction_time"])
    def test_an_execution_that_lacks_something_makes_no_sense(self, field: str):
        activity = {"id": "e1", "qty": "1", "price": "2", "transaction_time": "2026-11-25T12:00:00Z", field: None}
        with pytest.raises(ValueError):
            fill_report(activity)
