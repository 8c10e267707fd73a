"""What the brokers say of themselves, as last heard: money, assets, quotes, and what does not agree with our book."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import ExactDecimal, Model, UtcDateTime, utc_now

_WORKING = sa.text("status in ('ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')")
FOREIGN_WORKING = sa.text(f"foreign_orders.{_WORKING.text}")


class AccountState(Model):
    """An account at its broker. `heard_at` is when the money was asked for, `reconciled_at` when all was compared."""

    __tablename__ = "account_states"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True, autoincrement=False)
    cash: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    currency: Mapped[str | None] = mapped_column(sa.String(8))
    buying_power: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    equity: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    cash_power: Mapped[Decimal | None] = mapped_column(ExactDecimal)  # for what is not bought on margin
    may_short: Mapped[bool | None]
    coins_blocked: Mapped[str | None] = mapped_column(sa.String(255))
    blocked: Mapped[str | None] = mapped_column(sa.String(255))
    is_open: Mapped[bool | None]
    opens_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closes_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_overnight: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    heard_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    polled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # one worker at a time polls
    synced_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # changes at the broker before it are booked
    reconciled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    trouble: Mapped[str | None] = mapped_column(sa.String(255))  # why the broker cannot be read now
    # The broker's push stream, where it has one: when it was last heard from, and why it is silent.
    stream_heard_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stream_trouble: Mapped[str | None] = mapped_column(sa.String(255))
    stream_owner: Mapped[str | None] = mapped_column(sa.String(128))  # the one worker that listens
    stream_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # its lease


class AssetState(Model):
    """What may be done with a symbol at an account's broker; a symbol the broker does not know is not tradable."""

    __tablename__ = "asset_states"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    tradable: Mapped[bool]
    shortable: Mapped[bool]
    quantity_step: Mapped[Decimal] = mapped_column(ExactDecimal)
    short_step: Mapped[Decimal | None] = mapped_column(ExactDecimal)  # of short sales; None = as all others
    always_open: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    asset_class: Mapped[str | None] = mapped_column(sa.String(16))  # as the broker says; None = as registered
    price_step: Mapped[Decimal | None] = mapped_column(ExactDecimal)  # None, here and below: as all of its class
    least_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    least_quantity: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    extended_fractions: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    overnight: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    not_bought: Mapped[str | None] = mapped_column(sa.String(255))  # why nothing is opened by a buy
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())


class Quote(Model):
    """The last quote of a symbol at an account's broker; `at` is the quote's own time."""

    __tablename__ = "quotes"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    bid: Mapped[Decimal] = mapped_column(ExactDecimal)
    ask: Mapped[Decimal] = mapped_column(ExactDecimal)
    source: Mapped[str] = mapped_column(sa.String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    heard_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())


class ForeignOrder(Model):
    """An order at the broker that is not ours: somebody placed it by hand or by another program. Left alone."""

    __tablename__ = "foreign_orders"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True)
    broker_order_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    client_order_id: Mapped[str | None] = mapped_column(sa.String(128))
    symbol: Mapped[str] = mapped_column(sa.String(64))
    side: Mapped[str] = mapped_column(sa.String(4))
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    filled_quantity: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))
    status: Mapped[str] = mapped_column(sa.String(20))
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    __table_args__ = (
        sa.Index("ix_foreign_orders_working", "seen_at", sqlite_where=_WORKING, postgresql_where=_WORKING),
        sa.Index(None, "seen_at"),
    )


class PositionDifference(Model):
    """A symbol of which the broker holds another quantity than our fills add up to; gone once they agree."""

    __tablename__ = "position_differences"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    ours: Mapped[Decimal] = mapped_column(ExactDecimal)
    theirs: Mapped[Decimal] = mapped_column(ExactDecimal)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
