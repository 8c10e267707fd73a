"""From a waiting signal to its orders: one transaction, oldest first, one at a time for each stock or pair.

Where nothing keeps the orders back they are committed as being sent, so that the
worker that planned them can call the broker at once.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session, aliased, lazyload

from brokers.base import Broker
from brokers.errors import BrokerError
from domain.checks.alert_rules import not_after
from domain.checks.rules import Subject
from domain.enums import LegPolicy, MarketPosition, Side, TickerType
from domain.exact import plain_text
from domain.order_status import OrderStatus, SignalStatus
from extensions import announce, database_time, transaction, utc_now
from models import Order, OrderEvent, RegistryVersion, Signal
from models.signal import WAITING
from services import failpoints
from services.broker_state.market import Market, Need, NotKnown
from services.catalog import snapshots
from services.execution.claims import Claim, make_claim, start_sending, take_lease
from services.execution.new_orders import NewOrder, add_orders, make_order
from services.planning.check_inputs import insists_on_quotes, needs_quotes, said
from services.planning.decide import decide_plan
from services.planning.desk_book import Book
from services.planning.plan_context import NotTradable, Plan, PlanContext
from services.worker.broker_tasks import BrokerTasks

logger = logging.getLogger(__name__)

S = OrderStatus
PENDING = frozenset({S.QUEUED, S.CLAIMED, S.SENDING, S.UNKNOWN, S.MANUAL})
AT_ONCE = (
    (None, S.QUEUED, "planned"),
    (S.QUEUED, S.CLAIMED, "claimed"),
    (S.CLAIMED, S.SENDING, "attempt 1"),
)
ORDERS, EVENTS = cast(sa.Table, Order.__table__), cast(sa.Table, OrderEvent.__table__)
_INSERT_ORDERS = sa.insert(ORDERS).returning(ORDERS.c.id, sort_by_parameter_order=True)
ASKING = "ask"
BROKER_AWAY = 2.0  # seconds until a broker is asked again that could not be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What a worker plans with; `ready` are the accounts that are in step with their brokers."""

    brokers: Mapping[int, Broker]
    market: Market
    ready: frozenset[int]
    lifetime: timedelta
    leg_timeout: int
    worker: str
    errands: BrokerTasks | None = None  # None = brokers are asked here and now


def plan_next(desk: WorkerContext) -> list[Claim] | None:
    """Plan the next waiting signal; returns the orders to be sent at once, None when no signal waits.

    Signals of accounts that are not the desk's are left alone.
    """
    fast = True
    for _ in range(4):
        try:
            return _plan(desk, fast=fast)
        except NotKnown as wanted:
            _ask(desk, wanted)
        except IntegrityError:
            # Another worker has put an order of the same symbol into flight: this one queues behind it.
            fast = False
    return []


def _ask(desk: WorkerContext, wanted: NotKnown) -> None:
    """Ask a broker for what planning lacks; a remote one in a thread, while the signals of others are planned."""
    remote = desk.brokers[wanted.account_id].capabilities.is_remote
    if desk.errands is None or not remote:
        _ask_now(desk, wanted)
    else:
        desk.errands.begin(wanted.account_id, ASKING, lambda: _ask_now(desk, wanted))


def _ask_now(desk: WorkerContext, wanted: NotKnown) -> bool:
    try:
        desk.market.ask(wanted)
    except BrokerError as e:
        logger.warning("account %s: the broker cannot be asked before planning (%s)", wanted.account_id, e)
        desk.market.pass_over(wanted.account_id, BROKER_AWAY)
        expire_waiting(wanted.account_id, desk.lifetime)
        return False
    return True


def _askable(desk: WorkerContext) -> tuple[int, ...]:
    """Return the accounts whose signals can be planned now: their brokers can be asked, and are not being asked."""
    asked = desk.errands.under_way(ASKING) if desk.errands else frozenset()
    return tuple(account_id for account_id in desk.market.reachable() if account_id not in asked)


def expire_waiting(account_id: int, lifetime: timedelta) -> None:
    """Cancel what waits too long for a broker that cannot be asked: it is never traded late."""
    with transaction() as session:
        query = sa.select(Signal).where(WAITING, Signal.account_id == account_id, Signal.external.is_(False))
        now, known = database_time(), snapshots.snapshot(fresh=True)
        account = snapshots.AccountRef(account_id, known.account_name(account_id))
        for signal in session.execute(query.order_by(Signal.id).with_for_update(of=Signal)).scalars():
            latest = not_after(said(signal, account, now, desk_lifetime=lifetime), known.rules)
            if latest is not None and latest < now:
                _refuse(signal, NotTradable(SignalStatus.CANCELED, "expired", "The broker could not be asked in time."))
                announce(session)


