"""Passphrases that alerts may carry."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model, UtcDateTime, utc_now


class WebhookSecret(Model):
    """The SHA-256 of one passphrase; several may be valid at once while alerts are changed over."""

    __tablename__ = "webhook_secrets"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own form
