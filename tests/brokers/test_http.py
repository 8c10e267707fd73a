"""What becomes of a call that is given up: its thread, its connection, and what it had still to send."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from brokers import http
from brokers.http import DeadlineSession
from tests.brokers.alpaca_peers import Answers, peer, wait_until

WALL = 0.15
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def session() -> Iterator[DeadlineSession]:
    with DeadlineSession(WALL) as opened:
        yield opened


def calls() -> int:
    return sum(thread.name == "broker-call" for thread in threading.enumerate())


@pytest.mark.parametrize("begun", [HEAD + b"Content-Length: 100000\r\n\r\n", HEAD, HEAD + b"\r\n"])
def test_a_server_that_sends_a_byte_now_and_then_keeps_neither_thread_nor_connection(
    session: DeadlineSession, begun: bytes
):
    cut = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.recv(65536)
        try:
            connection.sendall(begun)
            for _ in range(200):
                connection.sendall(b"x")
                time.sleep(0.02)
        except OSError:
            cut.set()

    with peer(trickle) as address:
        with pytest.raises(requests.Timeout):
            session.request("GET", f"http://{address}/")
        assert cut.wait(2)
        wait_until(lambda: calls() == 0, 2)


def test_what_was_given_up_while_a_name_was_looked_up_is_not_sent_later(
    session: DeadlineSession, monkeypatch: pytest.MonkeyPatch
):
    heard: list[bytes] = []
    original = socket.getaddrinfo

    def slow(*args: object, **kwargs: object) -> object:
        time.sleep(WALL * 2)
        return original(*args, **kwargs)  # type: ignore[arg-type]

    with peer(lambda connection: heard.append(connection.recv(65536))) as address:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with pytest.raises(requests.Timeout):
            session.request("POST", f"http://{address}/", json={"qty": "1"})
        wait_until(lambda: calls() == 0, 2)
        time.sleep(0.05)
    assert b"".join(heard) == b""


def test_a_connection_that_was_kept_sends_nothing_for_a_call_that_is_over(
    session: DeadlineSession, answers: Answers, monkeypatch: pytest.MonkeyPatch
):
    session.request("GET", answers.url)
    original = requests.Session.send

    def slow(*args: object, **kwargs: object) -> object:
        time.sleep(WALL * 2)
        return original(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.Session, "send", slow)
    with pytest.raises(requests.Timeout):
        session.request("POST", answers.url)
    wait_until(lambda: calls() == 0, 2)
    assert answers.asked == ["GET /"]


def test_an_answer_without_end_is_refused(session: DeadlineSession, answers: Answers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "MOST_BYTES", 10)
    answers.give(200, b"x" * 10)
    assert session.request("GET", answers.url).content == b"x" * 10
    answers.give(200, b"x" * 11)
    with pytest.raises(requests.RequestException, match="more than 10 bytes"):
        session.request("GET", answers.url)
