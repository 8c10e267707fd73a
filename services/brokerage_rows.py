"""What is written of an account at the brokerage, each in one short transaction."""

from __future__ import annotations

import logging
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from domain.brokerage import (
    FINAL,
    LOOK_AFTER,
    SETTLED_EVERY,
    SURE_AFTER,
    SURE_LOOKUPS,
    BrokerageReport,
    OwnStatus,
    pause,
)
from domain.errors import Conflict
from extensions import announce, database_time, transaction
from models import BrokerageAccount

logger = logging.getLogger(__name__)


def store(row_id: int, report: BrokerageReport) -> bool:
    """Write down what Alpaca says of an account; False when another row has that account already, or this is gone."""
    try:
        with transaction() as session:
            row, now = session.execute(_locked(row_id)).scalar_one_or_none(), database_time()
            if row is None:
                logger.critical("brokerage account %s: Alpaca's account %s has no row", row_id, report.alpaca_id)
                return False
            old = row.status
            row.alpaca_id = report.alpaca_id
            row.account_number = report.account_number or row.account_number
            row.created_at = report.created_at or row.created_at
            row.equity = row.equity if report.equity is None else report.equity
            row.reason = report.reason
            if old != report.status:
                row.status, row.status_at = report.status, now
                announce(session)
            row.next_at = now + pause(report.status, now - row.requested_at)
    except IntegrityError:
        logger.error("brokerage account %s: Alpaca's account %s has a row already", row_id, report.alpaca_id)
        return False
    if old != report.status:
        logger.info("brokerage account %s: %s -> %s", row_id, old, report.status)
    return True


def take_back(row_id: int, sent_at: datetime, sent_before: datetime | None, reason: str) -> bool:
    """Undo the attempt of `sent_at`, of which nothing came; one that may have been sent before is kept as not opened.

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
        if row is None or row.status in FINAL:
            return
        if row.alpaca_id is not None:
            row.next_at = now + SETTLED_EVERY
        is_new, row.reason = row.reason != trouble, trouble
    if is_new:
        logger.warning("brokerage account %s: cannot be read: %s", row_id, trouble)


def _locked(row_id: int) -> sa.Select[BrokerageAccount]:
    return sa.select(BrokerageAccount).where(BrokerageAccount.id == row_id).with_for_update()


def _set_not_opened(row: BrokerageAccount, reason: str, now: datetime) -> None:
    row.status, row.status_at, row.reason = OwnStatus.NOT_OPENED, now, reason
