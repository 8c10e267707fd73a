"""From waiting signals to their orders, a batch at a time: claim, gather, plan, store, commit.

All of it is one transaction that holds the locks of the accounts concerned. Signals are decided one by one in memory,
each seeing what the ones before it took. Where nothing keeps orders back they are committed as being sent, so that
the worker that planned them can call the broker at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from domain.order_status import OrderStatus, SignalStatus
from domain.planning.plan import plan
from domain.planning.values import Outcome, Planned, Refused, Waits, note
from domain.venue.costs import NO_COSTS, Costs
from domain.venue.order_plans import BrokerFacts
from extensions import announce, is_postgresql, transaction
from models import Signal
from services import failpoints
from services.broker_state.market import NotKnown
from services.catalog import snapshots
from services.catalog.snapshots import Snapshot
from services.execution.cancel_orders import cancel_for_exits
from services.execution.claims import Claim
from services.ledger.books import read_books
from services.planning.broker_needs import WorkerContext, ask_all, askable, facts_for
from services.planning.claim import Batch, claim, is_any_due
from services.planning.contexts import Contexts, symbols_of
from services.planning.crypto_exits import drop_old_holdings, fees_on_record, settle_fees
from services.planning.held_elsewhere import name_other_accounts
from services.planning.store import Decided, Made, apply_outcome, insert_orders, make_orders, must_queue, take_up

logger = logging.getLogger(__name__)

MOST = 64  # signals in one transaction
MOST_ON_SQLITE = 16  # so long as it lasts nobody else can write there, and alerts want to


def plan_next(desk: WorkerContext, most: int | None = None) -> list[Claim] | None:
    """Plan a batch of waiting signals; returns the orders to be sent at once, None when no signal can be planned.

    Signals of accounts that are not the desk's are left alone.
    """
    size = most or (MOST if is_postgresql() else MOST_ON_SQLITE)
    for _ in range(3):
        try:
            planned = _plan_batch(desk, size)
        except (IntegrityError, DataError):
            if size == 1:
                raise
            logger.exception("a batch could not be stored; its signals are planned one by one")
            size = 1
            continue
        if planned is None or planned.was_any or not ask_all(desk, planned.wanted):
            return None if planned is None else planned.claims
    return []


class _Planned:
    """What one transaction came to: claims, what brokers must be asked, and what the plans cost."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.wanted: list[NotKnown] = []
        self.costs: list[tuple[int, int, Costs]] = []
        self.was_any = False


def _plan_batch(desk: WorkerContext, most: int) -> _Planned | None:
    accounts = askable(desk)
    if not accounts or (not is_postgresql() and not is_any_due(accounts)):  # there even a look would lock the database
        return None
    done = _Planned()
    with transaction() as session:
        batch = claim(session, accounts, most)
        if batch is None:
            return None
        decided = _decide_all(session, desk, batch, done)
        _end_passed(session, decided, desk.worker)
        _ask_for_ends(session, decided, desk.worker, batch)
        done.claims = insert_orders(session, decided.made, desk.worker, batch.now)
        if done.was_any:
            announce(session)
        failpoints.reach("plan before commit")
    for account_id, rowid, cost in done.costs:
        desk.market.reserve(account_id, rowid, cost)
    if done.wanted and done.was_any:
        ask_all(desk, done.wanted)
    failpoints.reach("plan after commit")
    return done


def _decide_all(session: Session, desk: WorkerContext, batch: Batch, done: _Planned) -> Decided:
    known = snapshots.snapshot(version=batch.version)
    facts = {}
    drop_old_holdings(session, desk.market, batch.accounts)
    for signal in batch.signals:
        try:
            facts[signal.id] = facts_for(desk, signal, known)
        except NotKnown as wanted:
            done.wanted.append(wanted)
    signals = [signal for signal in batch.signals if signal.id in facts]
    decided = Decided()
    if not signals:
        return decided
    done.was_any = True
    names = {str(signal.name) for signal in signals}
    symbols = {symbol for signal in signals for symbol in symbols_of(signal)}
    books = read_books(session, batch.accounts, names, symbols, batch.now)
    if settle_fees(session, signals, facts, books):
        books = read_books(session, batch.accounts, names, symbols, batch.now)
    contexts = Contexts(
        session, signals, now=batch.now, known=known, desk_lifetime=desk.lifetime, books=books, ahead=batch.ahead
    )
    turn = _Turn(session, desk, known, contexts, decided, dict(desk.room or {}))
    for signal in signals:
        outcome = turn.decide(signal, facts[signal.id])
        if isinstance(outcome, Planned):
            done.costs.append((signal.account_id or 0, signal.id, outcome.cost))
    return decided


