"""Rate limits that all processes share, kept in the desk's database."""

from __future__ import annotations

import hashlib
import time

import sqlalchemy as sa
from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from domain.errors import TooMany
from extensions import db, insert_or_update, transaction
from models import RateLimit


class SqlStorage(Storage):
    """Counts of fixed windows in table `rate_limits`; one statement a hit, so no hit is lost between processes."""

    STORAGE_SCHEME = ["desk"]  # noqa: RUF012 - the base class wants a list

    @property
    def base_exceptions(self) -> type[Exception]:
        """Return the errors that mean 'storage away'."""
        return sa.exc.SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a window of `expiry` seconds and return its count."""
        now = time.time()
        over = RateLimit.expires <= now
        upsert = (
            insert_or_update(RateLimit)
            .values(key=_short(key), hits=amount, expires=now + expiry)
            .on_conflict_do_update(
                index_elements=[RateLimit.key],
                set_={
                    "hits": sa.case((over, amount), else_=RateLimit.hits + amount),
                    "expires": sa.case((over, now + expiry), else_=RateLimit.expires),
                },
            )
        )
        with transaction() as session:
            hits: int = session.execute(upsert.returning(RateLimit.hits)).scalar_one()
        return hits

    def get(self, key: str) -> int:
        """Return the count of the window, 0 when it is over."""
        row = sa.select(RateLimit.hits).where(RateLimit.key == _short(key), RateLimit.expires > time.time())
        return db.session.execute(row).scalar() or 0

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, seconds since 1970."""
        row = sa.select(RateLimit.expires).where(RateLimit.key == _short(key))
        return db.session.execute(row).scalar() or time.time()

    def check(self) -> bool:
        """Return True: the database has its own health check."""
        return True

    def reset(self) -> int | None:
        """Forget all windows."""
        with transaction() as session:
            return len(session.execute(sa.delete(RateLimit).returning(RateLimit.key)).all())

    def clear(self, key: str) -> None:
        """Forget one window."""
        with transaction() as session:
            session.execute(sa.delete(RateLimit).where(RateLimit.key == _short(key)))


def _short(key: str) -> str:
    """Return a key of fixed length: names and addresses come from outside."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


_limiter = FixedWindowRateLimiter(SqlStorage())

LOGIN_FAILURES_PER_NAME = parse("10/5minutes")
LOGIN_FAILURES_PER_ADDRESS = parse("20/5minutes")
PASSPHRASE_FAILURES_PER_ADDRESS = parse("10/minute")
SIGN_UPS_PER_USER = parse("10/hour")


def check_failures(limit: RateLimitItem, who: str) -> None:
    """Raise TooMany when `who` has failed too often lately."""
    if not _limiter.test(limit, who):
        raise TooMany("Too many failed attempts; try again later.", _seconds_left(limit, who))


def count_failure(limit: RateLimitItem, who: str) -> bool:
    """Count one failure; False when that is more than the limit allows."""
    return _limiter.hit(limit, who)


def take_one(limit: RateLimitItem, who: str) -> None:
    """Count one try, whatever becomes of it; raises TooMany when that is more than the limit allows."""
    if not _limiter.hit(limit, who):
        raise TooMany("Too many requests of this kind; try again later.", _seconds_left(limit, who))


def _seconds_left(limit: RateLimitItem, who: str) -> int:
    reset_at, _ = _limiter.get_window_stats(limit, who)
    return max(1, int(reset_at - time.time()) + 1)


def forget_ended_windows() -> int:
    """Delete the windows that are over; returns how many."""
    with transaction() as session:
        return len(
            session.execute(sa.delete(RateLimit).where(RateLimit.expires <= time.time()).returning(RateLimit.key)).all()
        )