def _plan(desk: WorkerContext, *, fast: bool) -> list[Claim] | None:
    with transaction() as session:
        found = session.execute(_next_waiting(), {"accounts": _askable(desk)}).one_or_none()
        if found is None:
            return None
        signal, now, version = found
        claims: list[Claim] = []
        account_id, rowid, cost = signal.account_id or 0, signal.id, Decimal(0)
        try:
            scene = _scene(desk, session, signal, now, version)
            try:
                book, plan = decide_plan(scene)
                orders = _make_orders(scene, plan, desk)
            finally:
                signal.trace = [*signal.trace, *scene.trace]
        except NotTradable as e:
            _refuse(signal, e)
        except (SQLAlchemyError, NotKnown):
            raise
        except Exception:  # one signal that cannot be understood must not hold up all others
            logger.exception("signal %s: planning failed", signal.id)
            signal.status, signal.status_reason = SignalStatus.CRITICAL, "planning failed; the log says why"
        else:
            signal.status = SignalStatus.CREATED
            if fast and signal.account_id in desk.ready and not plan.waits and not _must_queue(orders, book, plan):
                claims = _send_at_once(scene, orders, desk)
            else:
                add_orders(session, orders, "planned", desk.worker)
            cost = plan.cost
            logger.info(
                "signal %s: planned as %s",
                signal.id,
                ", ".join(f"{leg.side} {plain_text(leg.quantity)} {leg.symbol}" for leg in plan.legs),
            )
        announce(session)
        failpoints.reach("plan before commit")
    desk.market.reserve(account_id, rowid, cost)
    failpoints.reach("plan after commit")
    return claims


@functools.cache
def _next_waiting() -> sa.Select[Signal, datetime, int]:
    """Return the query of the next signal to plan; made once, for it is asked all the time."""
    # The row lock is the claim: it lasts as long as this transaction, and ends with a worker that dies.
    earlier = aliased(Signal)
    same_lane = sa.exists().where(
        earlier.name == Signal.name,
        earlier.account_id == Signal.account_id,
        earlier.status.in_([SignalStatus.WAITING, SignalStatus.REROUTED]),
        earlier.id < Signal.id,
    )
    accounts = Signal.account_id.in_(sa.bindparam("accounts", expanding=True))
    exits_first = sa.case((Signal.position == MarketPosition.FLAT, 0), else_=1)
    return (
        sa.select(Signal, utc_now(), sa.select(RegistryVersion.version).scalar_subquery())
        .options(lazyload(Signal.account))
        .where(WAITING, Signal.external.is_(False), accounts, ~same_lane)
        .where(Signal.held_until.is_(None) | (Signal.held_until <= utc_now()))
        .order_by(exits_first, Signal.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Signal)
    )


def _scene(desk: WorkerContext, session: Session, signal: Signal, now: datetime, version: int) -> PlanContext:
    """Return all that planning a signal may look at; raises NotKnown."""
    account_id, known = signal.account_id or 0, snapshots.snapshot(version=version)
    symbols = [symbol for symbol in (signal.symbol1, signal.symbol2) if symbol]
    subject = Subject(known.account_name(account_id), str(signal.name), TickerType(str(signal.ticker_type)))
    # The price of a pair's alert says nothing of what its legs cost. An exit waits for none that it can do without.
    quotes = Need.ESTIMATE if len(symbols) == 2 else Need.NONE
    if needs_quotes(known.rules, subject):
        is_exit = signal.position == MarketPosition.FLAT
        quotes = Need.ESTIMATE if is_exit and not insists_on_quotes(known.rules, subject) else Need.CHECK
    return PlanContext(
        session=session,
        signal=signal,
        now=now,
        broker=desk.market.facts(account_id, symbols, quotes, sells=signal.side == Side.SELL or len(symbols) == 2),
        known=known,
        desk_lifetime=desk.lifetime,
        attached_hedge=desk.brokers[account_id].capabilities.attached_pair_hedge,
    )


