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
from config import Config, ConfigError
from extensions import db
from services import (
    cancel_orders,
    heard,
    housekeeping,
    plan_signals,
    stops,
    submit_orders,
    sync_broker,
    tend_legs,
)
from services.account_follower import AccountFollower
from services.accounts import AccountTerms, connect, desk_accounts
from services.due import look
from services.health import HEARTBEAT
from services.keep_account import AccountKeeper
from services.market import Market
from services.senders import Senders
from services.vault import SealBroken
from services.wake import WORK, make_waker, wake_no_worker

logger = logging.getLogger("worker")

LONGEST_WAIT = 1.0  # seconds: a hint that change may get lost, so the tables are read this often anyway
REAP_EVERY = 5.0
TEND_EVERY = 0.5
ACCOUNTS_EVERY = 2.0
HOUSEKEEPING_EVERY = 600.0
RETRY_AFTER = 1.0
KEEPER_PATIENCE = 12.0  # seconds for a broker call in hand to end


class Pipeline:
    """The steps of one worker, over the accounts that this desk trades itself.

    Orders are planned, sent, canceled and looked up here; each account's keeper has a thread of its own.
    """

    def __init__(self, app: Flask, name: str, wake: Callable[[], None]) -> None:
        self.name = name
        self.market = Market({})
        self._app, self._wake = app, wake
        self._config: Config = app.config["DESK"]
        self._senders = Senders(app, name, wake)
        self._keepers: dict[int, AccountKeeper] = {}
        self._terms: dict[int, AccountTerms] = {}
        self._due: dict[str, float] = {}

    @property
    def open(self) -> frozenset[int]:
        """Return the accounts that are in step with their broker; nothing is sent to others."""
        return frozenset(number for number, keeper in self._keepers.items() if keeper.is_open)

    def run_due(self, stop: Stop) -> None:
        """Do all that can be done now, alerts first; returns early between two steps when told to stop."""
        if self._is_due("accounts", ACCOUNTS_EVERY):
            self._take_accounts(threads=True)
        self._trade(stop)
        if self._is_due("beat", HEARTBEAT):
            housekeeping.heartbeat(self.name)
        if self._is_due("reap", REAP_EVERY):
            submit_orders.reap(self.name)
            submit_orders.expire_orders(self.name)
            for number in self._terms.keys() - self._keepers.keys():  # without keys nobody plans its signals
                plan_signals.expire_waiting(number, timedelta(seconds=self._config.signal_lifetime))
        if self._is_due("tidy", HOUSEKEEPING_EVERY):
            housekeeping.tidy()
        if self._is_due("tend", TEND_EVERY):
            stops.carry_out(self.open, self.name)
            tend_legs.tend(self.open, self.name)
        self._trade(stop)

    def run_once(self, stop: Stop) -> None:
        """Do all that can be done now, without threads."""
        self._take_accounts(threads=False)
        for keeper in self._keepers.values():
            keeper.step()
        self.run_due(stop)

    def end(self) -> None:
        """Let what is on its way come to its end, and release the accounts."""
        self._senders.close()
        for keeper in self._keepers.values():
            keeper.end()
        for keeper in self._keepers.values():
            keeper.end(KEEPER_PATIENCE)

    def _take_accounts(self, *, threads: bool) -> None:
        """Connect to new accounts, and anew to those whose keys or switch have changed; leave those that are gone."""
        if not threads and self._terms:
            return
        wanted = desk_accounts()
        for number in [number for number, terms in self._terms.items() if wanted.get(number) != terms]:
            self._leave(number)
        for number, terms in wanted.items():
            if number not in self._terms:
                self._terms[number] = terms
                self._connect(terms, threads=threads)

    def _connect(self, terms: AccountTerms, *, threads: bool) -> None:
        if terms.needs_keys and not terms.credentials:
            heard.set_state(terms.id, trouble="it has no keys")
            return
        try:
            broker = connect(self._config, terms)
        except SealBroken as e:
            logger.error("account %s (%s): %s", terms.id, terms.name, e)
            heard.set_state(terms.id, trouble=str(e)[:255])
            return
        self.market.connect(terms.id, broker)
        keeper = AccountKeeper(self._app, terms.id, broker, self.market, worker=self.name, wake=self._wake)
        self._keepers[terms.id] = keeper
        logger.info("account %s: %s, %s at %s", terms.id, terms.name, terms.environment, terms.broker)
        if threads:
            keeper.begin()

    def _leave(self, number: int) -> None:
        del self._terms[number]
        keeper = self._keepers.pop(number, None)
        if keeper is not None:
            self.market.drop(number)
            keeper.end()
            logger.info("account %s: disconnected", number)

    def _trade(self, stop: Stop) -> None:
        """Plan, send, cancel and look up until nothing is left to do."""
        ready = {number: keeper.broker for number, keeper in self._keepers.items() if keeper.is_open}
        if not ready:  # not before the books agree
            return
        desk = plan_signals.Desk(
            brokers={number: keeper.broker for number, keeper in self._keepers.items()},
            market=self.market,
            ready=frozenset(ready),
            lifetime=timedelta(seconds=self._config.signal_lifetime),
            leg_timeout=self._config.leg_timeout,
            worker=self.name,
        )
        busy = True
        while busy and not stop.asked:
            claims = plan_signals.plan_next(desk)
            if claims:
                self._senders.send(claims, ready, self.name)
            busy = self._work_on_orders(ready, stop) or claims is not None

    def _work_on_orders(self, ready: Mapping[int, Broker], stop: Stop) -> bool:
        """Send, cancel and look up what is due now; tells whether anything was done."""
        due, done = look(ready), False
        while due.sending and not stop.asked and submit_orders.submit_next(ready, self.name, self._senders.send):
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
        pipeline = Pipeline(app, name, waker.interrupt)
        follower = AccountFollower(app)
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
            follower.end(KEEPER_PATIENCE)
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
