"""What the desk holds and what it has earned, as its fills add up."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import ExactDecimal, Model, UtcDateTime, utc_now

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Position(Model):
    """A holding of one symbol in the book of one stock or pair; changes with each fill, in the same transaction.

    So it does with each fee that is kept of a coin.
    Quantity is signed, negative = short. A symbol that is traded singly and as a leg has a row for each.
    """

    __tablename__ = "positions"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(129), primary_key=True)
    symbol: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))
    average_price: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))
    realised: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))  # before commission
    commission: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())


class DailyResult(Model):
    """What the fills of one day (UTC, as `YYYY-MM-DD`) earned in one book."""

    __tablename__ = "daily_results"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True)
    day: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(129), primary_key=True)
    symbol: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    realised: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))
    commission: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))
    traded: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))  # shares


class CoinFee(Model):
    """What a broker has kept of a coin as its fee, out of the book of one stock or pair; inserted once, never changed.

    Known by what the account holds less than the fills add up to; `price` is what it was valued at, the book's average.
    """

    __tablename__ = "coin_fees"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"))
    name: Mapped[str] = mapped_column(sa.String(129))
    symbol: Mapped[str] = mapped_column(sa.String(64))
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    price: Mapped[Decimal] = mapped_column(ExactDecimal)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    __table_args__ = (sa.Index(None, "account_id", "symbol", "at"), {"sqlite_autoincrement": True})
