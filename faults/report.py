"""The report of one rehearsal, in words and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.report import percentile, table
from faults.rehearsal import Outcome
from services.failpoints import POINTS

MOST_VIOLATIONS = 50  # shown


def tell(outcome: Outcome, seed: int) -> str:
    """Return the whole report."""
    faults = [(name, count) for name, count in sorted(outcome.faults.items())]
    points = [(point, outcome.kills[point]) for point in POINTS]
    times = [_times(name, values) for name, values in outcome.recoveries.items() if values]
    parts = [
        f"## {outcome.kind}, {outcome.venue}: {outcome.faults.total()} faults in {outcome.seconds:.0f} s, seed {seed}",
        table(["fault", "times"], faults),
        table(["killed at this crash point", "times"], points),
        table(["what", "number"], list(outcome.figures.items())),
        table(["seconds until recovered", "times", "p50", "p95", "max"], times),
        *([f"Planned, but it did not come about: {', '.join(outcome.undone)}."] if outcome.undone else []),
        "\n".join(_violations(outcome.violations)),
    ]
    return "\n\n".join(parts) + "\n"


def lacking(outcome: Outcome) -> list[str]:
    """Return what a long rehearsal must not lack: each crash point must have killed at least once."""
    return [f"the crash point '{point}' never killed a process" for point in POINTS if not outcome.kills[point]]


def _times(name: str, values: Sequence[float]) -> tuple[object, ...]:
    return (name, len(values), *(f"{percentile(values, p):.1f}" for p in (50, 95, 100)))


def _violations(lines: Sequence[str]) -> Iterator[str]:
    yield f"{len(lines) or 'No'} violations."
    yield from (f"  {line}" for line in lines[:MOST_VIOLATIONS])
    if len(lines) > MOST_VIOLATIONS:
        yield f"  … and {len(lines) - MOST_VIOLATIONS} more"
