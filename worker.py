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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TypeVar

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app import create_app
from brokers.base import Broker
from brokers.errors import BrokerUnavailable
from config import Config, ConfigError
from extensions import db
from services import (
    cancel_orders,
    housekeeping,
    plan_signals,
    reconcile,
    stops,
    submit_orders,
    sync_broker,
    tend_legs,
)
from services.accounts import connect, desk_accounts
from services.due import look
from services.health import HEARTBEAT
from services.market import Market
from services.wake import WORK, make_waker, wake_no_worker

logger = logging.getLogger("worker")

LONGEST_WAIT = 1.0  # seconds: a hint that change may get lost, so the tables are read this often anyway
REAP_EVERY = 5.0
TEND_EVERY = 0.5
STATE_EVERY = 5.0
COMPARE_EVERY = 300.0
HOUSEKEEPING_EVERY = 600.0
RETRY_AFTER = 1.0


class Pipeline:
    """The steps of one worker, over the accounts that this desk trades itself."""

    def __init__(self, config: Config, brokers: Mapping[int, Broker], name: str) -> None:
        self.name = name
        self.brokers = brokers
        self.market = Market(brokers)
        self.lifetime = timedelta(seconds=config.signal_lifetime)
        self.leg_timeout = config.leg_timeout
        self.open: set[int] = set()  # accounts that are in step with their broker; nothing is sent to others
        self._due: dict[str, float] = {}

    def run_due(self, stop: Stop) -> None:
        """Do all that can be done now, alerts first; returns early between two steps when told to stop."""
        if self.open:  # not before the books agree
            self._trade(stop)
        if self._is_due("beat", HEARTBEAT):
            housekeeping.heartbeat(self.name)
        if self._is_due("reap", REAP_EVERY):
            submit_orders.reap(self.name)
            submit_orders.expire_orders(self.name)
        if self._is_due("tidy", HOUSEKEEPING_EVERY):
            housekeeping.tidy()
        self._poll()
        if self._is_due("state", STATE_EVERY):
            self.market.refresh()
        if self._is_due("tend", TEND_EVERY):
            stops.carry_out(self.open, self.name)
            tend_legs.tend(self.open, self.name)
        self._trade(stop)

    def _trade(self, stop: Stop) -> None:
        """Plan, send, cancel and look up until nothing is left to do."""
        ready = {account: self.brokers[account] for account in self.open}
        desk = plan_signals.Desk(
            brokers=self.brokers,
            market=self.market,
            ready=frozenset(ready),
            lifetime=self.lifetime,
            leg_timeout=self.leg_timeout,
            worker=self.name,
        )
        busy = True
        while busy and not stop.asked:
            claims = plan_signals.plan_next(desk)
            if claims:
                submit_orders.send(claims, ready, self.name)
            busy = self._work_on_orders(ready, stop) or claims is not None

    def _work_on_orders(self, ready: Mapping[int, Broker], stop: Stop) -> bool:
        """Send, cancel and look up what is due now; tells whether anything was done."""
        due, done = look(ready), False
        while due.sending and not stop.asked and submit_orders.submit_next(ready, self.name):
            done = True
        while due.canceling and not stop.asked and cancel_orders.cancel_next(ready, self.name):
            done = True
        while due.looking_up and not stop.asked and sync_broker.resolve_next(ready, self.name):
            done = True
        return done

    def _is_due(self, step: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(step, 0.0):
            return False
        self._due[step] = now + seconds
        return True

    def _poll(self) -> None:
        for account_id, broker in self.brokers.items():
            try:
                if account_id not in self.open:
                    self._open(account_id, broker)
                elif self._is_due(f"poll {account_id}", broker.capabilities.poll_seconds):
                    self._poll_account(account_id, broker)
            except BrokerUnavailable as e:
                closed = "" if account_id in self.open else "; it stays closed"
                logger.warning("account %s: %s cannot be read (%s)%s", account_id, broker.name, e, closed)

    def _open(self, account_id: int, broker: Broker) -> None:
        if self._is_due(f"open {account_id}", RETRY_AFTER):
            reconcile.start_account(account_id, broker, self.name)
            self.open.add(account_id)
            self._due[f"compare {account_id}"] = time.monotonic() + COMPARE_EVERY
            logger.info("account %s: %s is in step, open for orders", account_id, broker.name)

    def _poll_account(self, account_id: int, broker: Broker) -> None:
        compare = self._is_due(f"compare {account_id}", COMPARE_EVERY)
        if not compare and not sync_broker.has_working_orders(account_id):
            return
        if reconcile.take_turn(account_id, broker.capabilities.poll_seconds):
            until = sync_broker.poll_account(account_id, broker, reconcile.last_poll(account_id), self.name)
            reconcile.keep(account_id, synced_until=until)
            if compare:
                reconcile.compare_positions(account_id, broker)
                reconcile.keep(account_id, reconciled_at=until)
        elif compare:
            self._due[f"compare {account_id}"] = 0.0  # another worker has the turn; this one compares at the next


class Stop:
    """Asked for by SIGTERM or Ctrl-C; ends a wait at once, never a step."""

    def __init__(self) -> None:
        self.asked = False
        self.interrupt: Callable[[], None] = lambda: None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self.interrupt()


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
        stop.interrupt = waker.interrupt
        brokers = _patiently(
            lambda: {number: connect(config, terms) for number, terms in desk_accounts().items()}, stop
        )
        pipeline = Pipeline(config, brokers or {}, name)
        logger.info(
            "worker %s started, accounts %s",
            name,
            ", ".join(str(broker.name) for broker in pipeline.brokers.values()) or "none",
        )
        gc.freeze()  # what is here now stays; no collection need look at it while an alert waits
        try:
            while not stop.asked:
                _patiently(lambda: pipeline.run_due(stop), stop)
                if once:
                    break
                if not stop.asked:
                    waker.wait(LONGEST_WAIT)
        finally:
            stop.interrupt = lambda: None
            waker.close()
            for broker in pipeline.brokers.values():
                broker.close()
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
            time.sleep(RETRY_AFTER)
        except Exception:
            db.session.rollback()
            logger.exception("unexpected; trying again")
            time.sleep(RETRY_AFTER)
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
