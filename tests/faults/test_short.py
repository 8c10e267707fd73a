"""The rehearsal itself in short, and what it rests on: crash points, tickets, plans."""

import contextlib
import itertools
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from bench.support import DATABASES, POSTGRESQL, SQLITE
from bench.venues import PAPER, VENUES
from faults.plan import SHARES, SHORT_SEED, STOP_POINTS, Sort, make_plan, make_short_plan
from faults.recovery import Blow, after, after_no_answer
from faults.rehearsal import Outcome
from faults.report import lacking, tell
from faults.scene import hold_write_lock
from faults.senders import Sent, bodies
from faults.snapshot import Snapshot
from faults.tickets import Action, Tickets
from faults.venues import PaperSide, Told, told_for
from services import failpoints
from services.failpoints import POINTS
from tests.brokers.paper_support import make_settings
from tests.support.left_out import require
from tests.support.pgcluster import find_binaries

TAKE = "import sys; from pathlib import Path; from faults.tickets import Tickets; Tickets(Path(sys.argv[1])).reach('x')"


# Seeds of long runs that found something, as `--faults` and `--seed`: an exit overtaken by the next entry.
FOUND = [(POSTGRESQL, PAPER, 10, 571405)]


def rehearse(folder: Path, database: str, *options: str) -> str:
    """Return the report of a rehearsal that found nothing."""
    require("PostgreSQL", database == SQLITE or find_binaries() is not None, "install it, or set PG_BIN")
    command = [sys.executable, "-m", "faults", "--database", database, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "No violations." in done.stdout
    return done.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("database", [SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.postgres)])
def test_each_fault_leaves_both_books_in_agreement(pytestconfig: pytest.Config, database: str, venue: str) -> None:
    report = rehearse(pytestconfig.rootpath, database, "--venue", venue)
    assert f"seed {SHORT_SEED}\n" in report


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("database", "venue"), [(SQLITE, "nameless"), pytest.param(POSTGRESQL, "echoing", marks=pytest.mark.postgres)]
)
def test_no_order_is_lost_or_doubled_where_the_venue_treats_our_ids_as_it_likes(
    pytestconfig: pytest.Config, database: str, venue: str
) -> None:
    rehearse(pytestconfig.rootpath, database, "--venue", venue)


@pytest.mark.timeout(600)
@pytest.mark.postgres
@pytest.mark.parametrize(("database", "venue", "faults", "seed"), FOUND)
def test_what_was_once_found_is_not_found_again(
    pytestconfig: pytest.Config, database: str, venue: str, faults: int, seed: int
) -> None:
    rehearse(pytestconfig.rootpath, database, "--venue", venue, "--faults", str(faults), "--seed", str(seed))


def test_the_short_rehearsals_have_each_fault() -> None:
    """Together each thing a venue can be told and each point to stop or die at; alone each other sort of fault."""
    points = [(Sort.KILL_AT_POINT, point) for point in POINTS] + [(Sort.STOP_AT_POINT, point) for point in STOP_POINTS]
    told = [(venue, *what) for venue in VENUES for what in told_for(venue)]
    found: Counter[object] = Counter()
    for venue, kind in itertools.product(VENUES, DATABASES):
        plan = make_short_plan(SHORT_SEED, kind, venue)
        assert plan == make_short_plan(SHORT_SEED, kind, venue)
        assert {fault.sort for fault in plan} == {*SHARES, Sort.KILL_AT_POINT}
        found.update((fault.sort, fault.point) for fault in plan if fault.point)
        found.update((venue, fault.told.kind, fault.told.where) for fault in plan if fault.told)
    assert found == Counter([*points, *told])


def test_a_venue_tells_what_it_has_not_done_yet(tmp_path: Path) -> None:
    with contextlib.closing(PaperSide(make_settings(f"sqlite:///{tmp_path}/paper.db"))) as venue:
        for told in (Told("work", symbol="PD.FT"), Told("reject"), Told("cancel_fills")):
            venue.tell(told)
        assert venue.outstanding() == ["reject", "cancel_fills"]
        venue.done()
        assert venue.outstanding() == []


def test_every_crash_point_is_somewhere_in_the_services(pytestconfig: pytest.Config) -> None:
    code = "".join(path.read_text() for path in (pytestconfig.rootpath / "services").rglob("*.py"))
    assert set(re.findall(r'failpoints\.reach\("([^"]+)"\)', code)) == set(POINTS)


