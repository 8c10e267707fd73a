"""The wire to Alpaca: one attempt, no redirects, and an end to every call."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from brokers.alpaca.client import AlpacaClient
from brokers.alpaca.translate import order_body
from brokers.errors import BrokerError, BrokerUnavailable, OutcomeUnknown, RateLimited
from tests.brokers.alpaca_peers import Answers, peer, wait_until
from tests.brokers.alpaca_support import Simulator, make_request, open_client

WALL = 0.15


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with closing(Simulator()) as started:
        yield started


class TestOneAttempt:
    @pytest.mark.parametrize(
        ("fault", "error", "arrived"),
        [
            ("rate_limit", RateLimited, False),
            ("status_500", OutcomeUnknown, False),
            ("status_503", OutcomeUnknown, False),
            ("status_504", OutcomeUnknown, False),
            ("status_500_after", OutcomeUnknown, True),
            ("status_504_after", OutcomeUnknown, True),
            ("drop_before", OutcomeUnknown, False),
            ("drop_after", OutcomeUnknown, True),
            ("garbage", OutcomeUnknown, True),
        ],
    )
    def test_an_order_is_sent_once_whatever_comes_back(
        self, simulator: Simulator, fault: str, error: type[BrokerError], arrived: bool
    ):
        simulator.tell(fault)
        before, request = simulator.count("POST /v2/orders"), make_request()
        with open_client(simulator.url) as client, pytest.raises(BrokerError) as caught:
            client.post("/orders", order_body(request))
        assert type(caught.value) is error
        assert simulator.count("POST /v2/orders") == before + 1
        ids = [order["client_order_id"] for order in simulator.control("GET", "book")["orders"]]
        assert ids.count(request.client_order_id) == arrived

    @pytest.mark.parametrize("fault", ["rate_limit", "status_500", "status_503", "status_504", "drop_before"])
    @pytest.mark.parametrize(
        ("call", "counted"),
        [
            (lambda client: client.patch("/orders/1", {}), "PATCH /v2/orders/{id}"),
            (lambda client: client.delete("/orders/1"), "DELETE /v2/orders/{id}"),
            (lambda client: client.read("/account"), "GET /v2/account"),
            (
                lambda client: client.read_data("/stocks/quotes/latest", {"symbols": "F"}),
                "GET /v2/stocks/{topic}/latest",
            ),
        ],
        ids=["patch", "delete", "read", "data"],
    )
    def test_so_is_everything_else(
        self, simulator: Simulator, call: Callable[[AlpacaClient], Any], counted: str, fault: str
    ):
        simulator.tell(fault, where="any")
        before = simulator.count(counted)
        with open_client(simulator.url) as client, pytest.raises(BrokerError):
            call(client)
        assert simulator.count(counted) == before + 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("way", ["post", "read"])
    def test_nothing_goes_to_where_a_redirect_points(self, answers: Answers, status: int, way: str):
        with closing(Answers()) as elsewhere, open_client(answers.url) as client:
            answers.give(status, [], Location=f"{elsewhere.url}/v2/orders")
            with pytest.raises(OutcomeUnknown if way == "post" else BrokerUnavailable):
                client.post("/orders", {}) if way == "post" else client.read("/positions")
            assert (len(answers.asked), elsewhere.asked) == (1, [])


class TestAnEndToEveryCall:
    def test_a_server_that_sends_a_byte_now_and_then_is_given_up(self, simulator: Simulator):
        simulator.tell("trickle")
        request = make_request()
        with open_client(simulator.url, wall=WALL) as client:
            begun = time.monotonic()
            with pytest.raises(OutcomeUnknown, match="Timeout"):
                client.post("/orders", order_body(request))
            assert WALL <= time.monotonic() - begun < WALL + 1

    def test_a_server_that_says_nothing_is_given_up(self):
        over = threading.Event()
        with peer(lambda _: over.wait(5) and None) as address, open_client(f"http://{address}", wall=WALL) as client:
            for call, error in (
                (lambda: client.post("/orders", {}), OutcomeUnknown),
                (lambda: client.read("/account"), BrokerUnavailable),
                (lambda: client.read_data("/stocks/quotes/latest", {}), BrokerUnavailable),
            ):
                begun = time.monotonic()
                with pytest.raises(BrokerError) as caught:
                    call()
                assert type(caught.value) is error
                assert WALL <= time.monotonic() - begun < WALL + 1
            over.set()

    def test_a_name_server_that_says_nothing_is_given_up(self, monkeypatch: pytest.MonkeyPatch):
        over = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(5) and [])
        with open_client("http://slow.invalid", wall=WALL) as client:
            begun = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                client.read("/account")
            assert time.monotonic() - begun < WALL + 1
            over.set()

    def test_a_call_that_was_given_up_leaves_no_thread_once_the_server_ends_it(self):
        over = threading.Event()
        with (
            peer(lambda sock: over.wait(5) and sock.close()) as address,
            open_client(f"http://{address}", WALL) as client,
        ):
            with pytest.raises(BrokerUnavailable):
                client.read("/account")
            over.set()
        wait_until(lambda: not [t for t in threading.enumerate() if t.name == "broker-call"])
