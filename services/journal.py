"""The record of what people do to the desk by hand."""

from __future__ import annotations

import logging

from sqlalchemy.orm import Session

from models import JournalEntry

logger = logging.getLogger(__name__)


def record(session: Session, actor: str, action: str, subject: str, text: str, *, level: int = logging.WARNING) -> None:
    """Put on record, in the commit of the deed itself, who did what to what, and why."""
    session.add(JournalEntry(actor=actor[:128], action=action, subject=subject[:160], text=text[:1000]))
    logger.log(level, "%s: %s %s, %s", actor, action, subject, text)
