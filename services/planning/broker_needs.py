"""What planning needs to know of brokers, and asking for what is not known: between transactions, once for a batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import sqlalchemy as sa

from brokers.base import Broker
from brokers.errors import BrokerError, RateLimited
from domain.checks.alert_rules import not_after
from domain.enums import MarketPosition, Side
from domain.order_status import SignalStatus
from domain.planning.values import Refused
from domain.venue.order_plans import BrokerFacts
from extensions import announce, database_time, transaction
from models import Signal
from models.signal import WAITING
from services.account_lock import lock_accounts
from services.broker_state.market import Market, Need, NotKnown
from services.catalog import snapshots
from services.catalog.snapshots import AccountRef, Snapshot
from services.planning.check_inputs import insists_on_quotes, needs_quotes, said
from services.planning.contexts import subject_of, symbols_of
from services.planning.store import apply_outcome
from services.timing import BROKER_AWAY, LONGEST_AWAY

logger = logging.getLogger(__name__)

ASKING = "ask"


class Tasks(Protocol):
    """Threads in which remote brokers are asked."""

    def under_way(self, kind: str) -> frozenset[int]:
        """Return the accounts that have a task of this kind under way."""

    def begin(self, account_id: int, kind: str, work: Callable[[], bool]) -> bool:
        """Begin a task; False when one of its kind is under way, or all is ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What a worker plans with; `ready` are the accounts that are in step with their brokers.

    `room` is how many orders of an account are taken for sending now; an account without a number takes all.
    """

    brokers: Mapping[int, Broker]
    market: Market
    ready: frozenset[int]
    lifetime: timedelta
    leg_timeout: int
    worker: str
    tasks: Tasks | None = None  # None = brokers are asked here and now
    room: Mapping[int, int] | None = None


def facts_for(desk: WorkerContext, signal: Signal, known: Snapshot) -> BrokerFacts:
    """Return what is known of the broker that planning a signal needs; raises NotKnown."""
    symbols, subject = symbols_of(signal), subject_of(signal, known)
    # The price of a pair's alert says nothing of what its legs cost. An exit waits for none that it can do without.
    quotes = Need.ESTIMATE if len(symbols) == 2 or _is_sized_by_quote(signal) else Need.NONE
    if needs_quotes(known.rules, subject):
        is_exit = signal.position == MarketPosition.FLAT
        quotes = Need.ESTIMATE if is_exit and not insists_on_quotes(known.rules, subject) else Need.CHECK
    sells = signal.side == Side.SELL or len(symbols) == 2
    return desk.market.facts(signal.account_id or 0, symbols, quotes, sells=sells)


def _is_sized_by_quote(signal: Signal) -> bool:
    """Return True if money is to be brought into shares, and the alert names no price for that."""
    terms = signal.order_terms or {}
    return "notional" in terms and signal.price is None and not {"limit_price", "stop_price"} & terms.keys()


def askable(desk: WorkerContext) -> tuple[int, ...]:
    """Return the accounts whose signals can be planned now: their brokers can be asked, and are not being asked."""
    asked = desk.tasks.under_way(ASKING) if desk.tasks else frozenset()
    return tuple(account_id for account_id in desk.market.reachable() if account_id not in asked)


def ask_all(desk: WorkerContext, wanted: Iterable[NotKnown]) -> bool:
    """Fetch all that is wanted of each broker at once; from a remote one in a thread, while others are planned.

    Returns True if something was answered here and now.
    """
    by_account: dict[int, NotKnown] = {}
    for each in wanted:
        by_account[each.account_id] = _joined(by_account.get(each.account_id), each)
    answered = False
    for account_id, each in by_account.items():
        if desk.tasks is None or not desk.brokers[account_id].capabilities.is_remote:
            answered = _ask_now(desk, each) or answered
        else:
            desk.tasks.begin(account_id, ASKING, lambda each=each: _ask_now(desk, each))  # type: ignore[misc]
    return answered


def _joined(first: NotKnown | None, other: NotKnown) -> NotKnown:
    if first is None:
        return other
    quotes = max(first.quotes, other.quotes, key=(Need.NONE, Need.ESTIMATE, Need.CHECK).index)
    symbols = tuple(dict.fromkeys([*first.symbols, *other.symbols]))
    return NotKnown(first.account_id, symbols, quotes, holdings=first.holdings or other.holdings)


def _ask_now(desk: WorkerContext, wanted: NotKnown) -> bool:
    try:
        desk.market.ask(wanted)
    except BrokerError as e:
        # A limit that is reached is no trouble: alerts wait for the next minute as orders do.
        level = logging.INFO if isinstance(e, RateLimited) else logging.WARNING
        logger.log(level, "account %s: the broker cannot be asked before planning (%s)", wanted.account_id, e)
        pause = min(e.seconds_left, LONGEST_AWAY) if isinstance(e, RateLimited) else BROKER_AWAY
        desk.market.pass_over(wanted.account_id, pause)
        expire_waiting(wanted.account_id, desk.lifetime, desk.worker)
        return False
    return True


def expire_waiting(account_id: int, lifetime: timedelta, worker: str) -> None:
    """Cancel what waits too long for a broker that cannot be asked: it is never traded late."""
    with transaction() as session:
        lock_accounts(session, [account_id])
        query = sa.select(Signal).where(WAITING, Signal.account_id == account_id, Signal.external.is_(False))
        now, known = database_time(), snapshots.snapshot(fresh=True)
        account = AccountRef(account_id, known.account_name(account_id))
        for signal in session.execute(query.order_by(Signal.id).with_for_update(of=Signal)).scalars():
            latest = not_after(said(signal, account, now, desk_lifetime=lifetime), known.rules)
            if latest is not None and latest < now:
                text = "The broker could not be asked in time."
                late = Refused(status=SignalStatus.CANCELED, reason="expired", text=text, steps=[])
                apply_outcome(session, signal, late, worker)
                announce(session)
