"""Streams of changes."""

import threading
import time
from types import SimpleNamespace

import pytest

from dashboard import events
from tests.dashboard.support import log_in_page
from tests.support.factories import post_alert

PATIENCE = 5  # seconds
CHANGED = b"data: changed\n\n"
STILL_HERE = b": still here\n\n"


def open_stream(client):
    response = client.get("/events")
    assert response.status_code == 200
    assert response.mimetype == "text/event-stream"
    assert next(response.response) == b"retry: 2000\n" + CHANGED
    return response


def next_change(stream):
    """Return the next word of a change, or None when the stream ends."""
    for event in stream.response:
        if event == CHANGED:
            return event
        assert event == STILL_HERE
    return None


def settle(stream):
    """Read what comes by itself at the beginning, until the stream was silent for longer than updates are apart."""
    silent = 0
    while silent < 4:
        silent = silent + 1 if next(stream.response) == STILL_HERE else 0


@pytest.fixture(autouse=True)
def short_silence(monkeypatch):
    monkeypatch.setattr(events, "STILL_HERE", events.MOST_OFTEN / 2)


@pytest.fixture(autouse=True)
def leave_no_thread():
    yield
    end = time.monotonic() + PATIENCE
    while any(thread.name == "page-events" for thread in threading.enumerate()):
        assert time.monotonic() < end, "the listener goes on without streams"
        time.sleep(0.05)


def test_an_alert_is_told_to_every_open_page(app, client):
    with open_stream(client) as first, open_stream(app.test_client()) as second:
        settle(first)
        settle(second)
        start = time.monotonic()
        post_alert(app.test_client())
        assert next_change(first) == next_change(second) == CHANGED
        assert time.monotonic() - start < 2


def test_changes_by_another_process_are_told(client, other_client):
    with open_stream(client) as stream:
        settle(stream)
        post_alert(other_client)
        assert next_change(stream) == CHANGED


def test_a_burst_is_told_twice_a_second(app, client):
    with open_stream(client) as stream:
        settle(stream)
        start = time.monotonic()
        for number in range(20):
            post_alert(app.test_client(), signal_id=f"burst {number}")
            time.sleep(0.02)
        told = []
        while time.monotonic() - start < 3:
            if next(stream.response) == CHANGED:
                told.append(time.monotonic() - start)
        assert 1 <= len(told) <= 2 + told[-1] / events.MOST_OFTEN


def test_streams_end_with_their_process(app, client, monkeypatch):
    app.extensions["gunicorn_worker"] = worker = SimpleNamespace(alive=True)
    with open_stream(client) as stream:
        settle(stream)
        monkeypatch.setattr(events, "STILL_HERE", 60)
        worker.alive = False
        start = time.monotonic()
        assert next_change(stream) is None
        assert time.monotonic() - start < 2
    assert client.get("/events").status_code == 503


def test_no_more_streams_than_threads_to_spare(make_desk):
    app = make_desk(WEB_THREADS=str(events.KEPT_THREADS + 2))
    member = app.test_client()
    log_in_page(member)
    with open_stream(member):
        with open_stream(member):
            refused = member.get("/events")
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "30"
        open_stream(member).close()


def test_visitors_take_half_of_them_at_most(make_desk):
    app = make_desk(WEB_THREADS=str(events.KEPT_THREADS + 2))
    member, visitor = app.test_client(), app.test_client()
    log_in_page(member)
    with open_stream(visitor):
        assert visitor.get("/events").status_code == 503
        open_stream(member).close()


def test_a_small_desk_has_no_streams(make_desk):
    assert make_desk(WEB_THREADS="8").test_client().get("/events").status_code == 503


def test_a_closed_desk_tells_visitors_nothing(make_desk):
    assert make_desk(OPEN_READS="false").test_client().get("/events").status_code == 401


def test_a_head_request_keeps_no_place(app, client):
    for _ in range(3):
        client.head("/events").close()
    assert app.extensions["page_events"]._streams == 0


def test_the_listener_survives_an_error(client, app, monkeypatch, caplog):
    make = events.make_waker
    faults = [RuntimeError("no listening today")]
    monkeypatch.setattr(events, "make_waker", lambda: make() if not faults else (_ for _ in ()).throw(faults.pop()))
    monkeypatch.setattr(events, "LOOK_UP", 0.05)
    with open_stream(client) as stream:
        settle(stream)
        assert "cannot listen for changes" in caplog.text
        post_alert(app.test_client())
        assert next_change(stream) == CHANGED
