"""The one door to a signal's status: each move is legal, on record in the same commit, announced, and logged once."""

from __future__ import annotations

import logging

from sqlalchemy.orm import Session

from domain.order_status import SignalStatus, check_signal_transition
from extensions import announce
from models import Signal, SignalEvent
from services.batch_writes import add_record

logger = logging.getLogger(__name__)


def move_signal(
    session: Session,
    signal: Signal,
    status: SignalStatus,
    reason: str | None,
    actor: str,
    *,
    text: str | None = None,
    level: int | None = None,
) -> None:
    """Move a locked signal along the table of legal moves; raises IllegalTransition.

    `reason` says in a few words why it stands so, and `text` what a person should know, which is shown as its error.
    The log gets `level`, by default CRITICAL where a person is needed. A signal that stays where it is gets the new
    words only.
    """
    old = SignalStatus(signal.status)
    check_signal_transition(old, status)
    signal.status, signal.status_reason = status, reason and reason[:255]
    if text is not None:
        signal.error_text = text[:1000]
    elif old is SignalStatus.CRITICAL and status is not old:
        signal.error_text = None  # it spoke of what was still to be done
    announce(session)
    if status is old:
        return
    values = {
        "signal_id": signal.id,
        "from_status": old,
        "to_status": status,
        "reason": signal.status_reason,
        "actor": actor[:128],
    }
    add_record(session, SignalEvent, values)
    usual = logging.CRITICAL if status is SignalStatus.CRITICAL else logging.INFO
    logger.log(level or usual, "signal %s: %s -> %s%s", signal.id, old, status, f", {reason}" if reason else "")
