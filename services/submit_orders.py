"""From a queued order to the broker's answer: claim, mark as being sent, call, record.

The three transactions are short and the call is made between them. SENDING is committed before
the first byte leaves; so whatever dies, a queued or claimed order was never sent, and one in
SENDING is looked up and never sent again on suspicion.
"""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from brokers.base import Broker
from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from domain.enums import AssetClass, OrderType, Side, TimeInForce
from domain.messages import AlertPrice, OrderReport, OrderRequest
from domain.order_status import AT_BROKER, OrderStatus
from extensions import database_time, reading, transaction, utc_now
from models import BrokerAccount, Order, Signal
from models.order import PENDING as ORDER_PENDING
from services import crash_points
from services.book import apply_report, fail_order, is_same_order, lock_order, lock_order_at, move_order, note

logger = logging.getLogger(__name__)

S = OrderStatus
LEASE = timedelta(seconds=45)
SEND_WALL = timedelta(seconds=10)  # the longest a broker call may take; adapters keep to it
GUARD = timedelta(seconds=15)  # what must be left of the lease when the call begins
MOST_ATTEMPTS = 5
FIRST_LOOKUP = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Claim:
    """An order in our hands until the lease ends; `epoch` tells our hand from a later one."""

    order_id: int
    account_id: int
    epoch: int
    began: float  # monotonic seconds, so that a clock that jumps cannot lengthen the lease
    request: OrderRequest


def submit_next(brokers: Mapping[int, Broker], worker: str) -> bool:
    """Send the next order that may be sent; False when there is none."""
    claim = _claim(tuple(brokers), worker)
    if claim is None:
        return False
    crash_points.reach("claim after commit")
    if not _begin_sending(claim, worker):
        return True
    left = (LEASE - SEND_WALL - timedelta(seconds=5)).total_seconds() - (time.monotonic() - claim.began)
    if left < 0:
        logger.error("order %s: paused too long before sending; left for look-up", claim.request.client_order_id)
        return True
    try:
        crash_points.reach("sending after commit")
        report = brokers[claim.account_id].submit_order(claim.request)
    except OrderRejected as e:
        _record_failure(claim, S.REJECTED, str(e) or "rejected by the broker", worker)
    except OutcomeUnknown as e:
        _record_unknown(claim, str(e) or "no answer", worker)
    except BrokerUnavailable as e:
        _record_unavailable(claim, str(e), e.retry_after, worker)
    except Exception as e:  # whatever an adapter did not foresee, the order may have arrived
        logger.exception("order %s: unexpected while sending", claim.request.client_order_id)
        _record_unknown(claim, f"unexpected {type(e).__name__}", worker)
    else:
        _record_report(claim, report, worker)
    crash_points.reach("record after commit")
    return True


def expire_orders(worker: str) -> int:
    """End queued orders that are too old to be sent; returns how many."""
    late = _pending_ids(Order.status == S.QUEUED, Order.not_after < utc_now())
    for order_id in late:
        with transaction() as session:
            order = lock_order(session, order_id)
            if order.status == S.QUEUED:  # leg 2 may have been ended together with leg 1
                fail_order(session, order, S.STALE, "expired before it could be sent", worker)
    return len(late)


def reap(worker: str) -> int:
    """Take back orders whose worker died: unsent ones are queued again, others looked up. Returns how many."""
    dead = _pending_ids(Order.status.in_([S.CLAIMED, S.SENDING]), Order.lease_until < utc_now())
    for order_id in dead:
        with transaction() as session:
            order, now = lock_order_at(session, order_id)
            if order.status not in (S.CLAIMED, S.SENDING) or order.lease_until is None or order.lease_until >= now:
                continue
            order.lease_epoch += 1
            order.lookups, order.next_at = 0, now
            target = S.QUEUED if order.status == S.CLAIMED else S.UNKNOWN
            move_order(session, order, target, f"lease of {order.lease_owner} ended", worker)
            order.lease_owner = order.lease_until = None
            crash_points.reach("reap before commit")
        crash_points.reach("reap after commit")
    return len(dead)


def _pending_ids(*conditions: sa.ColumnElement[bool]) -> list[int]:
    with reading() as session:
        return list(
            session.execute(
                sa.select(Order.id).where(ORDER_PENDING, *conditions).order_by(Order.account_id, Order.symbol, Order.id)
            ).scalars()
        )


def _claim(accounts: tuple[int, ...], worker: str) -> Claim | None:
    try:
        with transaction() as session:
            found = session.execute(_sendable(), {"accounts": accounts}).one_or_none()
            if found is None:
                return None
            order, account, now, price, hedge_ratio = found
            order.lease_owner, order.lease_until = worker, now + LEASE
            order.lease_epoch += 1
            move_order(session, order, S.CLAIMED, "claimed", worker)
            alert = None if price is None else AlertPrice(price=price, leg=order.leg, hedge_ratio=hedge_ratio)
            request = _request(order, account, alert)
            crash_points.reach("claim before commit")
            return Claim(order.id, order.account_id, order.lease_epoch, time.monotonic(), request)
    except IntegrityError:
        logger.info("another worker has an order of this symbol in hand")
        return None


