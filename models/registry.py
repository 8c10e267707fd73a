"""What may be traded: accounts, stocks and pairs, under one version number."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from domain.enums import (
    Activity,
    AssetClass,
    Environment,
    FailurePolicy,
    LegPolicy,
    OrderType,
    Route,
    TimeInForce,
)
from extensions import ExactDecimal, Model, UtcDateTime, utc_now


class RegistryVersion(Model):
    """One row: which desk this is, and a number that rises with every change of
    accounts, stocks, pairs and passphrases.

    Web processes decide on alerts from memory; the insert of the signal asks for this number,
    so a decision made on old knowledge is never stored. `installation` is part of every client
    order id, so that two desks, or a desk set up anew, never share one at the same broker.
    """

    __tablename__ = "registry_version"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(sa.BigInteger)
    installation: Mapped[str] = mapped_column(sa.String(36))


class BrokerAccount(Model):
    """Where orders go. Route `external` leaves signals waiting for an executor of the user's own."""

    __tablename__ = "broker_accounts"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), unique=True)
    broker: Mapped[str] = mapped_column(sa.String(32))
    route: Mapped[str] = mapped_column(sa.String(16), default=Route.DESK)
    is_default: Mapped[bool] = mapped_column(default=False)
    environment: Mapped[str] = mapped_column(sa.String(16), default=Environment.PAPER, server_default=Environment.PAPER)
    live_enabled: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # the switch of live trading
    credentials: Mapped[str | None] = mapped_column(sa.Text)  # encrypted; None where the broker needs none
    key_hint: Mapped[str | None] = mapped_column(sa.String(16))  # the last characters of the key's name
    broker_number: Mapped[str | None] = mapped_column(sa.String(64))  # what the broker calls the account
    revision: Mapped[int] = mapped_column(default=1, server_default="1")  # rises with the keys; workers reconnect
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    __table_args__ = (
        sa.CheckConstraint("route in ('desk', 'external')", name="route"),
        sa.CheckConstraint("environment in ('paper', 'live', 'simulator')", name="environment"),
        sa.Index(
            "uq_broker_accounts_default",
            "is_default",
            unique=True,
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        ),
        {"sqlite_autoincrement": True},
    )

    @property
    def may_trade(self) -> bool:
        """Return True if orders may be sent: real money moves only after it was switched on."""
        return self.environment != Environment.LIVE or self.live_enabled


class Instrument(Model):
    """A stock, currency, coin or future that alerts may name."""

    __tablename__ = "instruments"

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    symbol: Mapped[str] = mapped_column(sa.String(64), unique=True)
    primary_exchange: Mapped[str] = mapped_column(sa.String(32), default="SMART")
    secondary_exchange: Mapped[str] = mapped_column(sa.String(32), default="ISLAND")
    activity: Mapped[str] = mapped_column(sa.String(16), default=Activity.PASSIVE)
    asset_class: Mapped[str] = mapped_column(sa.String(16), default=AssetClass.STOCK)
    currency: Mapped[str] = mapped_column(sa.String(8), default="USD")
    order_type: Mapped[str] = mapped_column(sa.String(16), default=OrderType.MARKET)
    time_in_force: Mapped[str] = mapped_column(sa.String(8), default=TimeInForce.DAY, server_default=TimeInForce.DAY)
    extended_hours: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("broker_accounts.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    account: Mapped[BrokerAccount | None] = relationship(lazy="joined")

    __table_args__ = (
        sa.CheckConstraint("activity in ('active', 'passive', 'watch')", name="activity"),
        sa.CheckConstraint(
            "time_in_force in ('DAY', 'GTC', 'OPG', 'CLS', 'IOC', 'FOK')",
            name="time_in_force",
        ),
        {"sqlite_autoincrement": True},
    )


class Pair(Model):
    """Two instruments traded as one: spread = price1 - hedge_ratio * price2."""

    __tablename__ = "pairs"

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(129), unique=True)
    leg1_id: Mapped[int] = mapped_column(sa.ForeignKey("instruments.id"), index=True)
    leg2_id: Mapped[int] = mapped_column(sa.ForeignKey("instruments.id"), index=True)
    hedge_ratio: Mapped[Decimal] = mapped_column(ExactDecimal)
    activity: Mapped[str] = mapped_column(sa.String(16), default=Activity.PASSIVE)
    notes: Mapped[str | None] = mapped_column(sa.String(500))
    contracts: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    leg_policy: Mapped[str] = mapped_column(
        sa.String(12), default=LegPolicy.TOGETHER, server_default=LegPolicy.TOGETHER
    )
    on_leg_failure: Mapped[str] = mapped_column(
        sa.String(12), default=FailurePolicy.UNWIND, server_default=FailurePolicy.UNWIND
    )
    leg_timeout: Mapped[int | None]  # seconds one leg may work while the other is filled; None = as the desk is set
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("broker_accounts.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())

    leg1: Mapped[Instrument] = relationship(foreign_keys=[leg1_id], lazy="joined", innerjoin=True)
    leg2: Mapped[Instrument] = relationship(foreign_keys=[leg2_id], lazy="joined", innerjoin=True)
    account: Mapped[BrokerAccount | None] = relationship(lazy="joined")

    __table_args__ = (
        sa.CheckConstraint("activity in ('active', 'passive', 'watch')", name="activity"),
        sa.CheckConstraint("leg1_id <> leg2_id", name="two_legs"),
        sa.CheckConstraint(
            "cast(hedge_ratio as numeric) > 0 and cast(hedge_ratio as numeric) < 1000000000000",
            name="hedge_ratio",
        ),
        sa.CheckConstraint("leg_policy in ('together', 'leg1_first', 'attached')", name="leg_policy"),
        sa.CheckConstraint("on_leg_failure in ('unwind', 'complete', 'hold')", name="on_leg_failure"),
        {"sqlite_autoincrement": True},
    )
