"""Counters: what is counted but never stored, and the windows of the rate limits."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model, UtcDateTime


class Counter(Model):
    """How often something happened on a day (UTC), e.g. alerts refused for a wrong passphrase."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    day: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    count: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RateLimit(Model):
    """One window of one rate limit, shared by all processes; `expires` in seconds since 1970."""

    __tablename__ = "rate_limits"

    key: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    hits: Mapped[int] = mapped_column(sa.BigInteger)
    expires: Mapped[float] = mapped_column(sa.Double, index=True)