def _refuse(signal: Signal, e: NotTradable) -> None:
    if e.hold_until is not None:
        signal.held_until = e.hold_until
        signal.status_reason = f"held until {e.hold_until:%Y-%m-%d %H:%M} UTC: {e.reason}"[:255]
        logger.info("signal %s: %s", signal.id, signal.status_reason)
        return
    signal.status, signal.status_reason = e.status, e.reason[:255]
    signal.error_text = f"{e.reason}: {e.text}"[:1000]
    logger.warning("signal %s: %s, %s", signal.id, e.status, e.text)


def _make_orders(scene: PlanContext, plan: Plan, desk: WorkerContext) -> list[Order]:
    signal, installation = scene.signal, scene.known.installation
    both = len(plan.legs) == 2
    if both:
        first, second = plan.legs
        signal.leg_policy, signal.on_leg_failure, signal.lead_leg = plan.policy, plan.on_failure, plan.lead
        signal.leg_timeout = plan.timeout or desk.leg_timeout
        signal.leg_quantity1, signal.leg_quantity2 = first.quantity, second.quantity
        signal.leg_step1, signal.leg_step2 = first.step, second.step
        signal.leg_closes1, signal.leg_closes2 = first.closes or None, second.closes or None
    elif plan.legs[0].closes:
        signal.leg_quantity1, signal.leg_closes1 = plan.legs[0].quantity, plan.legs[0].closes
        signal.leg_step1 = plan.legs[0].step
    now_sent = [
        leg for leg in plan.legs if not both or plan.policy is not LegPolicy.LEG1_FIRST or leg.number == plan.lead
    ]
    orders = [
        make_order(
            installation,
            signal,
            NewOrder(
                leg=leg.number,
                symbol=leg.symbol,
                asset_class=leg.asset_class,
                currency=leg.currency,
                side=leg.side,
                quantity=leg.closes or leg.quantity,
                order_type=leg.terms.order_type,
                time_in_force=leg.terms.time_in_force,
                limit_price=leg.terms.limit_price,
                stop_price=leg.terms.stop_price,
                extended_hours=leg.terms.extended_hours,
                is_exit=leg.is_exit,
                attached=both and plan.policy is LegPolicy.ATTACHED and leg.number == 2,
                not_after=plan.not_after,
            ),
            scene.now,
        )
        for leg in now_sent
    ]
    names = ", ".join(f"{leg.side} {plain_text(leg.quantity)} {leg.symbol} {leg.terms.order_type}" for leg in plan.legs)
    account = scene.known.account_name(signal.account_id or 0)
    how = f", {plan.policy}, on failure {plan.on_failure}" if both else ""
    scene.see("orders", True, f"Orders for account {account}: {names}{how}.", account=account)
    return orders


def _must_queue(orders: Sequence[Order], book: Book, plan: Plan) -> bool:
    """Tell whether earlier orders of these symbols are on their way to the broker, or legs of the pair still work."""
    symbols, name = {order.symbol for order in orders}, orders[0].name
    if plan.policy is not LegPolicy.TOGETHER and any(order.name == name for order in book.working):
        return True
    return any(order.symbol in symbols and order.status in PENDING for order in book.working)


def _send_at_once(scene: PlanContext, orders: Sequence[Order], desk: WorkerContext) -> list[Claim]:
    """Commit orders, with this transaction, as being sent; an attached one waits until the broker has leg 1."""
    session, signal = scene.session, scene.signal
    at_once = [order for order in orders if not order.attached]
    for order in at_once:
        take_lease(order, desk.worker, scene.now)
        start_sending(order, scene.now)
        order.status, order.moves = S.SENDING, len(AT_ONCE)
    # These two statements are on the way of every alert: written out they cost half of what the mapper takes.
    columns = [column.name for column in ORDERS.c if column.name != "id"]
    rows = [{name: getattr(order, name) for name in columns} for order in orders]
    for order, rowid in zip(orders, session.execute(_INSERT_ORDERS, rows).scalars().all(), strict=True):
        order.id = rowid
    events = [
        {
            "order_id": order.id,
            "seq": seq,
            "from_status": old,
            "to_status": new,
            "cause": cause,
            "actor": desk.worker,
            "epoch": 0 if new is S.QUEUED else order.lease_epoch,
        }
        for order in orders
        for seq, (old, new, cause) in enumerate(AT_ONCE[: order.moves], 1)
    ]
    session.execute(sa.insert(EVENTS), events)
    account = scene.known.account_name(signal.account_id or 0)
    return [make_claim(order, signal, account, None) for order in at_once]
