"""HTTP to a broker: one attempt a call, no redirects, and an end to every call."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

CONNECT_SECONDS = 3.0
MOST_BYTES = 64 * 1024 * 1024  # of an answer; the longest list of all assets is a small part of it
CHUNK = 64 * 1024
_of_thread = threading.local()  # the call that a thread makes


class DeadlineSession(requests.Session):
    """A session whose calls end after `wall_seconds`, whatever the other side does.

    The time-out of requests is one of each read: a server that sends a byte a second, or a name server that
    says nothing, holds a call for ever. So the call runs in a thread that is given up when its time is over:
    its connection is cut, and what has not been sent by then is not sent any more.
    """

    def __init__(self, wall_seconds: float) -> None:
        super().__init__()
        self.wall_seconds = wall_seconds
        self.mount("https://", _Adapter())
        self.mount("http://", _Adapter())
        self.auth = _as_it_is  # else an entry in ~/.netrc would take the place of our own header

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; raises what requests raises, and requests.Timeout when the time is over.

        An answer that points elsewhere is no answer: requests.TooManyRedirects.
        """
        # A silent read ends after the call itself, whose end says more clearly what has happened.
        kwargs["timeout"] = (CONNECT_SECONDS, self.wall_seconds + 1)
        kwargs["allow_redirects"] = False
        kwargs["stream"] = True
        answer: Future[requests.Response] = Future()
        given = _Call()

        def call() -> None:
            _of_thread.call = given
            try:
                answer.set_result(_whole(super(DeadlineSession, self).request(method, url, *args, **kwargs)))
            except BaseException as e:
                answer.set_exception(e)

        threading.Thread(target=call, name="broker-call", daemon=True).start()
        try:
            found = answer.result(self.wall_seconds)
        except WaitTimeout:
            given.give_up()
            raise requests.Timeout(f"no whole answer within {self.wall_seconds:g} s") from None
        if 300 <= found.status_code < 400:
            raise requests.TooManyRedirects(f"the answer points elsewhere ({found.status_code})", response=found)
        return found


def never_left(error: requests.RequestException) -> bool:
    """Return True if an error proves that not one byte of the request has left this machine."""
    if isinstance(error, requests.exceptions.InvalidURL):
        return True
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError | NameResolutionError | ConnectTimeoutError)


class _Call:
    """One call, and the connection it has."""

    def __init__(self) -> None:
        self.is_over = False
        self.connection: _Owned | None = None

    def give_up(self) -> None:
        """Abort the call wherever it is: it sends nothing more, and its thread ends."""
        self.is_over = True
        connection = self.connection
        if connection is None or connection.owner is not self or connection.wire is None:
            return
        with contextlib.suppress(OSError):
            # Not the shutdown of an SSLSocket: that takes its encryption away first, while the thread may be writing.
            socket.socket.shutdown(connection.wire, socket.SHUT_RDWR)


class _Owned(HTTPConnection):
    """A connection that knows which call uses it, and sends nothing for one that was given up."""

    owner: _Call | None = None
    wire: socket.socket | None = None  # also while an answer without a length is read, which takes `sock` away

    def connect(self) -> None:
        self._take()
        super().connect()
        self.wire = self.sock
        self._keep_back()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._take()
        self._keep_back()
        super().request(*args, **kwargs)

    def _take(self) -> None:
        self.owner = getattr(_of_thread, "call", None)
        if self.owner is not None:
            self.owner.connection = self

    def _keep_back(self) -> None:
        if self.owner is not None and self.owner.is_over:
            self.close()
            raise NewConnectionError(self, "the time was over before anything was sent")


class _Secure(_Owned, HTTPSConnection):
    """Tells a handshake that failed, without which nothing is sent, from encryption that breaks later.

    To requests both are an SSLError, though the second may come after a whole order has been sent.
    """

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLError as e:
            raise NewConnectionError(self, f"no handshake: {e}") from e


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Owned


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    """The usual adapter, with the connections above."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _whole(answer: requests.Response) -> requests.Response:
    """Return an answer with its body read, which must have a sensible length."""
    parts, length = [], 0
    with answer:
        for part in answer.iter_content(CHUNK):
            length += len(part)
            if length > MOST_BYTES:
                raise requests.RequestException(f"an answer of more than {MOST_BYTES} bytes", response=answer)
            parts.append(part)
    answer._content = b"".join(parts)
    return answer
