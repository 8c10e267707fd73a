"""A guard against threads of the desk that outlive their test: they would work on in the background of all later ones."""

import threading
import time
from collections.abc import Iterator

import pytest

# How the names of threads begin that somebody must end; those of pools, servers and given-up calls are not among them.
OURS = (
    "account-",
    "alpaca-simulator",
    "ask-",
    "notifier",
    "orders-",
    "page-events",
    "recorder",
    "trade-updates",
)
GRACE = 2.0  # seconds in which a thread that was told to end may do so


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread of the desk behind; what ran before it may go on."""
    before = set(threading.enumerate())
    yield
    if left := left_after(before, GRACE):
        pytest.fail(f"threads are left behind: {', '.join(left)}", pytrace=False)


def left_after(before: set[threading.Thread], seconds: float) -> list[str]:
    """Return the names of the desk's threads that were not there before and do not end within these seconds."""
    end = time.monotonic() + seconds
    while left := [thread.name for thread in threading.enumerate() if thread not in before and is_ours(thread)]:
        if time.monotonic() > end:
            return sorted(left)
        time.sleep(0.02)
    return []


def is_ours(thread: threading.Thread) -> bool:
    return thread.name.startswith(OURS)
