"""A thread of the desk that a test leaves behind is found and named; one that ends meanwhile, or was there before, is not."""

import threading
from collections.abc import Iterator

import pytest

from tests.support.threads import left_after


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """What ends the threads of a test."""
    event = threading.Event()
    yield event
    event.set()


def begin(name: str, end: threading.Event) -> None:
    threading.Thread(target=end.wait, name=name, daemon=True).start()


def test_a_thread_of_the_desk_is_named(end: threading.Event) -> None:
    before = set(threading.enumerate())
    begin("notifier", end)
    begin("account-7", end)
    assert left_after(before, 0.0) == ["account-7", "notifier"]


def test_what_was_there_before_may_go_on(end: threading.Event) -> None:
    begin("notifier", end)
    assert left_after(set(threading.enumerate()), 0.0) == []


def test_what_ends_in_time_is_no_matter(end: threading.Event) -> None:
    before = set(threading.enumerate())
    begin("notifier", end)
    threading.Timer(0.1, end.set).start()
    assert left_after(before, 5.0) == []


def test_others_threads_are_not_asked_about(end: threading.Event) -> None:
    before = set(threading.enumerate())
    begin("sender_0", end)
    assert left_after(before, 0.0) == []
