"""What Alpaca's answers mean to an order, to a look-up, and to what is asked next."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from brokers.alpaca import client as client_module
from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.errors import BadRequest, NotFound
from brokers.errors import (
    AccessRefused,
    BrokerError,
    BrokerUnavailable,
    Conflicts,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)
from simulators.alpaca.keys import SECRET
from tests.brokers.alpaca_peers import Answers
from tests.brokers.alpaca_support import Clock, make_settings

HTML = b"<html><body>Bad\r\nGateway</body></html>"
DUPLICATE = {"code": 40010001, "message": "client_order_id must be unique"}
DUPLICATE_OF_OLD = {"code": 40010001, "message": "client order id must be unique"}
WASH = {"code": 40310000, "message": "potential wash trade detected", "existing_order_id": "6e51bd20"}
FUNDS = {"code": 40310000, "message": "insufficient buying power"}

# Status, body; what it means to an order, and to a look-up.
ANSWERS: list[tuple[int, Any, type[BrokerError], type[BrokerError]]] = [
    (302, b"", OutcomeUnknown, BrokerUnavailable),
    (302, [], OutcomeUnknown, BrokerUnavailable),
    (400, {"code": 40010000, "message": "request body format is invalid"}, OrderRejected, BadRequest),
    (401, {"message": "unauthorized."}, AccessRefused, AccessRefused),
    # What does not speak in Alpaca's own words may be something on the way: it proves nothing of keys, or of orders.
    (401, b"", OutcomeUnknown, BrokerUnavailable),
    (401, HTML, OutcomeUnknown, BrokerUnavailable),
    (403, HTML, OutcomeUnknown, BrokerUnavailable),
    (403, WASH, Conflicts, BrokerUnavailable),
    (403, FUNDS, OrderRejected, BrokerUnavailable),
    (403, {"message": "forbidden."}, AccessRefused, AccessRefused),
    (404, {"code": 40410000, "message": "order not found"}, OrderRejected, NotFound),
    (404, HTML, OutcomeUnknown, BrokerUnavailable),
    (404, b"", OutcomeUnknown, BrokerUnavailable),
    (400, HTML, OutcomeUnknown, BrokerUnavailable),
    (404, {"message": "Not Found"}, OrderRejected, BrokerUnavailable),
    (408, {"message": "request timeout"}, OutcomeUnknown, BrokerUnavailable),
    (409, {"message": "conflict"}, OutcomeUnknown, BrokerUnavailable),
    (418, HTML, OutcomeUnknown, BrokerUnavailable),
    (422, DUPLICATE, OutcomeUnknown, BadRequest),
    (422, DUPLICATE_OF_OLD, OutcomeUnknown, BadRequest),
    (422, {"code": 42210000, "message": "asset is not active"}, OrderRejected, BadRequest),
    (422, b"", OutcomeUnknown, BrokerUnavailable),
    (429, {"message": "too many requests."}, RateLimited, RateLimited),
    (500, {"code": 50010000, "message": "internal server error occurred"}, OutcomeUnknown, BrokerUnavailable),
    (500, b"", OutcomeUnknown, BrokerUnavailable),
    (502, HTML, OutcomeUnknown, BrokerUnavailable),
    (503, [1, 2], OutcomeUnknown, BrokerUnavailable),
    (504, b'{"message": ', OutcomeUnknown, BrokerUnavailable),
    (504, {"message": {"a": ["nested"]}, "code": None}, OutcomeUnknown, BrokerUnavailable),
    (200, b'{"id": "', OutcomeUnknown, BrokerUnavailable),
    (200, HTML, OutcomeUnknown, BrokerUnavailable),
    (200, b"\xff\xfe\x00", OutcomeUnknown, BrokerUnavailable),
    (200, b"[" * 100_000, OutcomeUnknown, BrokerUnavailable),  # too deep for a parser
]
CLOSED_WINDOW = "rate limit"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(answers: Answers, clock: Clock) -> Iterator[AlpacaClient]:
    with closing(AlpacaClient(make_settings(answers.url), clock)) as opened:
        yield opened


def send(client: AlpacaClient, way: str = "post") -> None:
    {
        "post": lambda: client.post("/orders", {"symbol": "AAPL"}),
        "patch": lambda: client.patch("/orders/1", {"qty": "1"}),
        "delete": lambda: client.delete("/orders/1"),
    }[way]()


class TestMeaning:
    @pytest.mark.parametrize(("status", "body", "sending", "reading"), ANSWERS)
    @pytest.mark.parametrize("way", ["post", "patch", "delete"])
    def test_to_what_is_sent(
        self, answers: Answers, client: AlpacaClient, way: str, status: int, body: Any, sending: type, reading: type
    ):
        answers.give(status, body)
        with pytest.raises(BrokerError) as caught:
            send(client, way)
        assert type(caught.value) is sending
        assert len(answers.asked) == 1

    @pytest.mark.parametrize(("status", "body", "sending", "reading"), ANSWERS)
    def test_to_what_is_read(
        self, answers: Answers, client: AlpacaClient, status: int, body: Any, sending: type, reading: type
    ):
        answers.give(status, body)
        with pytest.raises(BrokerUnavailable) as caught:
            client.read("/account")
        assert type(caught.value) is reading
        assert caught.value.retry_after > 0
        assert len(answers.asked) == 1

    @pytest.mark.parametrize("status", [401, 403])
    def test_data_that_is_not_subscribed_to_does_not_keep_orders_from_being_sent(
        self, answers: Answers, client: AlpacaClient, caplog: pytest.LogCaptureFixture, status: int
    ):
        answers.give(status, {"message": "subscription does not permit querying recent SIP data"})
        with pytest.raises(BrokerUnavailable, match="SIP") as caught:
            client.read_data("/stocks/quotes/latest", {"symbols": "AAPL"})
        assert type(caught.value) is BrokerUnavailable
        answers.give(200, {"id": "1"})
        send(client)
        assert not caplog.records

    def test_a_text_is_one_short_line(self, answers: Answers, client: AlpacaClient):
        answers.give(422, {"message": "line\r\nfeed\t\x1b[31m" + "x" * 1000})
        with pytest.raises(OrderRejected) as caught:
            send(client)
        assert str(caught.value).startswith("line  feed  [31mxxx")
        assert len(str(caught.value)) == 300

    def test_an_answer_without_a_text_is_told_by_what_its_code_means(self, answers: Answers, client: AlpacaClient):
        answers.give(422, {"code": 42210000})
        with pytest.raises(OrderRejected, match="a rule of trading does not allow the order") as caught:
            send(client)
        assert caught.value.in_words.endswith("(code 42210000)")


class TestWhatComesNext:
    @pytest.mark.parametrize(("status", "body", "sending", "reading"), ANSWERS)
    def test_only_refused_keys_and_full_windows_keep_the_next_order_from_being_sent(
        self, answers: Answers, client: AlpacaClient, status: int, body: Any, sending: type, reading: type
    ):
        answers.give(status, body)
        with pytest.raises(BrokerError):
            send(client)
        answers.give(200, {"id": "1"})
        if sending is AccessRefused or status == 429:
            with pytest.raises(BrokerUnavailable):
                send(client)
            assert len(answers.asked) == 1
        else:
            send(client)
            assert len(answers.asked) == 2

    @pytest.mark.parametrize(
        ("headers", "least", "most"),
        [
            ({"X_RateLimit_Reset": "+30"}, 30, 32),
            ({"Retry_After": "7"}, 7, 8),
            ({"Retry_After": "7", "X_RateLimit_Reset": "+30"}, 7, 8),
            ({}, 5, 6),
            ({"Retry_After": "-1"}, 2, 3),
            ({"Retry_After": "Wed, 25 Nov 2026 12:00:00 GMT"}, 5, 6),
            ({"Retry_After": "Wed, 25 Nov 2026 12:00:00 GMT", "X_RateLimit_Reset": "+30"}, 30, 32),
            ({"Retry_After": "nan"}, 5, 6),
            ({"Retry_After": "inf"}, 5, 6),
            ({"Retry_After": "86400"}, 60, 61),
            ({"X_RateLimit_Reset": "-3600"}, 2, 3),
            ({"X_RateLimit_Reset": "soon"}, 5, 6),
        ],
    )
    def test_a_full_window_says_when_it_opens(
        self, answers: Answers, client: AlpacaClient, clock: Clock, headers: dict[str, str], least: float, most: float
    ):
        reset = headers.get("X_RateLimit_Reset", "")
        if reset[:1] in ("+", "-"):
            headers = {**headers, "X_RateLimit_Reset": str(int(time.time() + int(reset)))}
        answers.give(429, {"message": "too many requests."}, **headers)
        with pytest.raises(BrokerUnavailable, match="asks to wait: too many requests") as caught:
            send(client)
        assert least <= caught.value.retry_after <= most
        answers.give(200, {"id": "1"})
        for call in (lambda: client.read("/account"), lambda: send(client)):
            with pytest.raises(BrokerUnavailable, match=CLOSED_WINDOW) as caught:
                call()
            assert least - 1 <= caught.value.retry_after <= most
        assert len(answers.asked) == 1
        clock.ahead += most
        send(client)
        client.read("/account")

    def test_a_full_window_of_data_does_not_close_that_of_orders(self, answers: Answers, client: AlpacaClient):
        answers.give(429, {"message": "too many requests."})
        with pytest.raises(BrokerUnavailable):
            client.read_data("/stocks/quotes/latest", {"symbols": "AAPL"})
        answers.give(200, {"id": "1"})
        send(client)
        with pytest.raises(BrokerUnavailable, match=CLOSED_WINDOW):
            client.read_data("/stocks/quotes/latest", {"symbols": "AAPL"})


class TestRefusedKeys:
    def test_they_are_told_once_and_nothing_is_sent_with_them(
        self, answers: Answers, client: AlpacaClient, caplog: pytest.LogCaptureFixture
    ):
        answers.give(401, {"message": "unauthorized."})
        for call in (lambda: client.read("/account"), lambda: client.read("/clock")):
            with pytest.raises(AccessRefused, match="unauthorized"):
                call()
        for _ in range(3):
            with pytest.raises(BrokerUnavailable, match="refuses the keys") as caught:
                send(client)
            assert type(caught.value) is BrokerUnavailable  # nothing has left, so that nothing is rejected
            assert 0 < caught.value.retry_after <= 30
        assert not [asked for asked in answers.asked if asked.startswith("POST")]
        assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
        assert "unauthorized" in caplog.text

    def test_a_good_read_lifts_it_and_another_refusal_is_told_again(
        self, answers: Answers, client: AlpacaClient, caplog: pytest.LogCaptureFixture
    ):
        for _ in range(2):
            answers.give(401, {"message": "unauthorized."})
            with pytest.raises(AccessRefused):
                send(client)
            answers.give(200, {"id": "1"})
            client.read("/account")
            send(client)
        assert [record.levelno for record in caplog.records] == [logging.CRITICAL] * 2

    @pytest.mark.parametrize("status", [500, 429, 404, 302])
    def test_an_answer_that_says_nothing_of_keys_does_not_lift_it(
        self, answers: Answers, client: AlpacaClient, clock: Clock, status: int
    ):
        answers.give(401, {"message": "unauthorized."})
        with pytest.raises(AccessRefused):
            client.read("/account")
        answers.give(status)
        with pytest.raises(BrokerUnavailable):
            client.read("/account")
        clock.ahead += 200  # the window of a 429 is open again
        with pytest.raises(BrokerUnavailable, match="refuses the keys"):
            send(client)

    def test_after_a_while_it_is_tried_again(
        self, answers: Answers, client: AlpacaClient, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(client_module, "SILENT_SECONDS", 0.02)
        answers.give(401, {"message": "unauthorized."})
        with pytest.raises(AccessRefused):
            send(client)
        time.sleep(0.03)
        answers.give(200, {"id": "1"})
        send(client)


class TestSecrets:
    @pytest.mark.parametrize(("status", "body", "sending", "reading"), ANSWERS)
    def test_no_text_and_no_log_holds_the_secret_key(
        self,
        answers: Answers,
        client: AlpacaClient,
        caplog: pytest.LogCaptureFixture,
        status: int,
        body: Any,
        sending: type,
        reading: type,
    ):
        caplog.set_level(logging.DEBUG)
        answers.give(status, body)
        for call in (lambda: client.read("/account"), lambda: send(client)):
            with pytest.raises(BrokerError) as caught:
                call()
            assert SECRET not in repr(caught.value)
        assert SECRET in json.dumps(answers.received)
        assert SECRET not in caplog.text

    def test_settings_do_not_show_it(self):
        assert SECRET not in repr(make_settings("http://127.0.0.1:1"))
