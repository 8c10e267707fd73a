"""Signals: what the alerts asked for and what became of it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from domain.order_status import SignalStatus
from extensions import ExactDecimal, Json, Model, UtcDateTime, utc_now
from models.order import Order
from models.registry import BrokerAccount

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_WAITING = sa.text("status in ('waiting', 'rerouted')")
_UNBALANCED = sa.text("unbalanced_at is not null")
_SLIPPED = sa.text("slip is not null")

WAITING = sa.text(f"signals.{_WAITING.text}")  # for queries: matches the partial index and stays clear in joins
UNBALANCED = sa.text(f"signals.{_UNBALANCED.text}")
SLIPPED = sa.text(f"signals.{_SLIPPED.text}")


class Signal(Model):
    """One accepted alert. Quantities in shares of leg 1, prices per share or per unit of spread."""

    __tablename__ = "signals"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    alert_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the time that the alert itself states

    # Which event this is: a repeat finds the same source and key.
    source: Mapped[str] = mapped_column(sa.String(32))
    dedupe_key: Mapped[str] = mapped_column(sa.String(160))
    weak_key: Mapped[bool] = mapped_column(default=False)
    body_sha256: Mapped[str] = mapped_column(sa.String(64))
    seen_count: Mapped[int] = mapped_column(default=1)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    # What the alert says.
    ticker: Mapped[str] = mapped_column(sa.String(128))
    side: Mapped[str] = mapped_column(sa.String(4))
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    position: Mapped[str | None] = mapped_column(sa.String(8))
    position_size: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    previous_position: Mapped[str | None] = mapped_column(sa.String(8))
    previous_position_size: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    comment: Mapped[str | None] = mapped_column(sa.String(128))
    strategy: Mapped[str | None] = mapped_column(sa.String(128))
    bar_time: Mapped[str | None] = mapped_column(sa.String(128))
    lifetime: Mapped[int | None]  # seconds; None = as the desk is set
    when_closed: Mapped[str | None] = mapped_column(sa.String(8))  # None = as the desk is set
    order_terms: Mapped[dict[str, str] | None] = mapped_column(Json)  # prices and sizes of its own, by name

    # What the desk makes of it. `name` is the instrument's symbol or the pair's name: the lane in which signals queue.
    ticker_type: Mapped[str | None] = mapped_column(sa.String(8))
    name: Mapped[str | None] = mapped_column(sa.String(129))
    symbol1: Mapped[str | None] = mapped_column(sa.String(64))
    symbol2: Mapped[str | None] = mapped_column(sa.String(64))
    hedge_ratio: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    account_id: Mapped[int | None]  # no foreign key: every alert would lock the same account's row
    external: Mapped[bool] = mapped_column(default=False)  # left to an executor of the user's own

    # How its lane stands to it. A waiting signal is looked at again at `look_at`, or as soon as its lane has changed.
    kind: Mapped[str | None] = mapped_column(sa.String(10))  # entry, exit or reversal
    aimed_at: Mapped[Decimal | None] = mapped_column(ExactDecimal)  # the position wanted, fixed when it first waited
    look_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    left_out: Mapped[str | None] = mapped_column(sa.String(255))  # what was not opened, and why

    # How it was planned. The quantities are what the legs should come to, by the policy in force at that moment.
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the market opens then
    leg_policy: Mapped[str | None] = mapped_column(sa.String(12))
    on_leg_failure: Mapped[str | None] = mapped_column(sa.String(12))
    leg_timeout: Mapped[int | None]  # seconds
    lead_leg: Mapped[int | None]  # the leg that goes first, where one does
    leg_quantity1: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    leg_quantity2: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    leg_step1: Mapped[Decimal | None] = mapped_column(ExactDecimal)  # the smallest part of a share that is traded
    leg_step2: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    # So much of a leg closes a position of the other direction, by an order of its own; None = all by one order.
    leg_closes1: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    leg_closes2: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    unbalanced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # since when the legs do not balance

    # What became of it.
    status: Mapped[str] = mapped_column(sa.String(16), default=SignalStatus.WAITING)
    status_reason: Mapped[str | None] = mapped_column(sa.String(255))
    error_text: Mapped[str | None] = mapped_column(sa.String(1000))
    trace: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    order_id1: Mapped[str | None] = mapped_column(sa.String(64))
    order_id2: Mapped[str | None] = mapped_column(sa.String(64))
    leg_price1: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    leg_price2: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    filled_quantity: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    fill_price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    slip: Mapped[Decimal | None] = mapped_column(ExactDecimal)

    account: Mapped[BrokerAccount | None] = relationship(
        primaryjoin=lambda: foreign(Signal.account_id) == BrokerAccount.id, lazy="joined", viewonly=True
    )
    orders: Mapped[list[Order]] = relationship(order_by=Order.id, lazy="select", viewonly=True)

    __table_args__ = (
        sa.UniqueConstraint("source", "dedupe_key"),
        sa.CheckConstraint("side in ('buy', 'sell')", name="side"),
        sa.CheckConstraint(
            "cast(quantity as numeric) > 0 and cast(quantity as numeric) < 1000000000000", name="quantity"
        ),
        # Each list is one walk along one index, newest first, however long the history is.
        sa.Index(None, "received_at", "id"),
        sa.Index(None, "status", "received_at", "id"),
        sa.Index(None, "name", "received_at", "id"),
        sa.Index(None, "name", "status", "received_at", "id"),
        sa.Index("ix_signals_waiting", "external", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        sa.Index("ix_signals_lane", "account_id", "name", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        sa.Index(
            "ix_signals_order_id1",
            "order_id1",
            "id",
            sqlite_where=sa.text("order_id1 is not null"),
            postgresql_where=sa.text("order_id1 is not null"),
        ),
        sa.Index(
            "ix_signals_order_id2",
            "order_id2",
            "id",
            sqlite_where=sa.text("order_id2 is not null"),
            postgresql_where=sa.text("order_id2 is not null"),
        ),
        # Signals whose legs wait for each other, or for a person; few, and asked for all the time.
        sa.Index("ix_signals_unbalanced", "unbalanced_at", sqlite_where=_UNBALANCED, postgresql_where=_UNBALANCED),
        # What the fills slipped by, without a walk over what was never filled.
        sa.Index("ix_signals_slipped", "received_at", "id", sqlite_where=_SLIPPED, postgresql_where=_SLIPPED),
        sa.Index(
            "ix_signals_slipped_name", "name", "received_at", "id", sqlite_where=_SLIPPED, postgresql_where=_SLIPPED
        ),
        {"sqlite_autoincrement": True},
    )
