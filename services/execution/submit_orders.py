"""From a queued order to the broker's answer: claim, mark as being sent, call, record.

The transactions are short and the call is made between them. SENDING is committed before the
first byte leaves; so whatever dies, a queued or claimed order was never sent, and one in
SENDING is looked up and never sent again on suspicion.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from brokers.base import Broker
from domain.crossing import Parts
from domain.enums import LegPolicy, Purpose
from domain.order_status import OrderStatus
from extensions import reading, transaction, utc_now
from models import BrokerAccount, Order, Signal
from models.order import PENDING as ORDER_PENDING
from services import failpoints
from services.catalog import snapshots
from services.execution import stops
from services.execution.claims import GUARD, Claim, drop_lease, make_claim, start_sending, take_lease
from services.execution.exit_guard import entry_is_unsettled, fit_exits
from services.execution.order_moves import move_order
from services.execution.order_records import Locked, fail_order, lock_order
from services.execution.position_reversal import WAIT, parts_of, send_in_parts
from services.execution.send_orders import send_now

logger = logging.getLogger(__name__)

S = OrderStatus
PENDING = (S.QUEUED, S.CLAIMED, S.SENDING, S.UNKNOWN, S.MANUAL)
SIBLING_WAIT = timedelta(milliseconds=200)
Send = Callable[[Sequence[Claim], Mapping[int, Broker], str], None]


def submit_next(brokers: Mapping[int, Broker], worker: str, send: Send | None = None) -> bool:
    """Send the next order that may be sent, with its other leg where both go together; False when there is none.

    `send` is what calls the broker, where that is not to be done here and now.
    """
    claims = _claim(tuple(brokers), worker)
    if claims is None:
        return False
    failpoints.reach("claim after commit")
    (send or send_now)(_begin_sending(claims, brokers, worker), brokers, worker)
    return True


def expire_orders(worker: str) -> int:
    """End queued orders that are too old to be sent; returns how many."""
    late = _pending_ids(Order.status == S.QUEUED, Order.not_after < utc_now())
    for order_id in late:
        with transaction() as session:
            locked = lock_order(session, order_id)
            if locked.order.status == S.QUEUED:  # leg 2 may have been ended together with leg 1
                fail_order(session, locked, S.STALE, _too_late(locked.order), worker)
    return len(late)


def reap(worker: str) -> int:
    """Take back orders whose worker died: unsent ones are queued again, others looked up. Returns how many."""
    dead = _pending_ids(Order.status.in_([S.CLAIMED, S.SENDING]), Order.lease_until < utc_now())
    for order_id in dead:
        with transaction() as session:
            locked = lock_order(session, order_id)
            order, now = locked.order, locked.now
            if order.status not in (S.CLAIMED, S.SENDING) or order.lease_until is None or order.lease_until >= now:
                continue
            order.lease_epoch += 1
            order.lookups, order.next_at = 0, now
            target = S.QUEUED if order.status == S.CLAIMED else S.UNKNOWN
            move_order(session, order, target, f"lease of {order.lease_owner} ended", worker)
            drop_lease(order)
            failpoints.reach("reap before commit")
        failpoints.reach("reap after commit")
    return len(dead)


def _pending_ids(*conditions: sa.ColumnElement[bool]) -> list[int]:
    with reading() as session:
        return list(
            session.execute(
                sa.select(Order.id).where(ORDER_PENDING, *conditions).order_by(Order.account_id, Order.symbol, Order.id)
            ).scalars()
        )


def _claim(accounts: tuple[int, ...], worker: str) -> list[Claim] | None:
    try:
        with transaction() as session:
            found = session.execute(_sendable(), {"accounts": accounts}).one_or_none()
            if found is None:
                return None
            order, account, now, signal = found
            orders = [order]
            if signal is not None and signal.leg_policy == LegPolicy.TOGETHER and order.purpose == Purpose.SIGNAL:
                other_id = _other_leg_id(session, order)
                if other_id is not None:
                    other = _locked_if_free(session, other_id)
                    if other is None or _is_blocked(session, other):  # both at the same moment, or none yet
                        order.next_at = now + SIBLING_WAIT
                        return []
                    orders.append(other)
            first = _leg1_id(session, order) if order.attached else None
            claims = []
            for each in orders:
                take_lease(each, worker, now)
                move_order(session, each, S.CLAIMED, "claimed", worker)
                claims.append(make_claim(each, signal, account, first))
            failpoints.reach("claim before commit")
            return claims
    except IntegrityError:
        logger.info("another worker has an order of this symbol in hand")
        return []


def _other_leg_id(session: Session, order: Order) -> int | None:
    query = sa.select(Order.id).where(
        ORDER_PENDING,
        Order.signal_id == order.signal_id,
        Order.generation == order.generation,
        Order.leg != order.leg,
        Order.status == S.QUEUED,
        Order.purpose == Purpose.SIGNAL,
    )
    return session.execute(query).scalar_one_or_none()


def _locked_if_free(session: Session, order_id: int) -> Order | None:
    """Return a queued order, locked; None when somebody has it, who may be waiting for what we hold."""
    query = sa.select(Order).where(Order.id == order_id, Order.status == S.QUEUED)
    return session.execute(query.with_for_update(of=Order, skip_locked=True)).scalar_one_or_none()


def _is_blocked(session: Session, order: Order) -> bool:
    query = sa.select(
        sa.exists().where(
            ORDER_PENDING,
            Order.account_id == order.account_id,
            Order.symbol == order.symbol,
            Order.id < order.id,
        )
    )
    return session.execute(query).scalar_one()


def _leg1_id(session: Session, order: Order) -> str | None:
    query = sa.select(Order.client_order_id).where(Order.signal_id == order.signal_id, Order.leg == 1)
    return session.execute(query.order_by(Order.generation.desc()).limit(1)).scalar()


@functools.cache
def _sendable() -> sa.Select[Order, str, datetime, Signal]:
    """Return the query of the next order that may be sent; made once, for it is asked all the time."""
    earlier, first_leg = aliased(Order), aliased(Order)
    # Written out in the statement: SQLite uses a partial index only where it can read the condition.
    pending: sa.BindParameter[Any] = sa.bindparam("pending", list(PENDING), expanding=True, literal_execute=True)
    # One order at a time for an account and symbol, in the order they were planned; an order whose
    # outcome is not known keeps the later ones waiting.
    blocked = sa.exists().where(
        earlier.account_id == Order.account_id,
        earlier.symbol == Order.symbol,
        earlier.status.in_(pending),
        earlier.id < Order.id,
    )
    # Legs that go together wait for each other's symbols.
    other, before_other = aliased(Order), aliased(Order)
    other_blocked = sa.exists().where(
        Signal.leg_policy == LegPolicy.TOGETHER,
        Order.purpose == Purpose.SIGNAL,
        other.signal_id == Order.signal_id,
        other.generation == Order.generation,
        other.leg != Order.leg,
        other.status == S.QUEUED,
        before_other.account_id == other.account_id,
        before_other.symbol == other.symbol,
        before_other.status.in_(pending),
        before_other.id < other.id,
    )
    # Leg 2 never leaves while leg 1 waits, or while nobody knows what became of it.
    leg1_pending = sa.exists().where(
        first_leg.signal_id == Order.signal_id,
        first_leg.leg < Order.leg,
        first_leg.generation == Order.generation,
        first_leg.status.in_(pending),
    )
    return (
        sa.select(Order, BrokerAccount.name, utc_now(), Signal)
        .join(BrokerAccount, BrokerAccount.id == Order.account_id)
        .outerjoin(Signal, Signal.id == Order.signal_id)
        .options(sa.orm.lazyload(Signal.account))
        .where(ORDER_PENDING, Order.status == S.QUEUED, Order.account_id.in_(sa.bindparam("accounts", expanding=True)))
        .where(Order.next_at <= utc_now())
        .where(Order.not_after.is_(None) | (Order.not_after > utc_now()))  # expire_orders ends the others
        .where(~blocked, ~other_blocked, ~leg1_pending)
        .order_by(Order.is_exit.desc(), Order.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Order)
    )


def _begin_sending(claims: Sequence[Claim], brokers: Mapping[int, Broker], worker: str) -> list[Claim]:
    """Mark orders as being sent; those of which one may not be sent are put back or ended, and none is returned."""
    if not claims:
        return []
    with transaction() as session:
        held = [(claim, lock_order(session, claim.order_id)) for claim in claims]
        fit = [_may_be_sent(session, claim, locked, worker) for claim, locked in held]
        if all(fit) and not _exit_goes_on([locked for _, locked in held], session, worker):
            return []
        parts = [_parts(session, locked, brokers[claim.account_id]) for claim, locked in held]
        if all(fit) and any(each.must_wait for each in parts):
            why = "waits, for all that is held is spoken for by other orders"
            return _put_off([locked for _, locked in held], session, worker, why, WAIT)
        for number, (_, locked) in enumerate(held):
            if all(fit) and parts[number].now == 0:
                text = f"fractions of {locked.order.symbol} cannot be sold short"
                fit[number] = _end(session, locked, S.DENIED, text, worker)
        for (_, locked), each, good in zip(held, parts, fit, strict=True):
            order = locked.order
            if all(fit):
                send_in_parts(session, locked.signal, order, each, worker)
                start_sending(order, locked.now)
                move_order(session, order, S.SENDING, f"attempt {order.send_attempts}", worker)
            elif good and order.status == S.CLAIMED:  # not ended together with the other leg
                drop_lease(order)
                move_order(session, order, S.QUEUED, "the other leg could not be sent", worker)
        failpoints.reach("sending before commit")
    if not all(fit):
        return []
    return [
        replace(claim, request=replace(claim.request, quantity=each.now))
        for claim, each in zip(claims, parts, strict=True)
    ]


def _parts(session: Session, locked: Locked, broker: Broker) -> Parts:
    if broker.capabilities.reverses_in_one_order:
        return Parts(locked.order.quantity)
    return parts_of(session, locked.order, locked.now)


def _exit_goes_on(held: Sequence[Locked], session: Session, worker: str) -> bool:
    """Put an exit off whose entry may yet fail on one leg, end one that closes nothing, clip one that is too large."""
    if entry_is_unsettled(session, held[0]):
        _put_off(held, session, worker, "waits until both legs of its entry are settled", SIBLING_WAIT)
        return False
    why = fit_exits(session, held, worker)
    if why is None:
        return True
    for locked in held:
        if locked.order.status == S.CLAIMED:  # not ended together with the other leg
            _end(session, locked, S.CANCELED, why, worker)
    return False


def _put_off(held: Sequence[Locked], session: Session, worker: str, why: str, wait: timedelta) -> list[Claim]:
    """Queue orders again that must not go before others have come to something."""
    for locked in held:
        drop_lease(locked.order)
        locked.order.next_at = locked.now + wait
        move_order(session, locked.order, S.QUEUED, why, worker)
    return []


def _may_be_sent(session: Session, claim: Claim, locked: Locked, worker: str) -> bool:
    order, now = locked.order, locked.now
    if (
        order.status != S.CLAIMED
        or order.lease_epoch != claim.epoch
        or order.lease_until is None
        or order.lease_until < now + GUARD
    ):
        logger.warning("order %s: lease lost before sending", order.client_order_id)
        return False
    if order.not_after is not None and order.not_after <= now:
        return _end(session, locked, S.STALE, _too_late(order), worker)
    if order.cancel_requested_at is not None:
        return _end(session, locked, S.CANCELED, order.cancel_reason or "canceled before it was sent", worker)
    if order.account_id in snapshots.snapshot(fresh=True).switched_off:
        return _end(session, locked, S.DENIED, "live trading is not switched on for the account", worker)
    if not order.is_exit and order.purpose == Purpose.SIGNAL and (stop := stops.stopping(order)) is not None:
        return _end(session, locked, S.DENIED, stop, worker)
    return True


def _too_late(order: Order) -> str:
    expired = "expired before it could be sent"
    return f"{expired} ({order.reason})" if order.reason else expired


def _end(session: Session, locked: Locked, status: OrderStatus, reason: str, worker: str) -> bool:
    drop_lease(locked.order)
    fail_order(session, locked, status, reason, worker)
    return False
