"""Small servers that answer as no simulator would: with what a test gives them, or not at all."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONGEST = 5.0  # seconds that anything in these tests may take


def wait_until(is_so: Callable[[], object], seconds: float = LONGEST) -> None:
    """Return as soon as it is so; fail when it takes too long."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


class Answers:
    """A server that answers every request alike, until it is told otherwise; it remembers what was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"{}", dict[str, str]()
        self.asked: list[str] = []
        self.received: list[dict[str, str]] = []
        answers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answers.asked.append(f"{self.command} {self.path}")
                answers.received.append(dict(self.headers))
                # As one whole: a client that has all of it goes on, and the test may change the answer meanwhile.
                status, body, headers = answers.status, answers.body, answers.headers
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_DELETE = _answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def give(self, status: int, body: Any = b"", **headers: str) -> None:
        """Answer so from now on; a body that is no bytes is written as JSON, `_` in a header's name as `-`."""
        self.status, self.body = status, body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def peer(deed: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen on a port and do something with each connection; yields the host and the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listening.accept()[0]
                taken.append(connection)
                threading.Thread(target=_do, args=(deed, connection), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for connection in taken:
            connection.close()


def _do(deed: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        deed(connection)
