"""Recording what brokers answer: all answers that there are in one transaction, each judged on its own.

An answer that the database or the code cannot take must not spoil the others: then the batch is halved, down to one.
What the database cannot take now is tried again as long as the lease of its order lasts.
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

from brokers.errors import BrokerError, BrokerUnavailable, Conflicts, OrderRejected, OutcomeUnknown, RateLimited
from domain.executions import may_book
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from extensions import transaction
from models import Order, OrderEvent
from services import failpoints
from services.account_lock import is_account_locked
from services.execution.claims import MOST_ATTEMPTS, Claim, drop_lease
from services.execution.conflicts import make_way
from services.execution.order_moves import move_order, note
from services.execution.order_records import Locked, apply_report, fail_order, is_same_order, lock_orders
from services.timing import FIRST_LOOKUP, FIRST_PAUSE, LONGEST_BACK_OFF, LONGEST_PAUSE, SEND_LEASE

logger = logging.getLogger(__name__)

S = OrderStatus
CHANCE = random.SystemRandom()  # never the global one, which belongs to whoever seeds it
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
Answer = OrderReport | Exception
Answered = tuple[Claim, Answer]


class Backlog:
    """Answers that the database could not take yet: they are tried again as long as their leases last."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._left: list[Answered] = []
        self._told: set[int] = set()
        self.pause = 0.0  # seconds until the next try; 0 = nothing is left

    def record(self, answers: Sequence[Answered]) -> None:
        """Record answers, together with those that were left before."""
        all_there_are = [*self._left, *answers]
        left = record_answers(all_there_are, self._worker, halves=bool(self._left))
        self._left = [answered for answered, e in left if self._is_tried_again(answered[0], e)]
        self._told &= {claim.order_id for claim, _ in self._left}
        self.pause = min(2 * self.pause or FIRST_PAUSE, LONGEST_PAUSE) if self._left else 0.0

    def _is_tried_again(self, claim: Claim, e: Exception) -> bool:
        name, what = claim.request.client_order_id, str(getattr(e, "orig", None) or e).strip()
        if time.monotonic() - claim.began >= SEND_LEASE.total_seconds():
            logger.error("order %s: the answer could not be booked (%s); it will be looked up", name, what)
            return False
        if claim.order_id not in self._told:
            # A batch that is being planned holds its accounts for a moment, and more of a moment in a burst.
            level = logging.INFO if is_account_locked(e) else logging.ERROR
            logger.log(level, "order %s: the answer cannot be booked yet (%s); trying again", name, what)
            self._told.add(claim.order_id)
        return True


def record_until_done(answers: Sequence[Answered], worker: str) -> None:
    """Record answers; a database that is busy or away is tried again as long as the leases last."""
    backlog = Backlog(worker)
    backlog.record(answers)
    while backlog.pause:
        time.sleep(backlog.pause)
        backlog.record([])


def record_answers(
    answers: Sequence[Answered], worker: str, *, halves: bool = False
) -> list[tuple[Answered, Exception]]:
    """Record answers in one transaction; returns those that the database could not take now, and why.

    One that cannot be recorded at all is logged: its order stays SENDING, and is looked up when the lease ends.
    `halves`: a lock that keeps all of them waiting is looked for in ever smaller parts.
    """
    if not answers:
        return []
    try:
        _record_all(answers, worker)
    except DATABASE_AWAY as e:
        if not halves or len(answers) == 1 or not _may_be_one_row(e, answers):
            return [(answered, e) for answered in answers]
        return _record_parts(answers, worker, halves=True)
    except Exception:
        if len(answers) == 1:
            name = answers[0][0].request.client_order_id
            logger.exception("order %s: unexpected while recording the answer", name)
            return []
        logger.warning("a batch of %s answers could not be recorded; it is halved", len(answers))
        return _record_parts(answers, worker, halves=halves)
    return []


def _may_be_one_row(error: Exception, answers: Sequence[Answered]) -> bool:
    """Return True if a part of the answers may be recorded although all of them together cannot.

    Not where the database is away, where it is locked as a whole, and where it is the one account that is locked: then
    each answer alone would wait as long as all of them.
    """
    if is_account_locked(error):
        return len({claim.account_id for claim, _ in answers}) > 1
    original, statement = getattr(error, "orig", None), str(getattr(error, "statement", None))
    locked = "locked" in str(original) or type(original).__name__ in ("LockNotAvailable", "QueryCanceled")
    return locked and not statement.startswith("BEGIN")


def _record_parts(answers: Sequence[Answered], worker: str, *, halves: bool) -> list[tuple[Answered, Exception]]:
    """Record answers in parts: one for each account, else two halves."""
    accounts = sorted({claim.account_id for claim, _ in answers})
    parts = [[each for each in answers if each[0].account_id == account] for account in accounts]
    if len(parts) == 1:
        half = len(answers) // 2
        parts = [list(answers[:half]), list(answers[half:])]
    return [left for part in parts for left in record_answers(part, worker, halves=halves)]


def _record_all(answers: Sequence[Answered], worker: str) -> None:
    failpoints.reach("broker answered")
    reports = {claim.order_id: may_book(answer) for claim, answer in answers if isinstance(answer, OrderReport)}
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
    reason, attempts = answer.in_words or "rejected by the broker", locked.order.send_attempts
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
    words = answer.in_words if isinstance(answer, BrokerError) else str(answer)
    _to_unknown(session, locked, words or f"no answer ({type(answer).__name__})", worker)


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
    is_early = isinstance(answer, Conflicts) and make_way(session, locked, answer, worker)
    if is_early or isinstance(answer, RateLimited):
        order.send_attempts -= 1  # its turn has not come yet: that is no attempt that failed
    if order.cancel_requested_at is not None:
        fail_order(session, locked, S.DENIED, order.cancel_reason or "canceled before it was sent", worker)
    elif order.not_after is None and order.send_attempts >= MOST_ATTEMPTS:
        text = f"not sent after {order.send_attempts} attempts: {answer.in_words}"
        fail_order(session, locked, S.DENIED, text, worker)
    else:
        # Never before the time that the broker names: a request that is too early is one wasted.
        if isinstance(answer, RateLimited):
            wait = answer.seconds_left + (0.0 if order.is_exit else CHANCE.random())  # exits come first
        else:
            back_off = min(2.0**order.send_attempts, LONGEST_BACK_OFF)
            wait = max(answer.retry_after, back_off) * CHANCE.uniform(1.0, 1.2)  # spreads retries
        order.next_at = locked.now + timedelta(seconds=wait)
        order.reason = f"not sent yet: {answer.in_words}"[:500]
        move_order(session, order, S.QUEUED, f"broker unavailable: {answer.in_words}", worker)