@functools.cache
def _sendable() -> sa.Select[Order, str, datetime, Decimal | None, Decimal | None]:
    """Return the query of the next order that may be sent; made once, for it is asked all the time."""
    earlier, first_leg = aliased(Order), aliased(Order)
    # Written out in the statement: SQLite uses a partial index only where it can read the condition.
    pending: sa.BindParameter[Any] = sa.bindparam(
        "pending", [S.QUEUED, S.CLAIMED, S.SENDING, S.UNKNOWN, S.MANUAL], expanding=True, literal_execute=True
    )
    # One order at a time for an account and symbol, in the order they were planned; an order whose
    # outcome is not known keeps the later ones waiting.
    blocked = sa.exists().where(
        earlier.account_id == Order.account_id,
        earlier.symbol == Order.symbol,
        earlier.status.in_(pending),
        earlier.id < Order.id,
    )
    # Leg 2 waits until the broker has taken leg 1.
    leg1_taken = sa.exists().where(
        first_leg.signal_id == Order.signal_id,
        first_leg.leg == 1,
        first_leg.generation == Order.generation,
        first_leg.status.in_([*AT_BROKER, S.FILLED]),
    )
    return (
        sa.select(Order, BrokerAccount.name, utc_now(), Signal.price, Signal.hedge_ratio)
        .join(BrokerAccount, BrokerAccount.id == Order.account_id)
        .outerjoin(Signal, Signal.id == Order.signal_id)
        .where(ORDER_PENDING, Order.status == S.QUEUED, Order.account_id.in_(sa.bindparam("accounts", expanding=True)))
        .where(Order.next_at <= utc_now())
        .where(Order.not_after.is_(None) | (Order.not_after > utc_now()))  # expire_orders ends the others
        .where(~blocked, (Order.leg == 1) | leg1_taken)
        .order_by(Order.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Order)
    )


def _request(order: Order, account: str, alert: AlertPrice | None) -> OrderRequest:
    return OrderRequest(
        client_order_id=order.client_order_id,
        account=account,
        symbol=order.symbol,
        asset_class=AssetClass(order.asset_class),
        currency=order.currency,
        side=Side(order.side),
        quantity=order.quantity,
        order_type=OrderType(order.order_type),
        time_in_force=TimeInForce(order.time_in_force),
        limit_price=order.limit_price,
        alert_price=alert,
    )


def _begin_sending(claim: Claim, worker: str) -> bool:
    """Mark the order as being sent; False when the lease is lost or the order too old."""
    with transaction() as session:
        order, now = lock_order(session, claim.order_id), database_time()
        if (
            order.status != S.CLAIMED
            or order.lease_epoch != claim.epoch
            or order.lease_until is None
            or order.lease_until < now + GUARD
        ):
            logger.warning("order %s: lease lost before sending", order.client_order_id)
            return False
        if order.not_after is not None and order.not_after <= now:
            fail_order(session, order, S.STALE, "expired before it could be sent", worker)
            return False
        order.sent_at = now
        order.send_attempts += 1
        move_order(session, order, S.SENDING, f"attempt {order.send_attempts}", worker)
        crash_points.reach("sending before commit")
    return True


def _still_ours(session: Session, order: Order, claim: Claim, what: str, worker: str) -> bool:
    if order.status == S.SENDING and order.lease_epoch == claim.epoch:
        return True
    note(session, order, f"answer after the lease was lost: {what}", worker)
    logger.warning("order %s: answer after the lease was lost: %s", order.client_order_id, what)
    return False


def _record_report(claim: Claim, report: OrderReport, worker: str) -> None:
    crash_points.reach("broker answered")
    with transaction() as session:
        order = lock_order(session, claim.order_id)
        if not _still_ours(session, order, claim, report.status, worker):
            return
        if not is_same_order(order, report):
            _to_unknown(session, order, "the answer speaks of another order", worker)
            return
        order.lease_owner = order.lease_until = None
        apply_report(session, order, report, worker)
        crash_points.reach("record before commit")


def _record_failure(claim: Claim, status: OrderStatus, reason: str, worker: str) -> None:
    crash_points.reach("broker answered")
    with transaction() as session:
        order = lock_order(session, claim.order_id)
        if not _still_ours(session, order, claim, reason, worker):
            return
        order.lease_owner = order.lease_until = None
        if order.send_attempts > 1:
            # An earlier try may have arrived, and this refusal may speak of the repeat.
            _to_unknown(session, order, f"refused on attempt {order.send_attempts}: {reason}", worker)
            return
        fail_order(session, order, status, reason, worker)
        crash_points.reach("record before commit")


def _record_unknown(claim: Claim, reason: str, worker: str) -> None:
    with transaction() as session:
        order = lock_order(session, claim.order_id)
        if _still_ours(session, order, claim, reason, worker):
            _to_unknown(session, order, reason, worker)
            crash_points.reach("record before commit")


def _to_unknown(session: Session, order: Order, reason: str, worker: str) -> None:
    order.lease_owner = order.lease_until = None
    order.lookups = 0
    order.next_at = database_time() + FIRST_LOOKUP
    move_order(session, order, S.UNKNOWN, reason, worker)
    logger.warning("order %s: outcome not known (%s); it will be looked up", order.client_order_id, reason)


def _record_unavailable(claim: Claim, reason: str, retry_after: float, worker: str) -> None:
    """Queue the order again with the same id: nothing has left this machine, or the broker said 'later'."""
    with transaction() as session:
        order = lock_order(session, claim.order_id)
        if not _still_ours(session, order, claim, reason, worker):
            return
        order.lease_owner = order.lease_until = None
        if order.send_attempts >= MOST_ATTEMPTS:
            fail_order(session, order, S.DENIED, f"not sent after {order.send_attempts} attempts: {reason}", worker)
            return
        wait = max(retry_after, min(2.0**order.send_attempts, 60.0)) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries
        order.next_at = database_time() + timedelta(seconds=wait)
        move_order(session, order, S.QUEUED, f"broker unavailable: {reason}", worker)
