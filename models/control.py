"""How people steer the desk: limits of the checks, stops, and the journal of what was done by hand."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import ExactDecimal, Model, UtcDateTime, utc_now
from models.order import BigId

_IN_FORCE = sa.text("released_at is null")
IN_FORCE = sa.text(f"stops.{_IN_FORCE.text}")


class CheckRule(Model):
    """What one check does in one scope; what is None is left to the wider scope."""

    __tablename__ = "check_rules"

    scope: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    scope_name: Mapped[str] = mapped_column(sa.String(129), primary_key=True)  # empty for the whole desk
    check_name: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    mode: Mapped[str | None] = mapped_column(sa.String(8))
    limit_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    choice: Mapped[str | None] = mapped_column(sa.String(16))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    changed_by: Mapped[str] = mapped_column(sa.String(128))


class Stop(Model):
    """A stop that a person has set; in force until a person releases it."""

    __tablename__ = "stops"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    level: Mapped[str] = mapped_column(sa.String(8))
    scope: Mapped[str] = mapped_column(sa.String(8))
    scope_name: Mapped[str] = mapped_column(sa.String(129), default="")
    reason: Mapped[str] = mapped_column(sa.String(255))
    actor: Mapped[str] = mapped_column(sa.String(128))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # nothing in its scope is left to cancel or close
    progress: Mapped[str | None] = mapped_column(sa.String(1000))
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_by: Mapped[str | None] = mapped_column(sa.String(128))
    release_reason: Mapped[str | None] = mapped_column(sa.String(255))

    __table_args__ = (
        sa.CheckConstraint("level in ('entries', 'cancel', 'flatten')", name="level"),
        sa.CheckConstraint("scope in ('desk', 'account', 'stock', 'pair')", name="scope"),
        sa.Index("ix_stops_in_force", "id", sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
        {"sqlite_autoincrement": True},
    )


class JournalEntry(Model):
    """One thing that a person did to the desk: a stop, a limit, a cancel, a healing order. Never changed."""

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    actor: Mapped[str] = mapped_column(sa.String(128))
    action: Mapped[str] = mapped_column(sa.String(32))
    subject: Mapped[str] = mapped_column(sa.String(160))
    text: Mapped[str] = mapped_column(sa.String(1000))

    __table_args__ = ({"sqlite_autoincrement": True},)
