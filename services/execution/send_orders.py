"""The call to the broker for orders that are committed as being sent, and what each answer or silence means."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from brokers.base import Broker
from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown, RateLimited
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from extensions import transaction
from models import Order, OrderEvent
from services import failpoints
from services.execution.claims import LEASE, MOST_ATTEMPTS, Claim, drop_lease
from services.execution.order_moves import move_order, note
from services.execution.order_records import Locked, apply_report, fail_order, is_same_order, lock_order

logger = logging.getLogger(__name__)

S = OrderStatus
FIRST_LOOKUP = timedelta(seconds=2)
LONGEST_BACK_OFF = 60.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds until an answer is booked again that the database did not take
Answer = OrderReport | Exception

_senders = ThreadPoolExecutor(max_workers=16, thread_name_prefix="sender")


def send_now(claims: Sequence[Claim], brokers: Mapping[int, Broker], worker: str) -> None:
    """Call the broker for orders that are committed as being sent, all at the same moment, and record the answers."""
    fresh = [claim for claim in claims if claim.is_fresh]
    for claim in claims:
        if not claim.is_fresh:
            logger.error("order %s: paused too long before sending; left for look-up", claim.request.client_order_id)
    # Each on its own, as it comes: a database that is busy or away must not lose the other leg's answer, too.
    left = [each for each in _answers(fresh, brokers) if not _is_done_with(*each, worker)]
    pause = FIRST_PAUSE
    while left:
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        left = [each for each in left if not _is_done_with(*each, worker, told=True)]


def _is_done_with(claim: Claim, answer: Answer, worker: str, *, told: bool = False) -> bool:
    """Book an answer; False when the database could not take it and may do so while the lease lasts."""
    name = claim.request.client_order_id
    try:
        _record(claim, answer, worker)
    except (OperationalError, InterfaceError, PoolTimeout) as e:
        what = str(getattr(e, "orig", None) or e).strip()
        if time.monotonic() - claim.began >= LEASE.total_seconds():
            logger.error("order %s: the answer could not be booked (%s); it will be looked up", name, what)
            return True
        if not told:
            logger.error("order %s: the answer cannot be booked yet (%s); trying again", name, what)
        return False
    except Exception:  # the order stays SENDING, and is looked up when the lease ends
        logger.exception("order %s: unexpected while booking the answer", name)
    return True


def _answers(claims: Sequence[Claim], brokers: Mapping[int, Broker]) -> Iterator[tuple[Claim, Answer]]:
    if len(claims) == 1:
        yield claims[0], _call(brokers[claims[0].account_id], claims[0])
        return
    calls = {_senders.submit(_call, brokers[claim.account_id], claim): claim for claim in claims}
    for call in as_completed(calls):
        yield calls[call], call.result()


def _call(broker: Broker, claim: Claim) -> Answer:
    failpoints.reach("sending after commit")
    try:
        return broker.submit_order(claim.request)
    except Exception as e:  # which one it is decides what is recorded
        return e


def _record(claim: Claim, answer: Any, worker: str) -> None:
    failpoints.reach("broker answered")
    record: Callable[[Session, Locked, Any, str], None]
    what = str(answer) or type(answer).__name__
    match answer:
        case OrderReport():
            record, what = _record_report, answer.status
        case OrderRejected():
            record = _record_refusal
        case BrokerUnavailable():
            record = _record_unavailable
        case OutcomeUnknown():
            record = _record_unknown
        case _:  # whatever an adapter did not foresee, the order may have arrived
            logger.error("order %s: unexpected while sending", claim.request.client_order_id, exc_info=answer)
            record = _record_unknown
    with transaction() as session:
        locked = lock_order(session, claim.order_id)
        order = locked.order
        if order.status != S.SENDING or order.lease_epoch != claim.epoch:
            note(session, order, f"answer after the lease was lost: {what}", worker)
            logger.warning("order %s: answer after the lease was lost: %s", order.client_order_id, what)
            return
        drop_lease(order)
        with session.no_autoflush:  # all changes go out once, at the end
            record(session, locked, answer, worker)
        failpoints.reach("record before commit")
    failpoints.reach("record after commit")


def _record_report(session: Session, locked: Locked, answer: Any, worker: str) -> None:
    if is_same_order(locked.order, answer):
        apply_report(session, locked, answer, worker)
    else:
        _to_unknown(session, locked, "the answer speaks of another order", worker)


def _record_refusal(session: Session, locked: Locked, answer: Any, worker: str) -> None:
    reason, attempts = str(answer) or "rejected by the broker", locked.order.send_attempts
    if attempts > 1 and _may_have_arrived(session, locked.order):
        # This refusal may speak of the repeat.
        _to_unknown(session, locked, f"refused on attempt {attempts}: {reason}", worker)
    else:
        fail_order(session, locked, S.REJECTED, reason, worker)


def _may_have_arrived(session: Session, order: Order) -> bool:
    """Tell whether an earlier attempt may have reached the broker; one that surely never left this machine has not."""
    # An attempt without a certain answer ends in UNKNOWN, also where its worker died; the record keeps each such move.
    doubted = sa.exists().where(OrderEvent.order_id == order.id, OrderEvent.to_status == S.UNKNOWN)
    return session.execute(sa.select(doubted)).scalar_one()


def _record_unknown(session: Session, locked: Locked, answer: Any, worker: str) -> None:
    _to_unknown(session, locked, str(answer) or f"no answer ({type(answer).__name__})", worker)


def _to_unknown(session: Session, locked: Locked, reason: str, worker: str) -> None:
    order = locked.order
    order.lookups, order.next_at, order.reason = 0, locked.now + FIRST_LOOKUP, None
    move_order(session, order, S.UNKNOWN, reason, worker)
    logger.warning("order %s: outcome not known (%s); it will be looked up", order.client_order_id, reason)


def _record_unavailable(session: Session, locked: Locked, answer: Any, worker: str) -> None:
    """Queue the order again with the same id: nothing has left this machine, or the broker said 'later'.

    It waits as long as it lives; only one without an end of life is given up after a number of attempts.
    """
    order = locked.order
    if isinstance(answer, RateLimited):
        order.send_attempts -= 1  # a broker that has had enough for now was not asked to take the order
    if order.cancel_requested_at is not None:
        fail_order(session, locked, S.DENIED, order.cancel_reason or "canceled before it was sent", worker)
    elif order.not_after is None and order.send_attempts >= MOST_ATTEMPTS:
        text = f"not sent after {order.send_attempts} attempts: {answer}"
        fail_order(session, locked, S.DENIED, text, worker)
    else:
        back_off = 0.0 if isinstance(answer, RateLimited) else min(2.0**order.send_attempts, LONGEST_BACK_OFF)
        # Never before the time that the broker names: a request that is too early is one wasted.
        wait = max(answer.retry_after, back_off) * random.uniform(1.0, 1.2)  # noqa: S311 - spreads retries
        order.next_at = locked.now + timedelta(seconds=wait)
        order.reason = f"not sent yet: {answer}"[:500]
        move_order(session, order, S.QUEUED, f"broker unavailable: {answer}", worker)
