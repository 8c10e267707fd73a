"""Passphrases of the webhook: which are in force, and what happens to wrong ones."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from config import check_passphrase
from domain.errors import NotAuthenticated, TooMany
from extensions import insert_or_update, transaction, utc_now
from models import Counter, WebhookSecret
from services.catalog import snapshots
from services.identity import throttle

logger = logging.getLogger(__name__)

REFUSED = "webhook.wrong_passphrase"


def require_passphrase(passphrase: str, address: str, *, remembered: bool = False) -> None:
    """Return when the passphrase is in force; raises NotAuthenticated, or TooMany after many wrong ones.

    A right one always passes, whatever its address did before: all TradingView users share four addresses.
    With `remembered`, one that this process remembers will do for now; who stores something asks again then.
    """
    if remembered and snapshots.snapshot().accepts(passphrase):
        return
    if snapshots.snapshot(fresh=True).accepts(passphrase):
        return
    _count_refusal()
    if not throttle.count_failure(throttle.PASSPHRASE_FAILURES_PER_ADDRESS, f"passphrase:{address}"):
        raise TooMany("Too many wrong passphrases; try again later.", 60)
    logger.warning("alert from %s refused: wrong passphrase", address)
    raise NotAuthenticated("incorrect passphrase.", "wrong_passphrase")


def set_passphrase(passphrase: str, keep_others_for: timedelta | None = None) -> None:
    """Put a passphrase in force; the others end now, or after `keep_others_for`. Raises ConfigError if too easy."""
    with transaction() as session:
        snapshots.bump_version(session)
        put_in_force(session, passphrase, datetime.now(UTC) + (keep_others_for or timedelta(0)))


def put_in_force(session: Session, passphrase: str, others_end: datetime) -> None:
    """Put a passphrase in force within a change of the registry. Raises ConfigError if too easy."""
    check_passphrase(passphrase)
    digest = hashlib.sha256(passphrase.encode()).hexdigest()
    lasting = WebhookSecret.expires_at.is_(None) | (WebhookSecret.expires_at > others_end)
    session.execute(sa.delete(WebhookSecret).where(WebhookSecret.expires_at <= utc_now()))
    session.execute(sa.update(WebhookSecret).where(lasting).values(expires_at=others_end))
    known = session.execute(sa.select(WebhookSecret).where(WebhookSecret.sha256 == digest)).scalar_one_or_none()
    if known is None:
        session.add(WebhookSecret(sha256=digest))
    else:
        known.expires_at = None
    logger.info("webhook passphrase changed; older ones end at %s", others_end.isoformat(timespec="seconds"))


def add_passphrase(passphrase: str, valid_for: timedelta) -> None:
    """Put a passphrase in force for a time, beside the others. Raises ConfigError if too easy."""
    check_passphrase(passphrase)
    digest = hashlib.sha256(passphrase.encode()).hexdigest()
    end = datetime.now(UTC) + valid_for
    with transaction() as session:
        snapshots.bump_version(session)
        session.execute(sa.delete(WebhookSecret).where(WebhookSecret.expires_at <= utc_now()))
        known = session.execute(sa.select(WebhookSecret).where(WebhookSecret.sha256 == digest)).scalar_one_or_none()
        if known is None:
            session.add(WebhookSecret(sha256=digest, expires_at=end))
        elif known.expires_at is not None:  # one without an end stays so
            known.expires_at = max(known.expires_at, end)
    logger.info("webhook passphrase added until %s", end.isoformat(timespec="seconds"))


def _count_refusal() -> None:
    now = datetime.now(UTC)
    row = insert_or_update(Counter).values(name=REFUSED, day=now.date().isoformat(), count=1, last_at=now)
    upsert = row.on_conflict_do_update(
        index_elements=[Counter.name, Counter.day], set_={"count": Counter.count + 1, "last_at": now}
    )
    with transaction() as session:
        session.execute(upsert)
