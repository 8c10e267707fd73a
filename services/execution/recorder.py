"""Recording what brokers answer: all answers that there are in one transaction, each judged on its own.

An answer that the database or the code cannot take must not spoil the others: then the batch is halved, down to one.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown, RateLimited
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from extensions import transaction
from models import Order, OrderEvent
from services import failpoints
from services.execution.claims import LEASE, MOST_ATTEMPTS, Claim, drop_lease
from services.execution.order_moves import move_order, note
from services.execution.order_records import Locked, apply_report, fail_order, is_same_order, lock_orders

logger = logging.getLogger(__name__)

S = OrderStatus
FIRST_LOOKUP = timedelta(seconds=2)
LONGEST_BACK_OFF = 60.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds until answers are recorded again that the database did not take
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
Answer = OrderReport | Exception
Answered = tuple[Claim, Answer]


def record_until_done(answers: Sequence[Answered], worker: str) -> None:
    """Record answers; a database that is busy or away is tried again as long as the leases last."""
    left, pause, told = list(answers), FIRST_PAUSE, False
    while left:
        left = record_answers(left, worker, told=told)
        if left:
            told = True
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def record_answers(answers: Sequence[Answered], worker: str, *, told: bool = False) -> list[Answered]:
    """Record answers in one transaction; returns those that the database could not take now, and may take later."""
    if not answers:
        return []
    try:
        _record_all(answers, worker)
    except DATABASE_AWAY as e:
        if not told or len(answers) == 1 or not _is_lock(e):
            return _still_worth_it(answers, str(getattr(e, "orig", None) or e).strip(), told=told)
        return _record_halves(answers, worker, told=told)  # perhaps it is one row that somebody else has locked
    except Exception:
        if len(answers) == 1:  # the order stays SENDING, and is looked up when the lease ends
            name = answers[0][0].request.client_order_id
            logger.exception("order %s: unexpected while recording the answer", name)
            return []
        logger.warning("a batch of %s answers could not be recorded; it is halved", len(answers))
        return _record_halves(answers, worker, told=told)
    return []


def _is_lock(error: Exception) -> bool:
    """Return True if the database answered that a row, or all of it, is locked; one that is away has nothing to say."""
    original = getattr(error, "orig", None)
    return "locked" in str(original) or type(original).__name__ in ("LockNotAvailable", "QueryCanceled")


def _record_halves(answers: Sequence[Answered], worker: str, *, told: bool) -> list[Answered]:
    half = len(answers) // 2
    left = record_answers(answers[:half], worker, told=told)
    return left + record_answers(answers[half:], worker, told=told)


def _still_worth_it(answers: Sequence[Answered], what: str, *, told: bool) -> list[Answered]:
    left = []
    for claim, answer in answers:
        name = claim.request.client_order_id
        if time.monotonic() - claim.began >= LEASE.total_seconds():
            logger.error("order %s: the answer could not be booked (%s); it will be looked up", name, what)
            continue
        if not told:
            logger.error("order %s: the answer cannot be booked yet (%s); trying again", name, what)
        left.append((claim, answer))
    return left


def _record_all(answers: Sequence[Answered], worker: str) -> None:
    failpoints.reach("broker answered")
    reports = {claim.order_id: answer.fills for claim, answer in answers if isinstance(answer, OrderReport)}
    with transaction() as session:
        accounts = {claim.account_id for claim, _ in answers}
        locked = lock_orders(session, [claim.order_id for claim, _ in answers], reports, accounts=accounts)
        with session.no_autoflush:  # all changes go out once, at the end
            for claim, answer in answers:
                _record(session, locked.of(claim.order_id), claim, answer, worker)
            locked.ledger.store()
        failpoints.reach("record before commit")
    failpoints.reach("record after commit")


def _record(session: Session, locked: Locked, claim: Claim, answer: Answer, worker: str) -> None:
    order = locked.order
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
            logger.error("order %s: unexpected while sending", order.client_order_id, exc_info=answer)
            record = _record_unknown
    if order.status != S.SENDING or order.lease_epoch != claim.epoch:
        note(session, order, f"answer after the lease was lost: {what}", worker)
        logger.warning("order %s: answer after the lease was lost: %s", order.client_order_id, what)
        return
    drop_lease(order)
    record(session, locked, answer, worker)


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
    """Return True if an earlier attempt may have reached the broker: one that never left this machine has not."""
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