@dataclass(slots=True)
class _Turn:
    """The signals of a batch one by one, each seeing what the ones before it took."""

    session: Session
    desk: WorkerContext
    known: Snapshot
    contexts: Contexts
    decided: Decided
    room: dict[int, int]
    reserved: dict[int, Costs] = field(default_factory=dict)

    def decide(self, signal: Signal, broker: BrokerFacts) -> Outcome:
        """Decide a signal and put on it what was decided."""
        account_id = signal.account_id or 0
        if reserved := self.reserved.get(account_id):
            broker = broker.less(reserved)
        try:
            request, context = self.contexts.of(
                signal,
                broker,
                attached_hedge=self.desk.brokers[account_id].capabilities.attached_pair_hedge,
                fees_on_record=fees_on_record(self.session, signal, broker),
            )
            outcome = plan(request, context)
        except SQLAlchemyError:
            raise
        except Exception:  # one signal that cannot be understood must not hold up all others
            logger.exception("signal %s: planning failed", signal.id)
            text = "planning failed; the log says why"
            outcome = Refused(status=SignalStatus.CRITICAL, reason=text, text=text, steps=[])
        if isinstance(outcome, Refused):
            outcome = name_other_accounts(self.session, signal, outcome)
        if isinstance(outcome, Planned):
            if len(outcome.legs) == 2 and not outcome.timeout:
                outcome = replace(outcome, timeout=self.desk.leg_timeout)
            self._make(signal, outcome, context.now)
        self._note_others(signal, outcome)
        apply_outcome(self.session, signal, outcome, self.desk.worker)
        return outcome

    def _make(self, signal: Signal, plan: Planned, now: datetime) -> None:
        account_id = signal.account_id or 0
        book = self.contexts.books[account_id]
        orders = make_orders(self.known.installation, signal, plan, now)
        fits = self.room.get(account_id, len(orders)) >= len(orders)
        at_once = account_id in self.desk.ready and fits and not must_queue(orders, book, plan)
        if at_once and account_id in self.room:
            self.room[account_id] -= len(orders)
        self.decided.made.append(Made(signal, self.known.account_name(account_id), orders, at_once))
        take_up(book, orders, plan)
        self.reserved[account_id] = self.reserved.get(account_id, NO_COSTS).plus(plan.cost)
        self.contexts.count(signal, plan.legs)

    def _note_others(self, signal: Signal, outcome: Outcome) -> None:
        """Note the signals that this one ends, and the orders whose end it waits for."""
        if isinstance(outcome, Planned | Refused):
            for rowid in outcome.passes:
                self.decided.passed[rowid] = signal.id
        if isinstance(outcome, Waits):
            for order_id in outcome.cancel:
                self.decided.cancel[order_id] = (signal.id, f"signal {signal.id} closes the position")


def _end_passed(session: Session, decided: Decided, worker: str) -> None:
    """Cancel the waiting entries that an exit has made pointless."""
    if not decided.passed:
        return
    query = sa.select(Signal).where(Signal.id.in_(decided.passed)).order_by(Signal.id).with_for_update(of=Signal)
    for signal in session.execute(query).scalars():
        by = decided.passed[signal.id]
        text = f"Signal {by} brings the position to where its alert says, so what this one waited for is over."
        steps = [note("lane", False, text, exit=by)]
        refused = Refused(
            status=SignalStatus.CANCELED, reason=f"passed by the exit of signal {by}", text=text, steps=steps
        )
        apply_outcome(session, signal, refused, worker)


def _ask_for_ends(session: Session, decided: Decided, worker: str, batch: Batch) -> None:
    """Request the cancel of orders that keep a position from being closed; one that was not sent ends at once."""
    if not decided.cancel:
        return
    reasons = {order_id: why for order_id, (_, why) in decided.cancel.items()}
    orders = cancel_for_exits(session, reasons, worker, batch.now)
    for order in orders:
        logger.info("order %s: its cancel is requested, %s", order.client_order_id, order.cancel_reason)
    if any(order.status == OrderStatus.CANCELED for order in orders):
        waiting = {by for by, _ in decided.cancel.values()}
        for signal in batch.signals:
            if signal.id in waiting:
                signal.look_at = None


__all__ = ["WorkerContext", "plan_next"]
