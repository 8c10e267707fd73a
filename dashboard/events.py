"""/events: tells open pages that something changed; the page then fetches itself anew.

One thread a process listens to the database while streams are open, and passes the word on to them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app

from dashboard.viewer import current_viewer, may_read
from services.change_feed import make_waker

logger = logging.getLogger(__name__)
bp = Blueprint("events", __name__)

MOST_OFTEN = 0.5  # seconds between two updates of a page
STILL_HERE = 15.0  # seconds between comments on a silent stream, so that dead browsers are noticed
LOOK_UP = 1.0  # seconds within which the end of the process is noticed
KEPT_THREADS = 16  # of each process, for everything but streams
RECONNECT = 2000  # milliseconds after which a browser tries again


class Hub:
    """The streams of one process and the thread that listens for them."""

    def __init__(self, app: Flask, most: int) -> None:
        self._app = app
        self._most = most
        self._changed = threading.Condition()
        self._streams = 0
        self._version = 0
        self._listening = False

    def join(self, anonymous: bool) -> bool:
        """Take a place for a stream; False when all are taken. Half are kept for people who are logged in."""
        with self._changed:
            if self._streams >= (self._most // 2 if anonymous else self._most) or self.ending():
                return False
            self._streams += 1
            if not self._listening:
                self._listening = True
                threading.Thread(target=self._listen, name="page-events", daemon=True).start()
        return True

    def leave(self) -> None:
        """Give the place back."""
        with self._changed:
            self._streams -= 1
            self._changed.notify_all()

    def ending(self) -> bool:
        """Return True if the process was told to stop."""
        worker = self._app.extensions.get("gunicorn_worker")
        return worker is not None and not worker.alive

    def stream(self) -> Iterator[str]:
        """Yield an event at the start, as the page may be older than the stream, and then for each change."""
        yield f"retry: {RECONNECT}\ndata: changed\n\n"
        seen = self._version
        while not self.ending():
            version = self._wait_beyond(seen)
            if not self.ending():
                yield "data: changed\n\n" if version != seen else ": still here\n\n"
            seen = version

    def _wait_beyond(self, seen: int) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen or self.ending(), STILL_HERE)
            return self._version

    def _listen(self) -> None:
        while not self._nobody_left():
            try:
                self._pass_on_changes()
            except Exception:
                logger.exception("cannot listen for changes, trying again")
                time.sleep(LOOK_UP)

    def _pass_on_changes(self) -> None:
        with self._app.app_context():
            waker = make_waker()
        try:
            last = 0.0
            self._announce()  # what happened before we listened was not heard
            while not self._nobody_left():
                if waker.wait(LOOK_UP):
                    time.sleep(max(0.0, last + MOST_OFTEN - time.monotonic()))
                    last = time.monotonic()
                    self._announce()
                elif self.ending():
                    self._announce()
        finally:
            waker.close()

    def _announce(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def _nobody_left(self) -> bool:
        with self._changed:
            if self._streams == 0:
                self._listening = False
            return not self._listening


def init_app(app: Flask) -> None:
    """Give the app its hub."""
    app.extensions["page_events"] = Hub(app, max(0, app.config["DESK"].web_threads - KEPT_THREADS))


@bp.get("/events")
def events() -> Response:
    """Stream a word for each change; 503 without a thread to spare, and the page looks now and then instead."""
    if not may_read():
        return Response("Log in first.\n", 401, mimetype="text/plain")
    hub: Hub = current_app.extensions["page_events"]
    if not hub.join(anonymous=current_viewer() is None):
        return Response("No stream is free.\n", 503, {"Retry-After": "30"}, mimetype="text/plain")
    response = Response(hub.stream(), 200, {"X-Accel-Buffering": "no"}, mimetype="text/event-stream")
    response.call_on_close(hub.leave)
    return response
