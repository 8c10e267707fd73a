"""Deliveries to the webhook that were refused: the last ones with what was wrong, and how many there were."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model, UtcDateTime, utc_now
from models.order import BigId


class RefusedDelivery(Model):
    """One delivery that was refused, its body cut and without secrets; old ones go when there are many."""

    __tablename__ = "refused_deliveries"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    address: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[int] = mapped_column(sa.SmallInteger)
    reason: Mapped[str] = mapped_column(sa.String(300))
    body: Mapped[str] = mapped_column(sa.String(600))
    known: Mapped[bool] = mapped_column(sa.Boolean)  # it came with a passphrase in force

    __table_args__ = (
        sa.Index("ix_refused_deliveries_known_id", "known", "id"),
        {"sqlite_autoincrement": True},
    )


class RefusedCount(Model):
    """How many deliveries were answered with a status on a day (UTC), those included of which nothing else is kept."""

    __tablename__ = "refused_counts"

    day: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    status: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(sa.BigInteger, default=0)
