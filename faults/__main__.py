"""Injects faults into a running desk and audits what is left: `python -m faults --help`."""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from bench.report import machine, show
from bench.support import DATABASES, POSTGRESQL, Failure, Stage, run
from bench.venues import PAPER, VENUES
from config import ROOT
from faults.plan import SHORT_SEED, Fault, make_plan, make_short_plan
from faults.rehearsal import rehearse
from faults.report import lacking, tell
from faults.venues import EVERYWHERE, ODD
from tests.support.pgcluster import DISK, find_binaries

LONG = 200  # faults on each database


def main() -> int:
    """Run the program; returns the exit code: 1 if anything was violated."""
    options = _options()
    if options.database == "both" or options.venue in ("both", "odd"):
        where = [(venue, kind) for venue in _venues(options.venue) for kind in _chosen(options.database, DATABASES)]
        names = ", ".join(f"{venue} on {kind}" for venue, kind in where)
        what = f"{options.faults} faults on each of" if options.faults else "Each fault once, dealt out to"
        show(f"{what}: {names}; seed {options.seed}; {machine()}")
        return max(_side_by_side(where[n : n + 2], options) for n in range(0, len(where), 2))
    with _stage(options.database, options.venue, keep=options.keep) as stage:
        outcome = rehearse(stage, options.database, options.venue, _plan(options), options.seed)
        if options.faults and options.faults >= LONG:
            outcome.violations += lacking(outcome)
        show(tell(outcome, options.seed))
        if outcome.violations:
            raise Failure(f"{len(outcome.violations)} violations")
    return 0


def _plan(options: argparse.Namespace) -> list[Fault]:
    kind, venue = options.database, options.venue
    if not options.faults:
        return make_short_plan(options.seed, kind, venue)
    return make_plan(random.Random(f"{options.seed} {kind} {venue} plan"), options.faults, venue)


def _venues(word: str) -> Sequence[str]:
    return {"both": VENUES, "odd": ODD}.get(word, (word,))


def _chosen(word: str, choices: Sequence[str]) -> Sequence[str]:
    return choices if word == "both" else [word]


def _side_by_side(where: Sequence[tuple[str, str]], options: argparse.Namespace) -> int:
    """Rehearse each in a process of its own, for much of the time is spent waiting."""
    command = [sys.executable, "-m", "faults", "--seed", str(options.seed)]
    command += ["--faults", str(options.faults)] if options.faults else []
    command += ["--keep"] if options.keep else []
    running = [
        subprocess.Popen([*command, "--venue", venue, "--database", kind], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for venue, kind in where
    ]
    try:
        for process in running:
            show(process.communicate()[0])
    finally:
        for process in running:
            process.terminate()  # does nothing to one that has ended
        for process in running:
            process.wait()
    return int(any(process.returncode for process in running))


@contextlib.contextmanager
def _stage(kind: str, venue: str, *, keep: bool) -> Iterator[Stage]:
    """Give a stage whose folder survives a failure, or always, with all logs and databases in it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    stage = Stage(Path(tempfile.mkdtemp(prefix=f"pairs-faults-{kind}-", dir=DISK)), durable=True)
    try:
        yield stage
    except Exception:
        keep = True
        raise
    finally:
        if keep:
            show(f"Logs and databases are kept in {stage.folder}")
            if kind == POSTGRESQL:
                _dump(stage, [POSTGRESQL, *(["venue"] if venue in (PAPER, *ODD) else [])])
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # an impatient second one would leave half of it running
        stage.close(keep=keep)


def _dump(stage: Stage, databases: Sequence[str]) -> None:
    """Save what the PostgreSQL server holds, for its own files go with it."""
    program = (find_binaries() or Path()) / "pg_dump"
    for database in databases:
        url = stage.cluster.url(database).replace("+psycopg2", "")
        try:
            subprocess.run([program, "--file", stage.folder / f"{database}.sql", url], check=True)
        except (OSError, subprocess.CalledProcessError) as e:
            show(f"{database} could not be saved: {e}")


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description="Inject faults into a desk, then audit it.")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument("--venue", choices=[*EVERYWHERE, "both", "odd"], default=PAPER)
    parser.add_argument("--long", dest="faults", action="store_const", const=LONG, help=f"the same as --faults {LONG}")
    parser.add_argument("--faults", type=_positive, help="so many on each database; else each fault once, dealt out")
    parser.add_argument("--keep", action="store_true", help="keep logs and databases, as after a failure")
    parser.add_argument("--seed", type=int, help="repeat a plan; else --faults draws a new seed each time")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6) if options.faults else SHORT_SEED
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    run(main)
