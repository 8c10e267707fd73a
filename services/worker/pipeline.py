"""The steps of one worker, over the accounts that this desk trades itself."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import FrameType

from flask import Flask

from brokers.base import Broker
from config import Config
from services.accounts.connections import AccountTerms, connect, desk_accounts
from services.accounts.credentials import CredentialsUnreadable
from services.accounts.unreachable_accounts import UnreachableAccounts
from services.broker_state import account_state
from services.broker_state.market import Market
from services.execution import leg_timeouts, stops, submit_orders
from services.execution.due import look
from services.execution.send_pool import SendPool
from services.planning import broker_needs, plan_signals
from services.planning.broker_needs import WorkerContext
from services.timing import ACCOUNTS_EVERY, HEARTBEAT, HOUSEKEEPING_EVERY, PATIENCE_AT_END, REAP_EVERY, TEND_EVERY
from services.worker import housekeeping
from services.worker.account_session import AccountSession
from services.worker.broker_tasks import BrokerTasks

logger = logging.getLogger("worker")


class Stop:
    """Asked for by SIGTERM or Ctrl-C; ends a wait at once, never a step."""

    def __init__(self) -> None:
        self.asked = False
        self.interrupt: Callable[[], None] = lambda: None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self.interrupt()


class Pipeline:
    """Plans and sends orders; calls to remote brokers, and each account's session, have threads of their own."""

    def __init__(self, app: Flask, name: str, wake: Callable[[], None]) -> None:
        self.name = name
        self.market = Market({})
        self._app, self._wake = app, wake
        self._config: Config = app.config["DESK"]
        self._senders, self._tasks = SendPool(app, name, wake), BrokerTasks(app, name, wake)
        self._left_alone = UnreachableAccounts()
        self._sessions: dict[int, AccountSession] = {}
        self._terms: dict[int, AccountTerms] = {}
        self._sealed: dict[int, str | None] = {}  # encrypted keys that could not be opened, by account
        self._due: dict[str, float] = {}
        self._crowded: frozenset[int] = frozenset()  # accounts with orders that queue for a free place
        self._threads = True

    @property
    def open(self) -> frozenset[int]:
        """Return the accounts that are in step with their broker; nothing is sent to others."""
        return frozenset(number for number, session in self._sessions.items() if session.is_open)

    def run_due(self, stop: Stop) -> None:
        """Do all that can be done now, alerts first; returns early between two steps when told to stop."""
        if self._is_due("accounts", ACCOUNTS_EVERY):
            self._take_accounts()
        self._trade(stop)
        if self._is_due("beat", HEARTBEAT):
            housekeeping.heartbeat(self.name)
        if self._is_due("reap", REAP_EVERY):
            submit_orders.reap(self.name)
            submit_orders.expire_orders(self.name)
            heard_of = {number for number, session in self._sessions.items() if not session.is_away}
            self._left_alone.look(self._terms.keys() - heard_of)
            for number in self._terms.keys() - self._sessions.keys():  # without keys nobody plans its signals
                broker_needs.expire_waiting(number, timedelta(seconds=self._config.signal_lifetime), self.name)
        if self._is_due("tidy", HOUSEKEEPING_EVERY):
            housekeeping.tidy()
        if self._is_due("tend", TEND_EVERY):
            stops.carry_out(self.open, self.name)
            leg_timeouts.tend(self.open, self.name)
        self._trade(stop)

    def run_once(self, stop: Stop) -> None:
        """Do all that can be done now, without threads."""
        self._threads = False
        self._take_accounts()
        for session in self._sessions.values():
            session.step()
        self.run_due(stop)

    def end(self) -> None:
        """Finish what is on its way, and release the accounts."""
        for session in self._sessions.values():
            session.end()
        self._tasks.end(0.0)
        self._senders.close()
        until = time.monotonic() + PATIENCE_AT_END
        self._tasks.end(PATIENCE_AT_END)
        for session in self._sessions.values():
            session.end(max(0.0, until - time.monotonic()))

    def _take_accounts(self) -> None:
        """Connect to new accounts, and anew to those whose keys or switch have changed; leave those that are gone."""
        if not self._threads and self._terms:
            return
        wanted = desk_accounts()
        for number in [number for number, terms in self._terms.items() if wanted.get(number) != terms]:
            self._leave(number)
        for number, terms in wanted.items():
            resealed = number in self._sealed and self._sealed[number] != terms.credentials
            if number not in self._terms or resealed:
                self._terms[number] = terms
                self._connect(terms)

    def _connect(self, terms: AccountTerms) -> None:
        self._sealed.pop(terms.id, None)
        if terms.needs_keys and not terms.credentials:
            account_state.set_state(terms.id, trouble="it has no keys")
            return
        try:
            broker = connect(self._config, terms)
        except CredentialsUnreadable as e:
            logger.error("account %s (%s): %s", terms.id, terms.name, e)
            account_state.set_state(terms.id, trouble=str(e)[:255])
            self._sealed[terms.id] = terms.credentials
            return
        self.market.connect(terms.id, broker)
        session = AccountSession(
            self._app, terms.id, broker, self.market, name=terms.name, worker=self.name, wake=self._wake
        )
        self._sessions[terms.id] = session
        logger.info("account %s (%s): %s at %s", terms.id, terms.name, terms.environment, terms.broker)
        if self._threads:
            session.begin()

    def _leave(self, number: int) -> None:
        del self._terms[number]
        self._sealed.pop(number, None)
        session = self._sessions.pop(number, None)
        if session is not None:
            self.market.drop(number)
            session.end()
            logger.info("account %s: disconnected", number)

    def _trade(self, stop: Stop) -> None:
        """Plan, send, cancel and look up until nothing is left to do, or what is left is with the brokers."""
        try:
            while not stop.asked and self._trade_once(stop):
                pass
        finally:
            self._senders.record()

    def _trade_once(self, stop: Stop) -> bool:
        """Do one round; returns True if there may be more to do."""
        ready = {number: session.broker for number, session in self._sessions.items() if session.is_open}
        if not ready:  # not before the books agree
            return False
        claims = plan_signals.plan_next(self._desk(ready))
        if claims:
            self._senders.send(claims, ready, self.name)
            if self._senders.can_wait:  # others first: what is booked a moment later is no later at the venue
                return True
        recorded = self._senders.record()
        done = self._work_on_orders(ready, stop)
        return recorded or done or claims is not None

    def _desk(self, ready: Mapping[int, Broker]) -> WorkerContext:
        return WorkerContext(
            brokers={number: session.broker for number, session in self._sessions.items()},
            market=self.market,
            ready=frozenset(ready),
            # What queues has the next free places, exits first: what is planned now queues behind it.
            room=self._room(ready) | dict.fromkeys(self._crowded, 0),
            lifetime=timedelta(seconds=self._config.signal_lifetime),
            leg_timeout=self._config.leg_timeout,
            worker=self.name,
            tasks=self._tasks if self._threads else None,
        )

    def _room(self, ready: Mapping[int, Broker]) -> dict[int, int]:
        """Return how many orders are taken for sending now; a venue on this machine takes all."""
        return {number: self._senders.room(number) for number, broker in ready.items() if broker.capabilities.is_remote}

    def _work_on_orders(self, ready: Mapping[int, Broker], stop: Stop) -> bool:
        """Send orders that are due; cancel and look up what is. Returns True if anything was done."""
        due, room = look(ready), self._room(ready)
        sendable = {number: ready[number] for number in due.sending if room.get(number, 1) > 0}
        done = bool(sendable) and submit_orders.submit_next(sendable, self.name, self._senders.send, room)
        self._crowded = frozenset(number for number in due.sending & room.keys() if self._senders.room(number) == 0)
        for number in due.asking:
            broker = ready[number]
            if stop.asked:
                break
            if broker.capabilities.is_remote and self._threads:
                self._tasks.begin(number, "orders", functools.partial(self._tasks.see_to, number, broker))
            else:
                done = self._tasks.see_to(number, broker) or done
        return done

    def _is_due(self, step: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(step, 0.0):
            return False
        self._due[step] = now + seconds
        return True
