"""What a rehearsal starts in place of `app:create_app()` and `worker.py`: the same programs, listening at crash points.

    gunicorn --config gunicorn.conf.py 'faults.launch:create_app()'
    python -m faults.launch

Leases are shorter than those of a desk at work, so that a dead worker's orders come back in seconds.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from flask import Flask

import app
import worker
from faults.disguised_venue import put_on_disguise
from faults.tickets import Tickets
from faults.venues import DISGUISE
from services import failpoints
from services.execution import cancel_orders, claims, recorder
from services.worker import pipeline

FOLDER = "FAULTS_TICKETS"  # names the folder of the tickets
LEASE = timedelta(seconds=8)

SHORTER: tuple[tuple[ModuleType, str, Any], ...] = (
    (claims, "SEND_LEASE", LEASE),
    (claims, "SEND_WALL", timedelta(seconds=1)),
    (recorder, "SEND_LEASE", LEASE),
    (cancel_orders, "CANCEL_LEASE", timedelta(seconds=5)),
    (pipeline, "REAP_EVERY", 1.0),
)


def listen() -> None:
    """Shorten what takes long and listen at the crash points; raises KeyError without a folder for tickets."""
    for module, name, value in SHORTER:
        if not hasattr(module, name):
            raise SystemExit(f"faults.launch: {module.__name__}.{name} is no more; tell SHORTER what took its place")
        setattr(module, name, value)
    if disguise := os.environ.get(DISGUISE):
        put_on_disguise(disguise)
    failpoints.install(Tickets(Path(os.environ[FOLDER])).reach)


def create_app() -> Flask:
    """Return the web application of a process that may be told to die."""
    listen()
    return app.create_app()


if __name__ == "__main__":
    listen()
    sys.exit(worker.main())
