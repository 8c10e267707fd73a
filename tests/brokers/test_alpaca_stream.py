"""Alpaca's push stream: it tells when something happened, and when it cannot tell."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from brokers.alpaca import stream as stream_module
from brokers.alpaca.broker import AlpacaBroker
from brokers.alpaca.stream import TradeUpdates
from tests.brokers.alpaca_peers import peer, wait_until
from tests.brokers.alpaca_support import ACCOUNT, Simulator, make_request, make_settings

OTHER_KEY, OTHER_SECRET = "AKLIVE00000000000000", "another-secret"


class Listener:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connected(self) -> None:
        self.told.append("connected")

    def changed(self) -> None:
        self.told.append("changed")

    def heard(self) -> None:
        self.told.append("heard")

    def lost(self, reason: str) -> None:
        self.told.append(f"lost: {reason}")

    def count(self, word: str) -> int:
        return self.told.count(word)

    @property
    def losses(self) -> list[str]:
        return [told.removeprefix("lost: ") for told in self.told if told.startswith("lost: ")]


@pytest.fixture(autouse=True)
def quick_and_quiet(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Shorten the pauses between tries; no test may leave a traceback in the log, nor a thread."""
    monkeypatch.setattr(stream_module._TellingStream, "_reconnect_delay", lambda *_: 0.05)
    yield
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    wait_until(lambda: not threads())


@pytest.fixture
def simulator_options() -> dict[str, Any]:
    return {"fill_after": 60}


@pytest.fixture
def listener() -> Listener:
    return Listener()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trade-updates"]


def listen(url: str, listener: Listener, **overrides: Any) -> closing[TradeUpdates]:
    return closing(TradeUpdates(make_settings(url, **overrides), listener))


def wait_connected(simulator: Simulator, listener: Listener, times: int = 1) -> None:
    wait_until(lambda: listener.count("connected") >= times)
    wait_until(lambda: any(row["listening"] for row in simulator.control("GET", "streams")))


class TestEvents:
    def test_the_beginning_and_each_event_are_told(self, simulator: Simulator, listener: Listener):
        with closing(AlpacaBroker(make_settings(simulator.url), ACCOUNT)) as broker:
            stream = broker.listen(listener)
            with closing(stream):
                wait_connected(simulator, listener)
                assert listener.count("changed") == 0
                broker.submit_order(make_request())
                simulator.advance(61)
                wait_until(lambda: listener.count("changed") == 3)  # pending_new, new, fill
        assert listener.told[0] == "connected"
        assert listener.losses == []

    def test_an_event_that_comes_twice_does_no_harm(self, simulator: Simulator, listener: Listener):
        with listen(simulator.url, listener):
            wait_connected(simulator, listener)
            simulator.tell("duplicate_event")
            simulator.control("POST", "orders", {"symbol": "AAPL", "side": "buy", "qty": "1"})
            wait_until(lambda: listener.count("changed") == 3)  # pending_new twice, new

    def test_frames_of_text_are_read_as_binary_ones_are(self, simulator: Simulator, listener: Listener):
        simulator.control("POST", "keys", {"key": OTHER_KEY, "secret": OTHER_SECRET})
        with listen(simulator.url, listener, key_id=OTHER_KEY, secret_key=OTHER_SECRET):
            wait_connected(simulator, listener)
            simulator.control("POST", "orders", {"symbol": "AAPL", "side": "buy", "qty": "1"})
            simulator.control("POST", "orders", {"symbol": "AAPL", "side": "buy", "qty": "1", "key": OTHER_KEY})
            wait_until(lambda: listener.count("changed") >= 2)  # its own two; another account's were sent before
            assert listener.count("changed") == 2


