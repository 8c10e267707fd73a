"""The worker: plans waiting signals, sends their orders, and learns from the brokers what became of them.

Run as `python worker.py`; `--once` does what is to be done now and ends. SIGTERM and Ctrl-C
finish the step in hand first.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app import create_app
from config import Config, ConfigError
from engines import write_in_bulk
from extensions import db
from services.change_feed import WORK, make_waker, wake_no_worker
from services.timing import LONGEST_WAIT, PATIENCE_AT_END, RETRY_AFTER_ERROR
from services.worker import housekeeping
from services.worker.account_follower import AccountFollower
from services.worker.pipeline import Pipeline, Stop

logger = logging.getLogger("worker")


@contextmanager
def only_one(config: Config, stop: Stop) -> Iterator[None]:
    """On SQLite hold the lock that lets one worker run; the kernel frees it when the process dies."""
    if not config.is_sqlite:
        yield
        return
    path = Path(config.instance_dir) / "worker.lock"
    with open(path, "a") as file:
        told = False
        while not stop.asked:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    logger.warning("another worker runs on this database; waiting for it to end")
                told = True
                time.sleep(0.5)
        yield


def run(app: Flask, once: bool, stop: Stop) -> None:
    """Work until told to stop, or until nothing is left to do when `once`."""
    config: Config = app.config["DESK"]
    name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
    with app.app_context(), only_one(config, stop):
        if stop.asked:
            return
        waker = make_waker(WORK)
        wake_no_worker()
        write_in_bulk(db.engine)
        stop.interrupt = waker.interrupt
        pipeline = Pipeline(app, name, waker.interrupt)
        follower = AccountFollower(app, name)
        logger.info("worker %s started", name)
        follower.begin(thread=not once)
        gc.freeze()  # what is here now stays; no collection need look at it while an alert waits
        try:
            while not stop.asked:
                _patiently(lambda: pipeline.run_once(stop) if once else pipeline.run_due(stop), stop)
                if once:
                    break
                if not stop.asked:
                    waker.wait(LONGEST_WAIT)
        finally:
            stop.interrupt = lambda: None
            pipeline.end()
            follower.end(PATIENCE_AT_END)
            waker.close()
            _say_goodbye(name)
            logger.info("worker %s ended", name)


def _say_goodbye(name: str) -> None:
    try:
        housekeeping.say_goodbye(name)
    except SQLAlchemyError as e:
        logger.warning("could not sign off: %s", e)


T = TypeVar("T")


def _patiently(step: Callable[[], T], stop: Stop) -> T | None:
    """Return the step's result; a database that is away is waited for, a second at a time."""
    while not stop.asked:
        try:
            return step()
        except SQLAlchemyError as e:
            db.session.rollback()
            logger.error("database: %s; trying again", str(getattr(e, "orig", None) or e).strip())
            time.sleep(RETRY_AFTER_ERROR)
        except Exception:
            db.session.rollback()
            logger.exception("unexpected; trying again")
            time.sleep(RETRY_AFTER_ERROR)
        finally:
            db.session.remove()
    return None


def main() -> int:
    """Start the worker; returns the exit code."""
    arguments = argparse.ArgumentParser(description="Execute waiting signals.")
    arguments.add_argument("--once", action="store_true", help="do what is to be done now, then end")
    once = arguments.parse_args().once
    os.umask(0o077)
    try:
        app = create_app()
    except ConfigError as e:
        print(f"worker: {e}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return 1
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    run(app, once, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
