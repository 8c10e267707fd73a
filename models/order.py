"""Orders, their fills, and the record of every move."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from domain.enums import Purpose
from domain.order_status import OrderStatus
from extensions import ExactDecimal, Model, UtcDateTime, utc_now

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_IN_FLIGHT = sa.text("status in ('CLAIMED', 'SENDING', 'UNKNOWN')")
_PENDING = sa.text("status in ('QUEUED', 'CLAIMED', 'SENDING', 'UNKNOWN', 'MANUAL')")
_OPEN = sa.text(
    "status in ('QUEUED', 'CLAIMED', 'SENDING', 'UNKNOWN', 'MANUAL', 'ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')"
)
_WORKING = sa.text("status in ('ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')")
_UNUSUAL = sa.text("purpose <> 'signal'")

# In queries the same words with the table's name, so that they match the partial indexes and stay clear in joins.
IN_FLIGHT = sa.text(f"orders.{_IN_FLIGHT.text}")
PENDING = sa.text(f"orders.{_PENDING.text}")
WORKING = sa.text(f"orders.{_WORKING.text}")
OPEN = sa.text(f"orders.{_OPEN.text}")
UNUSUAL = sa.text(f"orders.{_UNUSUAL.text}")


class Order(Model):
    """One leg's order. The client order id is stored before the broker hears of it and never changes."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    signal_id: Mapped[int | None] = mapped_column(sa.ForeignKey("signals.id", ondelete="SET NULL"))
    leg: Mapped[int]
    generation: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(
        sa.String(129), server_default=sa.text("''")
    )  # the stock or pair whose book its fills go to
    purpose: Mapped[str] = mapped_column(sa.String(12), default=Purpose.SIGNAL, server_default=Purpose.SIGNAL)
    is_exit: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # reduces or closes a position
    closes: Mapped[Decimal] = mapped_column(
        ExactDecimal, default=Decimal(0), server_default="0"
    )  # so many shares of it are to close what is held
    attached: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false()
    )  # the broker sizes it by the fills of leg 1
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"))
    symbol: Mapped[str] = mapped_column(sa.String(64))
    asset_class: Mapped[str] = mapped_column(sa.String(16))
    currency: Mapped[str] = mapped_column(sa.String(8))
    side: Mapped[str] = mapped_column(sa.String(4))
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    order_type: Mapped[str] = mapped_column(sa.String(16))
    time_in_force: Mapped[str] = mapped_column(sa.String(8))
    limit_price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    stop_price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    trail_percent: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    trail_price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    extended_hours: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    client_order_id: Mapped[str] = mapped_column(sa.String(36), unique=True)
    broker_order_id: Mapped[str | None] = mapped_column(sa.String(64))
    status: Mapped[str] = mapped_column(sa.String(20), default=OrderStatus.QUEUED)
    reason: Mapped[str | None] = mapped_column(sa.String(500))
    filled_quantity: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0))
    average_price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    not_after: Mapped[datetime | None] = mapped_column(UtcDateTime)  # never sent later than this
    next_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())  # next try, or next look-up
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    send_attempts: Mapped[int] = mapped_column(default=0)
    lookups: Mapped[int] = mapped_column(default=0)
    moves: Mapped[int] = mapped_column(default=0)  # events on record; the next one's number
    lease_owner: Mapped[str | None] = mapped_column(sa.String(128))
    lease_epoch: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # asked for, whatever the broker says
    cancel_reason: Mapped[str | None] = mapped_column(sa.String(500))
    cancel_tries: Mapped[int] = mapped_column(default=0, server_default="0")

    fills: Mapped[list["Fill"]] = relationship(order_by="Fill.id", lazy="select", viewonly=True)

    __table_args__ = (
        sa.UniqueConstraint("signal_id", "leg", "generation"),
        sa.UniqueConstraint("account_id", "broker_order_id"),
        sa.CheckConstraint(
            "cast(quantity as numeric) > 0 and cast(quantity as numeric) < 1000000000000", name="quantity"
        ),
        # The database itself refuses a second order in flight for one account and symbol.
        sa.Index(
            "uq_orders_in_flight",
            "account_id",
            "symbol",
            unique=True,
            sqlite_where=_IN_FLIGHT,
            postgresql_where=_IN_FLIGHT,
        ),
        sa.Index("ix_orders_pending", "account_id", "symbol", "id", sqlite_where=_PENDING, postgresql_where=_PENDING),
        sa.Index("ix_orders_working", "account_id", "id", sqlite_where=_WORKING, postgresql_where=_WORKING),
        sa.Index("ix_orders_open", "account_id", "name", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        # Each list is one walk along one index, newest first, however long the history is.
        sa.Index(None, "symbol", "id"),
        sa.Index(None, "name", "id"),
        sa.Index(None, "status", "id"),
        sa.Index(None, "account_id", "id"),
        sa.Index(None, "created_at", "id"),
        sa.Index("ix_orders_unusual", "purpose", "id", sqlite_where=_UNUSUAL, postgresql_where=_UNUSUAL),
        {"sqlite_autoincrement": True},
    )


class OrderEvent(Model):
    """One move of one order: from where, to where, why, by whom. Written with the move, never changed."""

    __tablename__ = "order_events"

    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    from_status: Mapped[str | None] = mapped_column(sa.String(20))
    to_status: Mapped[str] = mapped_column(sa.String(20))
    cause: Mapped[str] = mapped_column(sa.String(500))
    actor: Mapped[str] = mapped_column(sa.String(128))
    epoch: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    order: Mapped[Order] = relationship(viewonly=True)

    __table_args__ = (sa.Index(None, "at", "order_id", "seq"),)


class Fill(Model):
    """One execution at the broker: a fact, inserted once and never changed."""

    __tablename__ = "fills"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("broker_accounts.id"))
    execution_id: Mapped[str] = mapped_column(sa.String(128))
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    price: Mapped[Decimal] = mapped_column(ExactDecimal)
    commission: Mapped[Decimal] = mapped_column(ExactDecimal)
    synthetic: Mapped[bool] = mapped_column(default=False)
    # What this fill has realised, before commission.
    realised: Mapped[Decimal] = mapped_column(ExactDecimal, default=Decimal(0), server_default="0")
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    order: Mapped[Order] = relationship(viewonly=True)

    __table_args__ = (
        sa.UniqueConstraint("account_id", "execution_id"),
        sa.Index(None, "at", "id"),
        sa.Index(None, "account_id", "at", "id"),
        {"sqlite_autoincrement": True},
    )
