"""Tests that need something this machine may lack. One line at the end of a run tells what was left out.

A fixture calls `require(...)`. What is absent skips the test, or fails it under REQUIRE_ALL=1 (`make check`).
The line is made from the reports alone, so it is the same with and without pytest-xdist.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest

MARK = "left out: "


def require(name: str, present: bool, how: str) -> None:
    """Go on if `present`; else leave the test out. `how` says in a few words what to do about it."""
    if present:
        return
    reason = f"{MARK}{name} ({how})"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}; REQUIRE_ALL=1 allows no gaps", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Write the one line below all other sections, if there is anything to tell."""
    yield
    groups: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and MARK in report.longrepr[2]:
            groups[report.longrepr[2].partition(MARK)[2]] += 1
    if groups:
        told = ", ".join(f"{count} × {group}" for group, count in sorted(groups.items()))
        terminalreporter.write_line(f"Tests left out: {told}", yellow=True)
