"""HTTP to a broker: one attempt a call, no redirects, and an end to every call."""

from __future__ import annotations

import ssl
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

CONNECT_SECONDS = 3.0


class DeadlineSession(requests.Session):
    """A session whose calls end after `wall_seconds`, whatever the other side does.

    The time-out of requests is one of each read: a server that sends a byte a second, or a name server that
    says nothing, holds a call for ever. So the call runs in a thread that is given up when its time is over.
    """

    def __init__(self, wall_seconds: float) -> None:
        super().__init__()
        self.wall_seconds = wall_seconds
        self.mount("https://", _Adapter())
        self.auth = _as_it_is  # else an entry in ~/.netrc would take the place of our own header

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; raises what requests raises, and requests.Timeout when the time is over.

        An answer that points elsewhere is no answer: requests.TooManyRedirects.
        """
        kwargs["timeout"] = (CONNECT_SECONDS, self.wall_seconds)
        kwargs["allow_redirects"] = False
        answer: Future[requests.Response] = Future()

        def call() -> None:
            try:
                answer.set_result(super(DeadlineSession, self).request(method, url, *args, **kwargs))
            except BaseException as e:
                answer.set_exception(e)

        threading.Thread(target=call, name="broker-call", daemon=True).start()
        try:
            found = answer.result(self.wall_seconds)
        except WaitTimeout:
            raise requests.Timeout(f"no whole answer within {self.wall_seconds:g} s") from None
        if 300 <= found.status_code < 400:
            raise requests.TooManyRedirects(f"the answer points elsewhere ({found.status_code})", response=found)
        return found


def never_left(error: requests.RequestException) -> bool:
    """Tell whether an error proves that not one byte of the request has left this machine."""
    if isinstance(error, requests.exceptions.InvalidURL):
        return True
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError | NameResolutionError | ConnectTimeoutError)


class _Connection(HTTPSConnection):
    """Tells a handshake that failed, without which nothing is sent, from encryption that breaks later.

    To requests both are an SSLError, though the second may come after a whole order has been sent.
    """

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLError as e:
            raise NewConnectionError(self, f"no handshake: {e}") from e


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """The usual adapter, with the connection above."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": _Pool}


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