def test_a_crash_point_does_nothing_until_a_hook_is_installed() -> None:
    heard: list[str] = []
    failpoints.reach(POINTS[0])
    failpoints.install(heard.append)
    try:
        failpoints.reach(POINTS[1])
    finally:
        failpoints.install(None)
    failpoints.reach(POINTS[2])
    assert heard == [POINTS[1]]


def test_one_ticket_kills_one_process(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    tickets = Tickets(tmp_path)
    command = [sys.executable, "-c", TAKE, str(tmp_path)]
    assert subprocess.run(command, cwd=pytestconfig.rootpath).returncode == 0
    tickets.arm("x", Action.KILL)
    ends = [subprocess.run(command, cwd=pytestconfig.rootpath).returncode for _ in range(2)]
    assert ends == [-signal.SIGKILL, 0]
    assert [(one.point, one.action) for one in tickets.used()] == [("x", Action.KILL)]


def test_a_stopped_process_goes_on_when_it_is_told_to(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    tickets = Tickets(tmp_path)
    tickets.arm("x", Action.STOP)
    process = subprocess.Popen([sys.executable, "-c", TAKE, str(tmp_path)], cwd=pytestconfig.rootpath)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    assert [one.pid for one in tickets.used()] == [process.pid]
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 0


def test_a_lock_that_a_stopped_process_keeps_is_not_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "desk.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as stopped:
        stopped.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        assert hold_write_lock(path) is None
        assert time.monotonic() - begun < 10
        stopped.execute("ROLLBACK")
    assert hold_write_lock(path) is not None


def test_a_ticket_that_was_withdrawn_kills_nobody(tmp_path: Path) -> None:
    tickets = Tickets(tmp_path)
    tickets.arm("x", Action.KILL)
    tickets.withdraw()
    tickets.reach("x")
    assert tickets.used() == []


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("count", [1, 10, 30, 200])
def test_a_plan_is_as_long_as_asked_for_and_the_same_for_a_seed(count: int, venue: str) -> None:
    plan = make_plan(random.Random(5), count, venue)
    assert len(plan) == count
    assert plan == make_plan(random.Random(5), count, venue)
    if count >= 10:
        assert {fault.sort for fault in plan} == {*SHARES, Sort.KILL_AT_POINT}
    if count == 200:
        points = Counter(fault.point for fault in plan if fault.sort is Sort.KILL_AT_POINT)
        assert set(points) == set(POINTS)
        assert max(points.values()) - min(points.values()) <= 1


def test_alerts_enter_and_exit_in_turns_under_ids_of_their_own() -> None:
    load = bodies(["A"], "secret", "run", random.Random(1))
    first, second, third = (next(load) for _ in range(3))
    assert [first["signal_id"], second["signal_id"]] == ["run-1", "run-2"]
    assert first["mar_pos"] == second["pre_mar_pos"] != "flat"
    assert second["mar_pos"] == third["pre_mar_pos"] == "flat"
    assert first["order_contracts"] == second["order_contracts"]
    assert first["order_action"] != second["order_action"]


def test_the_report_shows_what_was_violated_and_which_points_never_fired(tmp_path: Path) -> None:
    outcome = Outcome(SQLITE, tmp_path, kills=Counter(POINTS[1:]), violations=["order 7 is at the venue twice"])
    outcome.undone = ["'tend before commit' was not reached", "venue misbehaves: hidden"]
    assert lacking(outcome) == [f"the crash point '{POINTS[0]}' never killed a process"]
    text = tell(outcome, 5)
    assert "1 violations." in text
    assert "order 7 is at the venue twice" in text
    assert "Planned, but it did not come about: 'tend before commit' was not reached, venue misbehaves: hidden." in text


def test_recovery_counts_from_the_blow_to_the_acknowledgement() -> None:
    books = Snapshot([], [], {}, {}, {}, [], {})
    sent = [
        Sent("late", {}, failed_at=[101.0], acknowledged_at=104.0),
        Sent("unhurt", {}, acknowledged_at=150.0),
    ]
    assert after([Blow(100.0), Blow(90.0)], books, sent) == [4.0, 0.0]
    assert after_no_answer(books) == []