class TestLosses:
    def test_after_a_cut_it_begins_anew(self, simulator: Simulator, listener: Listener):
        with listen(simulator.url, listener):
            wait_connected(simulator, listener)
            simulator.control("POST", "streams", {"drop": True})
            wait_connected(simulator, listener, times=2)
            simulator.control("POST", "orders", {"symbol": "AAPL", "side": "buy", "qty": "1"})
            wait_until(lambda: listener.count("changed"))
        assert len(listener.losses) == 1
        assert listener.losses[0].startswith("the connection broke: ")

    def test_refused_keys_are_told_in_words(self, simulator: Simulator, listener: Listener):
        with listen(simulator.url, listener, secret_key="wrong"):
            wait_until(lambda: len(listener.losses) >= 2)
        assert set(listener.losses) == {"Alpaca refuses the keys"}
        assert listener.count("connected") == 0

    def test_a_server_that_wants_to_be_left_alone_is_asked_again_later(self, simulator: Simulator, listener: Listener):
        simulator.control("POST", "streams", {"refuse": 0.2})
        with listen(simulator.url, listener):
            wait_connected(simulator, listener)
        assert listener.losses
        assert all(loss.startswith("cannot connect: ") and "429" in loss for loss in listener.losses)

    def test_silence_is_noticed_and_told_once(
        self, simulator: Simulator, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(stream_module, "PING_SECONDS", 0.05)
        monkeypatch.setattr(stream_module, "PONG_SECONDS", 0.1)
        with listen(simulator.url, listener):
            wait_connected(simulator, listener)
            wait_until(lambda: listener.count("heard") > 2)  # pings are answered
            simulator.control("POST", "streams", {"silence": 0.15})
            wait_until(lambda: listener.losses)
            wait_connected(simulator, listener, times=2)
            heard = listener.count("heard")
            wait_until(lambda: listener.count("heard") > heard)
        assert all(loss.startswith("it is silent: no answer to a ping within") for loss in listener.losses)

    def test_nobody_at_the_port_is_told(self, listener: Listener):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with listen(f"http://127.0.0.1:{port}", listener):
            wait_until(lambda: len(listener.losses) >= 2)
        assert all(loss.startswith("cannot connect: ") for loss in listener.losses)

    def test_a_server_that_never_says_whether_the_keys_are_right_is_given_up(
        self, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(stream_module, "START_SECONDS", 0.1)
        with socket_server([]) as url, listen(url, listener):
            wait_until(lambda: len(listener.losses) >= 2)
        assert set(listener.losses) == {"cannot connect: TimeoutError"}


class TestStrangeWords:
    AUTHORIZED = json.dumps({"stream": "authorization", "data": {"status": "authorized"}})

    @pytest.mark.parametrize("event", ["levitated", "trade_bust", "restated", None, 7, {"a": 1}])
    def test_an_event_of_an_unknown_name_is_an_event(self, listener: Listener, event: Any):
        message = json.dumps({"stream": "trade_updates", "data": {"event": event}})
        with socket_server([self.AUTHORIZED, message, message.encode()]) as url, listen(url, listener):
            wait_until(lambda: listener.count("changed") == 2)
        assert listener.losses == []

    def test_a_message_of_another_stream_is_a_sign_of_life(self, listener: Listener):
        with socket_server([self.AUTHORIZED, '{"stream": "weather"}']) as url, listen(url, listener):
            wait_until(lambda: listener.count("heard") == 1)
        assert listener.count("changed") == 0

    @pytest.mark.parametrize("message", ["no json", "[]", "7", b"\xff\xfe"])
    def test_after_a_message_that_cannot_be_read_it_begins_anew(self, listener: Listener, message: str | bytes):
        with socket_server([self.AUTHORIZED, message]) as url, listen(url, listener):
            wait_until(lambda: listener.count("connected") >= 2)
        assert all(loss.startswith("the connection broke: ") for loss in listener.losses)
        assert listener.told[:3] == ["connected", f"lost: {listener.losses[0]}", "connected"]

    @pytest.mark.parametrize("message", ["no json", "{}", '{"data": null}', "[]"])
    def test_nonsense_instead_of_a_word_on_the_keys_does_not_mean_that_they_are_refused(
        self, listener: Listener, message: str
    ):
        with socket_server([message]) as url, listen(url, listener):
            wait_until(lambda: listener.losses)
        assert all(loss.startswith("cannot connect: ") for loss in listener.losses)
        assert listener.count("connected") == 0


class TestClose:
    @pytest.mark.parametrize("wait", [True, False])
    def test_it_ends_the_thread_within_a_second(self, simulator: Simulator, listener: Listener, wait: bool):
        with listen(simulator.url, listener):
            if wait:
                wait_connected(simulator, listener)
            begun = time.monotonic()
        assert time.monotonic() - begun < 1
        assert not threads()
        assert listener.losses == []

    def test_also_while_it_waits_for_a_server_that_says_nothing(self, listener: Listener):
        taken, over = threading.Event(), threading.Event()

        def hold(_: Any) -> None:
            taken.set()
            over.wait(5)

        with peer(hold) as address:
            with listen(f"http://{address}", listener):
                assert taken.wait(5)
                begun = time.monotonic()
            assert time.monotonic() - begun < 1
            assert not threads()
            over.set()
        assert listener.losses == []

    def test_also_while_it_waits_for_a_word_on_the_keys(self, listener: Listener):
        with socket_server([]) as url:
            with listen(url, listener):
                time.sleep(0.05)
                begun = time.monotonic()
            assert time.monotonic() - begun < 1
            assert not threads()
        assert listener.losses == []

    def test_also_between_two_tries(self, simulator: Simulator, listener: Listener, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(stream_module._TellingStream, "_reconnect_delay", lambda *_: 30)
        simulator.control("POST", "streams", {"refuse": 30})
        with listen(simulator.url, listener):
            wait_until(lambda: listener.losses)
            begun = time.monotonic()
        assert time.monotonic() - begun < 1
        assert not threads()

    def test_it_may_be_closed_twice(self, simulator: Simulator, listener: Listener):
        with listen(simulator.url, listener) as stream:
            stream.close()

    def test_after_it_nothing_is_told(self, simulator: Simulator, listener: Listener):
        with listen(simulator.url, listener):
            wait_connected(simulator, listener)
        told = list(listener.told)
        simulator.control("POST", "orders", {"symbol": "AAPL", "side": "buy", "qty": "1"})
        time.sleep(0.02)
        assert listener.told == told
        wait_until(lambda: not simulator.control("GET", "streams"))


@contextlib.contextmanager
def socket_server(messages: list[str | bytes]) -> Iterator[str]:
    """Serve web sockets: to the first message of each come all these, and then silence."""
    loop, ready, address = asyncio.new_event_loop(), threading.Event(), list[str]()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        first = True
        async for received in ws:
            if first and received.type is WSMsgType.TEXT:
                first = False
                for message in messages:
                    await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        return ws

    def run() -> None:
        asyncio.set_event_loop(loop)
        app = web.Application()
        app.router.add_get("/stream", serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
