"""The record of what a signal has gone through."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model, UtcDateTime, utc_now

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class SignalEvent(Model):
    """One move of one signal: from where, to where, why, by whom. Written with the move, never changed.

    How it came to wait is no move: its own row says so.
    """

    __tablename__ = "signal_events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    signal_id: Mapped[int] = mapped_column(sa.ForeignKey("signals.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    from_status: Mapped[str | None] = mapped_column(sa.String(16))
    to_status: Mapped[str] = mapped_column(sa.String(16))
    reason: Mapped[str | None] = mapped_column(sa.String(255))
    actor: Mapped[str] = mapped_column(sa.String(128))

    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - SQLAlchemy's own form
    __table_args__ = (
        sa.Index(None, "signal_id", "id"),
        sa.Index(None, "at", "id"),
        {"sqlite_autoincrement": True},
    )
