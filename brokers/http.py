"""HTTP to a broker: one attempt a call, no redirects, and an end to every call."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from typing import Any

import requests
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
        self.auth = _as_it_is  # else an entry in ~/.netrc would take the place of our own header

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; raises what requests raises, and requests.Timeout when the time is over."""
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
            return answer.result(self.wall_seconds)
        except WaitTimeout:
            raise requests.Timeout(f"no whole answer within {self.wall_seconds:g} s") from None


def never_left(error: requests.RequestException) -> bool:
    """Tell whether an error proves that not one byte of the request has left this machine."""
    if isinstance(error, requests.exceptions.SSLError | requests.exceptions.InvalidURL):
        return True  # without a handshake nothing is sent
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError | NameResolutionError | ConnectTimeoutError)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
