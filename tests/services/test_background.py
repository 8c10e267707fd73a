"""Background threads start once, wake, rest, survive their errors, end in time, and begin anew in a forked process."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.exc import OperationalError

from services.background import BackgroundThread, LoggedErrors

PATIENCE = 5.0  # seconds
LONG = 3600.0


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.005)


class Work:
    """Counts its steps; each rests as long as it is told, or raises what it is told."""

    def __init__(self) -> None:
        self.rest: float | None = None
        self.error: Exception | None = None
        self.threads: list[threading.Thread] = []
        self.finished: list[threading.Thread] = []

    def step(self) -> float | None:
        self.threads.append(threading.current_thread())
        if self.error is not None:
            raise self.error
        return self.rest

    def finish(self) -> None:
        self.finished.append(threading.current_thread())

    @property
    def steps(self) -> int:
        return len(self.threads)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def background(work: Work) -> Iterator[BackgroundThread]:
    made = BackgroundThread("some-work", work.step, finish=work.finish, what="some work", pause=0.02)
    yield made
    assert made.stop(PATIENCE)


def test_the_first_step_is_taken_at_once_in_a_thread_of_that_name(background: BackgroundThread, work: Work) -> None:
    background.start()
    wait_until(lambda: work.steps == 1)
    assert work.threads[0].name == "some-work"
    assert work.threads[0].daemon


def test_it_is_started_once_however_many_ask(background: BackgroundThread, work: Work) -> None:
    background._starting.acquire()  # so that all of them are at the door before one gets in
    callers = [threading.Thread(target=background.start) for _ in range(4)]
    for caller in callers:
        caller.start()
    time.sleep(0.05)
    background._starting.release()
    for caller in callers:
        caller.join()
    wait_until(lambda: work.steps > 0)
    assert len([thread for thread in threading.enumerate() if thread.name == "some-work"]) == 1


def test_it_rests_until_it_is_woken(background: BackgroundThread, work: Work) -> None:
    background.start()
    wait_until(lambda: work.steps == 1)
    background.wake()
    wait_until(lambda: work.steps == 2)
    time.sleep(0.05)
    assert work.steps == 2


def test_it_goes_on_by_itself_after_its_rest(background: BackgroundThread, work: Work) -> None:
    work.rest = 0.01
    background.start()
    wait_until(lambda: work.steps > 3)


def test_what_wakes_it_during_a_step_is_not_lost() -> None:
    steps, inside, go_on = [], threading.Event(), threading.Event()

    def step() -> None:
        steps.append(1)
        inside.set()
        go_on.wait(PATIENCE)

    background = BackgroundThread("some-work", step)
    background.start()
    assert inside.wait(PATIENCE)
    background.wake()
    assert background.is_woken
    go_on.set()
    wait_until(lambda: len(steps) == 2)
    assert background.stop(PATIENCE)


def test_an_error_is_logged_with_its_traceback_and_the_work_goes_on(
    background: BackgroundThread, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.error = ValueError("no such thing")
    background.start()
    wait_until(lambda: work.steps > 2)
    assert background.is_alive
    assert "some work: unexpected; trying again" in caplog.text
    assert "in step\n    raise self.error" in caplog.text
    assert {thread.ident for thread in work.threads} == {work.threads[0].ident}


def test_after_an_error_it_pauses_whoever_wakes_it(work: Work) -> None:
    background = BackgroundThread("some-work", work.step, pause=LONG)
    work.error = ValueError()
    background.start()
    wait_until(lambda: work.steps == 1)
    background.wake()
    time.sleep(0.05)
    assert work.steps == 1
    assert background.stop(PATIENCE)  # but its end cuts the pause short


def test_an_error_of_the_database_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with LoggedErrors("some work") as errors:
        raise OperationalError("select 1", {}, Exception("the server is away\n"))
    assert errors.failed
    (record,) = caplog.records
    assert (record.levelno, record.getMessage(), record.exc_info) == (
        logging.ERROR,
        "some work: database: the server is away",
        None,
    )


def test_what_is_no_error_passes() -> None:
    errors = LoggedErrors("some work")
    with pytest.raises(KeyboardInterrupt), errors:
        raise KeyboardInterrupt
    assert not errors.failed


def test_its_end_cuts_a_rest_short_and_finishes_in_the_same_thread(background: BackgroundThread, work: Work) -> None:
    work.rest = LONG
    background.start()
    wait_until(lambda: work.steps == 1)
    assert background.stop(PATIENCE)
    assert not background.is_alive
    assert work.finished == work.threads[:1]
    assert work.steps == 1


def test_one_that_does_not_end_in_time_is_told(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()
    background = BackgroundThread("some-work", lambda: go_on.wait(PATIENCE) and 0.0)
    background.start()
    assert not background.stop(0.05)
    go_on.set()
    assert background.stop(PATIENCE)


def test_a_sleep_within_a_step_ends_with_the_thread_and_by_nothing_else() -> None:
    slept, background = [], BackgroundThread("some-work", lambda: sleep())

    def sleep() -> None:
        background.sleep(LONG)
        slept.append(background.is_ending)

    background.start()
    background.wake()
    time.sleep(0.05)
    assert slept == []
    assert background.stop(PATIENCE)
    assert slept == [True]


def test_an_error_at_the_end_is_logged(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("left open")

    background = BackgroundThread("some-work", work.step, finish=fail)
    background.start()
    assert background.stop(PATIENCE)
    assert "ValueError: left open" in caplog.text


def test_once_stopped_it_starts_no_more(background: BackgroundThread, work: Work) -> None:
    assert background.stop(PATIENCE)  # it need not have begun
    background.start()
    assert not background.is_alive
    assert work.steps == 0


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_process_has_a_thread_of_its_own(background: BackgroundThread, work: Work) -> None:
    background.start()
    wait_until(lambda: work.steps == 1)
    background._starting.acquire()  # by a thread that the child will not have
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        background.start()
        end = time.monotonic() + PATIENCE
        while work.steps < 2 and time.monotonic() < end:
            time.sleep(0.005)
        os.write(write, str(work.steps).encode())
        os._exit(0)
    background._starting.release()
    os.waitpid(child, 0)
    assert os.read(read, 8) == b"2"
    os.close(read)
    os.close(write)
    assert work.steps == 1  # this process's own is as it was
