"""People who may log in."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from domain.enums import Role
from extensions import Model, UtcDateTime, utc_now


class User(Model):
    """A log-in with its role; tokens and sessions of an earlier `epoch` are dead."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(sa.String(255))
    role: Mapped[str] = mapped_column(sa.String(16), default=Role.USER)
    epoch: Mapped[int] = mapped_column(default=1)  # rises when the password or role changes
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    __table_args__ = (
        sa.CheckConstraint("role in ('admin', 'user')", name="role"),
        {"sqlite_autoincrement": True},
    )

    @property
    def is_admin(self) -> bool:
        """Return True if this user has the admin role."""
        return self.role == Role.ADMIN
