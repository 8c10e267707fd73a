"""From queued orders to the broker's answers: claim a batch, mark it as being sent, call, record.

The transactions are short and the calls are made between them. SENDING is committed before the first byte leaves; so
whatever dies, a queued order was never sent, and one in SENDING is looked up and never sent again on suspicion.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from brokers.base import Broker
from domain.enums import LegPolicy, Purpose
from domain.lanes.account_book import AccountBook
from domain.order_status import OrderStatus
from extensions import reading, transaction, utc_now
from models import Order
from models.order import PENDING as ORDER_PENDING
from services import failpoints
from services.account_lock import try_lock_accounts
from services.catalog import snapshots
from services.execution.claims import Claim, drop_lease, make_claim, start_sending, take_lease
from services.execution.order_moves import move_order
from services.execution.order_records import Locked, fail_order, lock_order
from services.execution.send_gate import Gate
from services.execution.send_orders import send_now
from services.execution.sendable import legs_together, sendable
from services.ledger.books import read_books
from services.timing import SIBLING_WAIT

logger = logging.getLogger(__name__)

S = OrderStatus
MOST = 64  # orders in one transaction
Send = Callable[[Sequence[Claim], Mapping[int, Broker], str], None]


def submit_next(
    brokers: Mapping[int, Broker], worker: str, send: Send | None = None, room: Mapping[int, int] | None = None
) -> bool:
    """Send the next orders that may be sent, pairs together where both legs go; False when there is none.

    `send` is what calls the broker, where that is not to be done here and now; `room` is how many orders of an account
    it takes, all where an account is not named.
    """
    claims = claim_orders(brokers, worker, room)
    if claims is None:
        return False
    failpoints.reach("claim after commit")
    (send or send_now)(claims, brokers, worker)
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


def claim_orders(
    brokers: Mapping[int, Broker], worker: str, room: Mapping[int, int] | None = None
) -> list[Claim] | None:
    """Return the orders that may be sent next, committed as being sent; None when there is none.

    Whoever has claims sends each once, while `Claim.is_fresh`, and hands the answers to `recorder.record_answers`; what
    has no answer by `Claim.until` is looked up. No more than `room` orders of an account are claimed.
    """
    try:
        with transaction() as session:
            accounts = try_lock_accounts(session, brokers)
            rows = session.execute(sendable(), {"accounts": accounts, "most": MOST}).all() if accounts else []
            if not rows:
                return None
            groups = _groups(session, rows)
            now: datetime = rows[0].now
            orders = [locked.order for group, _ in groups for locked in group]
            names = {order.name for order in orders}
            books = read_books(
                session, {order.account_id for order in orders}, names, {order.symbol for order in orders}, now
            )
            gate = Gate(session, brokers, books, snapshots.snapshot(fresh=True), now, worker)
            claims = _take_all(session, gate, groups, dict(room or {}))
            failpoints.reach("claim before commit")
            failpoints.reach("sending before commit")
            return claims
    except IntegrityError:
        logger.info("another worker has an order of this symbol in hand")
        return []


def _groups(session: Session, rows: Sequence[Any]) -> list[tuple[list[Locked], str]]:
    """Return the orders in groups that leave together, each with the name of its account."""
    together = {
        row.Signal.id
        for row in rows
        if row.Signal is not None
        and row.Signal.leg_policy == LegPolicy.TOGETHER
        and row.Order.purpose == Purpose.SIGNAL
        and row.Signal.symbol2 is not None
    }
    locked = {row.Order.id: row.Order for row in rows}
    legs: dict[tuple[int, int], list[int]] = defaultdict(list)
    if together:
        for leg in session.execute(legs_together(), {"signals": sorted(together)}):
            legs[leg.signal_id, leg.generation].append(leg.id)
        missing = sorted({number for ids in legs.values() for number in ids} - locked.keys())
        lock = sa.select(Order).where(Order.id.in_(missing), Order.status == S.QUEUED).order_by(Order.id)
        found = session.execute(lock.with_for_update(of=Order, skip_locked=True)).scalars() if missing else ()
        locked |= {order.id: order for order in found}
    done: set[int] = set()
    groups = []
    for row in rows:
        if row.Order.id in done:
            continue
        ids = [row.Order.id]
        if row.Order.signal_id in together:
            ids = legs[row.Order.signal_id, row.Order.generation]
        done |= set(ids)
        if all(number in locked for number in ids):
            groups.append(([Locked(locked[number], row.Signal, row.now) for number in ids], row.account))
        else:  # somebody has the other leg in hand: both at the same moment, or none yet
            row.Order.next_at = row.now + SIBLING_WAIT
    return groups


def _take_all(
    session: Session, gate: Gate, groups: Iterable[tuple[list[Locked], str]], room: dict[int, int]
) -> list[Claim]:
    """Mark as being sent what may leave now, one order at a time for an account and symbol."""
    claims: list[Claim] = []
    taken: set[tuple[int, str]] = set()
    for group, account in groups:
        keys = {(locked.order.account_id, locked.order.symbol) for locked in group}
        account_id = group[0].order.account_id
        if keys & taken or room.get(account_id, len(group)) < len(group):
            continue
        if any(locked.order.status != S.QUEUED for locked in group) or not gate.lets_pass(group):
            continue
        taken |= keys
        if account_id in room:
            room[account_id] -= len(group)
        for locked in group:
            claims.append(_take(session, gate, locked, account))
    return claims


def _take(session: Session, gate: Gate, locked: Locked, account: str) -> Claim:
    order = locked.order
    take_lease(order, gate.worker, gate.now)
    move_order(session, order, S.CLAIMED, "claimed", gate.worker)
    start_sending(order, gate.now)
    order.reason = None
    move_order(session, order, S.SENDING, f"attempt {order.send_attempts}", gate.worker)
    _mark_sending(gate.books[order.account_id], order)
    return make_claim(order, locked.signal, account, _leg1_id(session, order) if order.attached else None)


def _mark_sending(book: AccountBook, order: Order) -> None:
    """Count this order as on its way for the orders that are judged after it."""
    of_symbol = book.working[order.symbol]
    of_symbol[:] = [
        replace(each, status=S.SENDING, rest=order.quantity) if each.order_id == order.id else each
        for each in of_symbol
    ]


def _leg1_id(session: Session, order: Order) -> str | None:
    query = sa.select(Order.client_order_id).where(Order.signal_id == order.signal_id, Order.leg == 1)
    return session.execute(query.order_by(Order.generation.desc()).limit(1)).scalar()


def _too_late(order: Order) -> str:
    expired = "expired before it could be sent"
    return f"{expired} ({order.reason})" if order.reason else expired
