"""Requests over kept connections. As a program: one process of the Python load generator, started by bench.load."""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit


class Connection:
    """One kept connection with at most one request on its way."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""
        self.sent_at = 0.0
        self.body = b""  # of the last answer

    def send(self, request: bytes) -> None:
        """Send the next request."""
        self._got = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Take what has come; return the status once the answer and its body are there, 0 for a closed connection."""
        try:
            more = self.socket.recv(65536)
        except ConnectionError:
            more = b""
        if not more:
            return 0
        self._got += more
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return None
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self.body = body
                return int(head[9:12]) if len(body) >= int(value) else None
        raise SystemExit("an answer without Content-Length")


def post_request(url: str, body: str) -> str:
    """Return a POST of ASCII JSON, as it goes over the wire."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}"


def main(order: str) -> None:
    """Load until the time is over and print a line of JSON; requests that are then on their way are not counted."""
    host, port, connections, seconds, head, slice_, tail = json.loads(order)
    requests = _requests(head, slice_, tail)
    times: list[float] = []
    failed = 0
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(host, port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    began = time.perf_counter()
    for key in list(selector.get_map().values()):
        key.data.send(next(requests))
    while (now := time.perf_counter()) < began + seconds:
        for key, _ in selector.select(began + seconds - now):
            connection = key.data
            status = connection.receive()
            if status is None:
                continue
            times.append(round(1e6 * (time.perf_counter() - connection.sent_at), 1))
            failed += not 200 <= status < 300
            if status == 0:
                selector.unregister(connection.socket)
                connection = Connection(host, port)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(next(requests))
    print(json.dumps({"times": times, "seconds": time.perf_counter() - began, "failed": failed}))


def _requests(head: str, slice_: str, tail: str) -> Iterator[bytes]:
    first, last = head.encode(), tail.encode()
    if not last:
        yield from itertools.repeat(first)
    for number in itertools.count(1):
        yield first + f"{slice_}{number:010d}".encode() + last


if __name__ == "__main__":
    main(sys.argv[1])
