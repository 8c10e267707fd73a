"""Alerts over HTTP at a steady rate, each sent at its time whatever became of those before."""

from __future__ import annotations

import json
import selectors
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from bench.client import Connection, post_request
from bench.support import Desk, Failure

WEBHOOK = "/v3/webhook"
CREATED = 201
SILENCE = 30.0  # seconds without any answer after which the desk is given up


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; times in seconds, `sent_at` since 1970. Status 0: the connection broke."""

    sent_at: float
    seconds: float
    status: int
    body: bytes

    @property
    def answered_at(self) -> float:
        """Return when the answer was there, seconds since 1970."""
        return self.sent_at + self.seconds


def alert_request(desk: Desk, ticker: str, signal_id: str) -> bytes:
    """Return the request of one alert."""
    return post_request(desk.url + WEBHOOK, json.dumps(desk.alert(ticker, signal_id))).encode()


def send(url: str, requests: Iterable[bytes], rate: float, connections: int) -> list[Answer]:
    """Send so many requests a second and return the answers in the order of the requests.

    A request whose time has come waits while all connections wait for answers. Its clock starts when it is sent.
    Raises Failure when the desk is silent.
    """
    parts = urlsplit(url)
    connect = partial(Connection, str(parts.hostname), int(parts.port or 80))
    with selectors.DefaultSelector() as selector:
        exchange = _Exchange(selector, connect, connections)
        try:
            exchange.run(requests, rate)
        finally:
            exchange.close()
    return [answer for _, answer in sorted(exchange.answers.items())]


def by_rowid(answers: Sequence[Answer]) -> dict[int, Answer]:
    """Return the answers to the alerts that were stored, by the rowid of the signal."""
    return {json.loads(answer.body)["rowid"]: answer for answer in answers if answer.status == CREATED}


class _Exchange:
    """Connections, what is on its way on each, and the answers by the number of the request."""

    def __init__(self, selector: selectors.BaseSelector, connect: partial[Connection], connections: int) -> None:
        self.answers: dict[int, Answer] = {}
        self._selector, self._connect = selector, connect
        self._busy: dict[Connection, tuple[int, float]] = {}  # number of the request, when it was sent
        self._idle: list[Connection] = []
        for _ in range(connections):
            self._open()

    def run(self, requests: Iterable[bytes], rate: float) -> None:
        """Send all, and return when all are answered."""
        stream = enumerate(requests)
        began = time.perf_counter()
        coming = next(stream, None)
        while coming is not None or self._busy:
            wait = SILENCE
            if coming is not None and self._idle:
                number, request = coming
                wait = began + number / rate - time.perf_counter()
                if wait <= 0:
                    self._send(number, request)
                    coming = next(stream, None)
                    continue
            if not self._take(wait) and wait == SILENCE:
                raise Failure(f"no answer for {SILENCE:.0f} s")

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._idle, *self._busy):
            connection.socket.close()

    def _open(self) -> None:
        connection = self._connect()
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._idle.append(connection)

    def _send(self, number: int, request: bytes) -> None:
        connection = self._idle.pop()
        self._busy[connection] = number, time.time()
        try:
            connection.send(request)
        except OSError:
            self._end(connection, 0)

    def _take(self, seconds: float) -> bool:
        """Take what comes within the time; return True if anything came."""
        events = self._selector.select(seconds)
        for key, _ in events:
            status = key.data.receive()
            if status is not None:
                self._end(key.data, status)
        return bool(events)

    def _end(self, connection: Connection, status: int) -> None:
        """Book the answer, if one was due, and replace a connection that the server has closed."""
        if (sent := self._busy.pop(connection, None)) is not None:
            number, sent_at = sent
            spent = time.perf_counter() - connection.sent_at
            self.answers[number] = Answer(sent_at, spent, status, connection.body if status else b"")
        elif connection in self._idle:
            self._idle.remove(connection)
        if status:
            self._idle.append(connection)
            return
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._open()
