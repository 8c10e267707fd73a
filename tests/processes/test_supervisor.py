"""The supervisor: what dies is started again, what cannot be kept running ends all, and nothing is left behind."""

import logging
import threading
from pathlib import Path

import psutil
import pytest

import supervisor
from supervisor import Program, Supervisor, read_procfile


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "DELAYS", (0.01, 0.01, 0.01, 0.01))
    monkeypatch.setattr(supervisor, "LOOK_EVERY", 0.01)


def numbers(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def run_until(desk: Supervisor, enough: threading.Event, question: object) -> int:
    """Run the desk in this thread, and stop it from another one once the question has its answer."""

    def look() -> None:
        while not enough.wait(0.01):
            if callable(question) and question():
                desk.stop()
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        return desk.run()
    finally:
        enough.set()
        thread.join()


def test_what_dies_quickly_again_and_again_ends_the_desk_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Program("web", f"sh -c 'echo $$ >> {tmp_path}/web; exec sleep 1000'")
    with caplog.at_level(logging.INFO, "supervisor"):
        assert Supervisor([other, Program("worker", "sh -c 'exit 3'")]).run() == 1
    again = [record for record in caplog.records if "ended with exit code 3; it is started again" in record.message]
    assert len(again) == supervisor.MOST_QUICK - 1
    assert caplog.records[-1].levelname == "CRITICAL"
    assert "ended with exit code 3, the 5th time within 15 s of its start; the desk ends" in caplog.records[-1].message
    assert not any(psutil.pid_exists(number) for number in numbers(tmp_path / "web"))


def test_what_had_begun_well_may_die_any_number_of_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "QUICK", 0.0)
    lives = tmp_path / "lives"
    desk = Supervisor([Program("worker", f"sh -c 'echo $$ >> {lives}'")])
    assert run_until(desk, threading.Event(), lambda: len(numbers(lives)) > supervisor.MOST_QUICK + 2) == 0


def test_what_a_dead_process_leaves_behind_is_ended_before_the_next_begins(tmp_path: Path) -> None:
    left, lives = tmp_path / "left", tmp_path / "lives"
    script = f"sleep 1000 & echo $! >> {left}; echo $$ >> {lives}; kill -9 $$"
    desk = Supervisor([Program("web", f"sh -c '{script}'")])
    run_until(desk, threading.Event(), lambda: len(numbers(lives)) > 1)
    assert not [number for number in numbers(left)[:1] if is_running(number)]


def test_told_twice_to_stop_nothing_is_waited_for(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    script = f'trap "" TERM; echo $$ >> {deaf}; while true; do sleep 0.01; done'
    desk = Supervisor([Program("worker", f"sh -c '{script}'")])

    def told() -> bool:
        if numbers(deaf):
            desk.stop()
            return True
        return False

    assert run_until(desk, threading.Event(), told) == 0
    assert not [number for number in numbers(deaf) if is_running(number)]


def test_a_procfile_is_read_by_name(pytestconfig: pytest.Config) -> None:
    programs = read_procfile(pytestconfig.rootpath / "local" / "alpaca-sim.procfile", ["web", "worker", "venue"])
    assert [program.name for program in programs] == ["web", "worker", "venue"]


def is_running(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
