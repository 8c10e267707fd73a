"""Places where a process may be made to die, so that a rehearsal can prove what survives.

A desk at work never installs a hook; a point then costs one look at a variable. `faults/` installs one.
"""

from __future__ import annotations

from collections.abc import Callable

POINTS = (
    # in the web process
    "alert before commit",
    "alert after commit",
    "repeat before commit",
    # in the worker, in the order of an order's life
    "plan before commit",
    "plan after commit",
    "claim before commit",
    "claim after commit",
    "sending before commit",
    "sending after commit",
    "broker answered",
    "record before commit",
    "record after commit",
    "look-up before asking",
    "look-up answered",
    "look-up before commit",
    "poll answered",
    "booking before commit",
    "booking after commit",
    "reap before commit",
    "reap after commit",
    "cancel before asking",
    "cancel answered",
    "cancel before commit",
    "tend before commit",
)
WEB_POINTS = POINTS[:3]

_hook: Callable[[str], None] | None = None


def reach(point: str) -> None:
    """Report to the hook, if one is installed, that the process has come to this point."""
    if _hook is not None:
        _hook(point)


def install(hook: Callable[[str], None] | None) -> None:
    """Install a hook that is called at each point from now on; None removes it."""
    global _hook
    _hook = hook
