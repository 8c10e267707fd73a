"""What would happen to an alert: the planner's own code against the state of this moment, and nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import Session, make_transient

from brokers.registry import spec_of
from domain.alert import Alert
from domain.enums import Environment, Source
from domain.intake import Arrival, Decision, decide
from domain.lanes.account_book import AccountBook
from domain.messages import QuoteReport
from domain.order_status import SignalStatus
from domain.planning.plan import plan
from domain.planning.values import Held, PlanLeg, Planned, Refused, Request, Waits
from domain.trace import step
from domain.venue.capabilities import AccountCapabilities
from domain.venue.order_plans import BrokerFacts
from extensions import database_time, reading
from models import AccountState, AssetState, BrokerAccount, Quote, Signal
from services.broker_state.account_state import account_of, asset_of, session_of
from services.catalog import snapshots
from services.intake.lane_state import is_lane_busy
from services.ledger.books import read_books
from services.planning.claim import ahead_of
from services.planning.contexts import Contexts, symbols_of
from services.planning.crypto_exits import fees_on_record
from services.planning.held_elsewhere import name_other_accounts

NEVER_STORED = 2**62  # as the rowid: later than all that is stored


@dataclass(frozen=True, slots=True)
class After:
    """A symbol in the book before and after, if all is filled; signed shares."""

    symbol: str
    held: Decimal
    working: Decimal
    after: Decimal


@dataclass(slots=True, kw_only=True)
class WhatIf:
    """What would become of an alert, and why."""

    status: SignalStatus
    reason: str | None = None
    text: str | None = None
    name: str | None = None
    account: str | None = None
    held_until: datetime | None = None
    policy: str | None = None
    on_failure: str | None = None
    orders: Sequence[PlanLeg] = ()
    book: Sequence[After] = ()
    trace: list[dict[str, Any]] = field(default_factory=list)


def what_if(alert: Alert) -> WhatIf:
    """Return what would happen to an alert that came now. Stores nothing, sends nothing, asks no broker.

    Goes by what the worker last heard from the broker; each answer on the trace says what it went by.
    """
    with reading() as session:
        known = snapshots.snapshot(fresh=True)
        arrival = Arrival(alert.alert_at, database_time(), is_lane_busy, alert.ignored, tuple(alert.own_terms.told()))
        decision = decide(alert.ticker, known.find_instrument, known.find_pair, known.terms, arrival)
        result = WhatIf(
            status=decision.status,
            reason=decision.reason,
            text=decision.error_text,
            name=decision.name,
            account=None if decision.account_id is None else known.account_name(decision.account_id),
            trace=list(decision.trace),
        )
        if decision.status is not SignalStatus.WAITING:
            return result
        if decision.external:
            result.text = "It would wait for your own executor; the desk does not trade this account."
            return result
        now = database_time()
        signal = _signal(alert, decision, now)
        broker = _broker_facts(session, signal)
        account_id, symbols = signal.account_id or 0, symbols_of(signal)
        books = read_books(session, [account_id], [str(signal.name)], symbols, now)
        contexts = Contexts(
            session,
            [signal],
            now=now,
            known=known,
            desk_lifetime=timedelta(seconds=current_app.config["DESK"].signal_lifetime),
            books=books,
            ahead={signal.id: ahead_of(session, signal)},
        )
        request, context = contexts.of(
            signal,
            broker,
            attached_hedge=_capabilities(session, signal).attached_pair_hedge,
            fees_on_record=fees_on_record(session, signal, broker),
        )
        outcome = plan(request, context)
        if isinstance(outcome, Refused):
            outcome = name_other_accounts(session, signal, outcome)
        match outcome:
            case Planned():
                _fill_in(result, request, books[account_id], outcome)
            case Refused():
                result.status, result.reason, result.text = outcome.status, outcome.reason, outcome.text
            case Held():
                result.reason, result.text, result.held_until = outcome.reason, "", outcome.until
            case Waits():
                result.reason = result.text = f"It {outcome.reason}."
        steps = [] if isinstance(outcome, Waits) else outcome.steps
        result.trace = [*signal.trace, *steps]
    return result


def _fill_in(result: WhatIf, request: Request, book: AccountBook, plan: Planned) -> None:
    result.status, result.orders, result.text = SignalStatus.CREATED, plan.legs, plan.left_out
    if len(plan.legs) == 2:
        result.policy, result.on_failure = plan.policy, plan.on_failure
    result.book = [_after(request.name, book, leg) for leg in plan.legs]


def _after(name: str, book: AccountBook, leg: PlanLeg) -> After:
    of_lane = book.leg(name, leg.symbol)
    coming = of_lane.after(name)
    return After(leg.symbol, of_lane.held, coming - of_lane.held, coming + leg.side.sign * leg.quantity)


def _signal(alert: Alert, decision: Decision, now: datetime) -> Signal:
    """Return the signal that would be stored; no session knows of it."""
    signal = Signal(
        id=NEVER_STORED,
        source=Source.WEBHOOK,
        received_at=now,
        alert_at=alert.alert_at,
        ticker=alert.ticker,
        side=alert.side,
        quantity=alert.quantity,
        price=alert.price,
        position=alert.position,
        position_size=alert.position_size,
        previous_position=alert.previous_position,
        previous_position_size=alert.previous_position_size,
        lifetime=alert.lifetime,
        when_closed=alert.when_closed,
        order_terms=alert.own_terms.stored(),
        ticker_type=decision.ticker_type,
        name=decision.name,
        symbol1=decision.symbol1,
        symbol2=decision.symbol2,
        hedge_ratio=decision.hedge_ratio,
        account_id=decision.account_id,
        external=False,
        status=SignalStatus.WAITING,
        trace=list(decision.trace),
    )
    make_transient(signal)
    return signal


def _capabilities(session: Session, signal: Signal) -> AccountCapabilities:
    account = session.get_one(BrokerAccount, signal.account_id)
    return spec_of(account.broker).capabilities(Environment(account.environment))


def _broker_facts(session: Session, signal: Signal) -> BrokerFacts:
    """Return what the worker has last heard from the account's broker."""
    symbols = [symbol for symbol in (signal.symbol1, signal.symbol2) if symbol]
    state = session.get(AccountState, signal.account_id)
    asset_rows = sa.select(AssetState).where(AssetState.account_id == signal.account_id, AssetState.symbol.in_(symbols))
    quote_rows = sa.select(Quote).where(Quote.account_id == signal.account_id, Quote.symbol.in_(symbols))
    account, market = account_of(state), session_of(state)
    signal.trace = [*signal.trace, _heard(state)]
    if market is not None and market.has_turned(signal.received_at):
        text = f"The market was {'open' if market.is_open else 'closed'} then and was to change since; not judged."
        signal.trace = [*signal.trace, step("market", True, text)]
        market = None
    return BrokerFacts(
        able=_capabilities(session, signal),
        assets={row.symbol: asset_of(row) for row in session.execute(asset_rows).scalars()},
        account=account,
        session=market,
        quotes={
            row.symbol: QuoteReport(symbol=row.symbol, bid=row.bid, ask=row.ask, at=row.at, source=row.source)
            for row in session.execute(quote_rows).scalars()
        },
    )


def _heard(state: AccountState | None) -> dict[str, Any]:
    if state is None or state.heard_at is None:
        return step("broker", True, "The worker has not heard from the broker yet; its part is not judged.")
    text = f"The broker's state is that of {state.heard_at:%Y-%m-%d %H:%M:%S} UTC."
    return step("broker", True, text, heard_at=f"{state.heard_at:%Y-%m-%d %H:%M:%S}")
