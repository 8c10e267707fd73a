"""What a user's own executor tells of the account that it trades: positions, and the account's history."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import ExactDecimal, Model, UtcDateTime, utc_now
from models.order import BigId


class ToldPosition(Model):
    """What the account holds of a symbol at the executor's broker, as last told; quantity signed, negative = short."""

    __tablename__ = "told_positions"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    average_cost: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    unrealised: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    told_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())


class AccountRecord(Model):
    """The money of an account at one moment, as its executor told it; None = not told."""

    __tablename__ = "account_history"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    available_funds: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    buying_power: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    position_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    maintenance_margin: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    equity: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    day_result: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    realised: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    unrealised: Mapped[Decimal | None] = mapped_column(ExactDecimal)

    __table_args__ = ({"sqlite_autoincrement": True},)
