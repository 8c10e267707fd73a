"""What is written of an account at the brokerage, each in one short transaction."""

from __future__ import annotations

import logging
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from domain.account_opening.status import (
    ENDED,
    LAG,
    LOOK_AFTER,
    SETTLED_EVERY,
    SURE_AFTER,
    SURE_LOOKUPS,
    YOUNG_EVERY,
    BrokerageReport,
    OwnStatus,
    StatusEvent,
    pause,
)
from domain.errors import Conflict
from extensions import announce, database_time, transaction
from models import BrokerageAccount

logger = logging.getLogger(__name__)


def store(row_id: int, report: BrokerageReport, asked_at: datetime) -> bool:
    """Write down what Alpaca, asked at `asked_at`, says of an account.

    A status that may be older than the one that is known is left, and Alpaca asked again. False when another row has
    that account already, or this one is gone.
    """
    try:
        with transaction() as session:
            row, now = session.execute(_locked(row_id)).scalar_one_or_none(), database_time()
            if row is None:
                logger.critical("brokerage account %s: Alpaca's account %s has no row", row_id, report.alpaca_id)
                return False
            old, is_first = row.status, row.alpaca_id is None
            row.alpaca_id = report.alpaca_id
            row.account_number = report.account_number or row.account_number
            row.created_at = report.created_at or row.created_at
            row.equity = row.equity if report.equity is None else report.equity
            row.reason = report.reason
            row.next_at = now + pause(report.status, now - row.requested_at)
            if old != report.status and not is_first and asked_at < row.status_at + LAG:
                row.next_at = now + YOUNG_EVERY
            elif old != report.status:
                row.status, row.status_at = report.status, asked_at
                announce(session)
            new = row.status
    except IntegrityError:
        logger.error("brokerage account %s: Alpaca's account %s has a row already", row_id, report.alpaca_id)
        return False
    _tell_of_move(row_id, old, new)
    return True


def hear(event: StatusEvent, where: str) -> None:
    """Write down what an event tells unless more recent things are known, and let its account be looked at next."""
    B = BrokerageAccount
    of_account = sa.select(B).where(B.environment == where, B.alpaca_id == event.alpaca_id).with_for_update()
    with transaction() as session:
        row, now = session.execute(of_account).scalar_one_or_none(), database_time()
        if row is None:
            return
        row.next_at = now
        if event.status is None or event.at is None or event.status == row.status or event.at <= row.status_at:
            return
        row_id, old = row.id, row.status
        row.status, row.status_at = event.status, min(event.at, now)
        announce(session)
    _tell_of_move(row_id, old, event.status)


def take_back(row_id: int, sent_at: datetime, sent_before: datetime | None, reason: str) -> bool:
    """Undo the attempt of `sent_at`, which opened nothing; one that may have been sent before is kept as not opened.

    False when the row is no longer this attempt's: a later one has it, or has opened the account.
    """
    with transaction() as session:
        row = session.execute(_locked(row_id)).scalar_one_or_none()
        if row is None:
            return True
        if row.alpaca_id is not None or row.sent_at != sent_at:
            return False
        if sent_before is None:
            session.delete(row)
            return True
        _set_not_opened(row, reason, database_time())
        row.sent_at = sent_before  # this one left no trace, so the next try need not wait
        return True


def take_turn(row_id: int, name: str, sent_before: datetime) -> datetime | None:
    """Reserve the right to send an application once more, now; None when one is under way, or was sent just now.

    Whoever comes with an older `sent_before` has looked too early to know that nothing has arrived. Raises Conflict
    when the attempt that was under way has come to nothing meanwhile.
    """
    with transaction() as session:
        row, now = session.execute(_locked(row_id)).scalar_one_or_none(), database_time()
        if row is None:
            raise Conflict("Another sign-up with this e-mail has just failed, and nothing was opened; sign up again.")
        if row.alpaca_id is not None or row.sent_at != sent_before or now - sent_before < SURE_AFTER:
            return None
        row.name, row.reason = name, None
        row.status, row.status_at = OwnStatus.OPENING, now
        row.sent_at, row.next_at, row.lookups = now, now + LOOK_AFTER, 0
        return now


def note_absence(row_id: int, sent_at: datetime | None) -> None:
    """Count that Alpaca knew no account; after some times, and long enough, it was surely not opened."""
    with transaction() as session:
        row, now = session.execute(_locked(row_id)).scalar_one_or_none(), database_time()
        if row is None or row.status != OwnStatus.OPENING or row.sent_at != sent_at:
            return  # taken back, stored, or sent again, meanwhile
        row.lookups += 1
        if row.lookups < SURE_LOOKUPS or (sent_at is not None and now - sent_at < SURE_AFTER):
            return
        _set_not_opened(row, "The application never reached Alpaca.", now)
    logger.warning("brokerage account %s: never reached Alpaca, not opened", row_id)


def note_stranger(row_id: int, sent_at: datetime) -> None:
    """Note that the account of this e-mail is somebody else's, unless a later attempt has the row."""
    with transaction() as session:
        row = session.execute(_locked(row_id)).scalar_one_or_none()
        if row is None or row.alpaca_id is not None or row.sent_at != sent_at:
            return
        _set_not_opened(row, "This e-mail is registered at Alpaca already.", database_time())
    logger.warning("brokerage account %s: its e-mail has an older account at Alpaca, not opened", row_id)


def note_unreadable(row_id: int, trouble: str) -> None:
    """Note that an account cannot be read, alone among others; what is known of it stays, and it is told once."""
    with transaction() as session:
        row, now = session.execute(_locked(row_id)).scalar_one_or_none(), database_time()
        if row is None or row.status in ENDED:
            return
        if row.alpaca_id is not None:
            row.next_at = now + SETTLED_EVERY
        is_new, row.reason = row.reason != trouble, trouble
    if is_new:
        logger.warning("brokerage account %s: cannot be read: %s", row_id, trouble)


def _locked(row_id: int) -> sa.Select[BrokerageAccount]:
    return sa.select(BrokerageAccount).where(BrokerageAccount.id == row_id).with_for_update()


def _tell_of_move(row_id: int, old: str, new: str) -> None:
    if old != new:
        logger.info("brokerage account %s: %s -> %s", row_id, old, new)


def _set_not_opened(row: BrokerageAccount, reason: str, now: datetime) -> None:
    row.status, row.status_at, row.reason = OwnStatus.NOT_OPENED, now, reason
