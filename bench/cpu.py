"""The CPU time that processes use, those included that they start and that end meanwhile."""

from __future__ import annotations

import contextlib

import psutil

from bench.support import SQLITE, Desk


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU time of a process and all that it has started, seconds; None where it may not be read."""
    total = 0.0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])  # its own, and that of its children that have ended
    except psutil.AccessDenied:
        return None
    return total


def server_pid(desk: Desk) -> int | None:
    """Return the process of the database server; None for SQLite, whose work is done in the desk's own processes."""
    if desk.kind == SQLITE:
        return None
    return int((desk.stage.cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
