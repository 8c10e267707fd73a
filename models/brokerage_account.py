"""Accounts that people have opened at a brokerage through the desk."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import ExactDecimal, Model, UtcDateTime, utc_now
from models.order import BigId
from models.user import User


class BrokerageAccount(Model):
    """One account, or the attempt to open it: the row is there, with its e-mail taken, before the brokerage is asked.

    Neither a password nor a tax id is kept.
    """

    __tablename__ = "brokerage_accounts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alpaca_id: Mapped[str | None] = mapped_column(sa.String(36), unique=True)  # None until Alpaca has answered
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    environment: Mapped[str] = mapped_column(sa.String(16))
    name: Mapped[str] = mapped_column(sa.String(128))
    email: Mapped[str] = mapped_column(sa.String(254))  # in lower case
    status: Mapped[str] = mapped_column(sa.String(32))  # Alpaca's word, or one of domain.account_opening.status
    reason: Mapped[str | None] = mapped_column(sa.String(500))
    account_number: Mapped[str | None] = mapped_column(sa.String(64))
    equity: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    created_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # at Alpaca
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    status_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())  # of when the status is known
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when Alpaca was last asked to open it
    lookups: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())  # when to look at Alpaca again

    __table_args__ = (
        sa.UniqueConstraint("environment", "email"),  # who has tried it on the sandbox may open a real one
        sa.Index(None, "next_at"),
        {"sqlite_autoincrement": True},
    )
