"""first tables"""

import uuid

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "broker_accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("broker", sa.String(length=32), nullable=False),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("route in ('desk', 'external')", name=op.f("ck_broker_accounts_route")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broker_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_broker_accounts_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("broker_accounts", schema=None) as batch_op:
        batch_op.create_index(
            "uq_broker_accounts_default",
            ["is_default"],
            unique=True,
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "day", name=op.f("pk_counters")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limits")),
    )
    with op.batch_alter_table("rate_limits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rate_limits_expires"), ["expires"], unique=False)

    op.create_table(
        "registry_version",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("installation", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_version")),
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.String(length=36), nullable=False),
        sa.Column("expires_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_revoked_tokens")),
    )
    with op.batch_alter_table("revoked_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_revoked_tokens_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role in ('admin', 'user')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "web_sessions",
        sa.Column("sid_hash", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sid_hash", name=op.f("pk_web_sessions")),
    )
    with op.batch_alter_table("web_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_sessions_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_secrets")),
        sa.UniqueConstraint("sha256", name=op.f("uq_webhook_secrets_sha256")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("started_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    op.create_table(
        "instruments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("primary_exchange", sa.String(length=32), nullable=False),
        sa.Column("secondary_exchange", sa.String(length=32), nullable=False),
        sa.Column("activity", sa.String(length=16), nullable=False),
        sa.Column("asset_class", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=8), nullable=False),
        sa.Column("order_type", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("created_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("activity in ('active', 'passive', 'watch')", name=op.f("ck_instruments_activity")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_instruments_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instruments")),
        sa.UniqueConstraint("symbol", name=op.f("uq_instruments_symbol")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("jti", sa.String(length=36), nullable=False),
        sa.Column("family", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issued_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_refresh_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_refresh_tokens")),
    )
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refresh_tokens_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_refresh_tokens_family"), ["family"], unique=False)
        batch_op.create_index(batch_op.f("ix_refresh_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "signals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("received_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("alert_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("dedupe_key", sa.String(length=160), nullable=False),
        sa.Column("weak_key", sa.Boolean(), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("seen_count", sa.Integer(), nullable=False),
        sa.Column("last_seen_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ticker", sa.String(length=128), nullable=False),
        sa.Column("side", sa.String(length=4), nullable=False),
        sa.Column("quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("price", extensions.ExactDecimal(), nullable=True),
        sa.Column("position", sa.String(length=8), nullable=True),
        sa.Column("position_size", extensions.ExactDecimal(), nullable=True),
        sa.Column("previous_position", sa.String(length=8), nullable=True),
        sa.Column("previous_position_size", extensions.ExactDecimal(), nullable=True),
        sa.Column("comment", sa.String(length=128), nullable=True),
        sa.Column("strategy", sa.String(length=128), nullable=True),
        sa.Column("bar_time", sa.String(length=128), nullable=True),
        sa.Column("ticker_type", sa.String(length=8), nullable=True),
        sa.Column("name", sa.String(length=129), nullable=True),
        sa.Column("symbol1", sa.String(length=64), nullable=True),
        sa.Column("symbol2", sa.String(length=64), nullable=True),
        sa.Column("hedge_ratio", extensions.ExactDecimal(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("external", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_reason", sa.String(length=255), nullable=True),
        sa.Column("error_text", sa.String(length=1000), nullable=True),
        sa.Column("trace", extensions.Json(), nullable=False),
        sa.Column("order_id1", sa.String(length=64), nullable=True),
        sa.Column("order_id2", sa.String(length=64), nullable=True),
        sa.Column("leg_price1", extensions.ExactDecimal(), nullable=True),
        sa.Column("leg_price2", extensions.ExactDecimal(), nullable=True),
        sa.Column("filled_quantity", extensions.ExactDecimal(), nullable=True),
        sa.Column("fill_price", extensions.ExactDecimal(), nullable=True),
        sa.Column("slip", extensions.ExactDecimal(), nullable=True),
        sa.CheckConstraint("side in ('buy', 'sell')", name=op.f("ck_signals_side")),
        sa.CheckConstraint(
            "cast(quantity as numeric) > 0 and cast(quantity as numeric) < 1000000000000",
            name=op.f("ck_signals_quantity"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signals")),
        sa.UniqueConstraint("source", "dedupe_key", name=op.f("uq_signals_source_dedupe_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signals_name_received_at_id"), ["name", "received_at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_signals_name_status_received_at_id"),
            ["name", "status", "received_at", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_signals_order_id1",
            ["order_id1", "id"],
            unique=False,
            sqlite_where=sa.text("order_id1 is not null"),
            postgresql_where=sa.text("order_id1 is not null"),
        )
        batch_op.create_index(
            "ix_signals_order_id2",
            ["order_id2", "id"],
            unique=False,
            sqlite_where=sa.text("order_id2 is not null"),
            postgresql_where=sa.text("order_id2 is not null"),
        )
        batch_op.create_index(batch_op.f("ix_signals_received_at_id"), ["received_at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_signals_status_received_at_id"), ["status", "received_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_signals_waiting",
            ["external", "id"],
            unique=False,
            sqlite_where=sa.text("status in ('waiting', 'rerouted')"),
            postgresql_where=sa.text("status in ('waiting', 'rerouted')"),
        )

    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("signal_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("leg", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("asset_class", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=8), nullable=False),
        sa.Column("side", sa.String(length=4), nullable=False),
        sa.Column("quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("order_type", sa.String(length=16), nullable=False),
        sa.Column("time_in_force", sa.String(length=8), nullable=False),
        sa.Column("limit_price", extensions.ExactDecimal(), nullable=True),
        sa.Column("client_order_id", sa.String(length=36), nullable=False),
        sa.Column("broker_order_id", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("filled_quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("average_price", extensions.ExactDecimal(), nullable=True),
        sa.Column("created_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("not_after", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("next_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sent_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("send_attempts", sa.Integer(), nullable=False),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), nullable=False),
        sa.Column("lease_until", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cast(quantity as numeric) > 0 and cast(quantity as numeric) < 1000000000000",
            name=op.f("ck_orders_quantity"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_orders_account_id_broker_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["signal_id"], ["signals.id"], name=op.f("fk_orders_signal_id_signals"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("account_id", "broker_order_id", name=op.f("uq_orders_account_id_broker_order_id")),
        sa.UniqueConstraint("client_order_id", name=op.f("uq_orders_client_order_id")),
        sa.UniqueConstraint("signal_id", "leg", "generation", name=op.f("uq_orders_signal_id_leg_generation")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index(
            "ix_orders_pending",
            ["account_id", "symbol", "id"],
            unique=False,
            sqlite_where=sa.text("status in ('QUEUED', 'CLAIMED', 'SENDING', 'UNKNOWN', 'MANUAL')"),
            postgresql_where=sa.text("status in ('QUEUED', 'CLAIMED', 'SENDING', 'UNKNOWN', 'MANUAL')"),
        )
        batch_op.create_index(
            "ix_orders_working",
            ["account_id", "id"],
            unique=False,
            sqlite_where=sa.text("status in ('ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')"),
            postgresql_where=sa.text("status in ('ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')"),
        )
        batch_op.create_index(
            "uq_orders_in_flight",
            ["account_id", "symbol"],
            unique=True,
            sqlite_where=sa.text("status in ('CLAIMED', 'SENDING', 'UNKNOWN')"),
            postgresql_where=sa.text("status in ('CLAIMED', 'SENDING', 'UNKNOWN')"),
        )

    op.create_table(
        "pairs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=129), nullable=False),
        sa.Column("leg1_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("leg2_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hedge_ratio", extensions.ExactDecimal(), nullable=False),
        sa.Column("activity", sa.String(length=16), nullable=False),
        sa.Column("notes", sa.String(length=500), nullable=True),
        sa.Column("contracts", extensions.ExactDecimal(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("created_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("activity in ('active', 'passive', 'watch')", name=op.f("ck_pairs_activity")),
        sa.CheckConstraint(
            "cast(hedge_ratio as numeric) > 0 and cast(hedge_ratio as numeric) < 1000000000000",
            name=op.f("ck_pairs_hedge_ratio"),
        ),
        sa.CheckConstraint("leg1_id <> leg2_id", name=op.f("ck_pairs_two_legs")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_pairs_account_id_broker_accounts")
        ),
        sa.ForeignKeyConstraint(["leg1_id"], ["instruments.id"], name=op.f("fk_pairs_leg1_id_instruments")),
        sa.ForeignKeyConstraint(["leg2_id"], ["instruments.id"], name=op.f("fk_pairs_leg2_id_instruments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairs")),
        sa.UniqueConstraint("name", name=op.f("uq_pairs_name")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("pairs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pairs_leg1_id"), ["leg1_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_pairs_leg2_id"), ["leg2_id"], unique=False)

    op.create_table(
        "fills",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("execution_id", sa.String(length=128), nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("price", extensions.ExactDecimal(), nullable=False),
        sa.Column("commission", extensions.ExactDecimal(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_fills_account_id_broker_accounts")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fills_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fills")),
        sa.UniqueConstraint("account_id", "execution_id", name=op.f("uq_fills_account_id_execution_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("fills", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fills_order_id"), ["order_id"], unique=False)

    op.create_table(
        "order_events",
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.String(length=500), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_events_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", "seq", name=op.f("pk_order_events")),
    )
    registry_version = sa.table("registry_version", sa.column("id"), sa.column("version"), sa.column("installation"))
    op.bulk_insert(registry_version, [{"id": 1, "version": 1, "installation": str(uuid.uuid4())}])


def downgrade() -> None:
    """Go back."""
    op.drop_table("order_events")
    with op.batch_alter_table("fills", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fills_order_id"))

    op.drop_table("fills")
    with op.batch_alter_table("pairs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_pairs_leg2_id"))
        batch_op.drop_index(batch_op.f("ix_pairs_leg1_id"))

    op.drop_table("pairs")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_orders_in_flight",
            sqlite_where=sa.text("status in ('CLAIMED', 'SENDING', 'UNKNOWN')"),
            postgresql_where=sa.text("status in ('CLAIMED', 'SENDING', 'UNKNOWN')"),
        )
        batch_op.drop_index(
            "ix_orders_working",
            sqlite_where=sa.text("status in ('ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')"),
            postgresql_where=sa.text("status in ('ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')"),
        )
        batch_op.drop_index(
            "ix_orders_pending",
            sqlite_where=sa.text("status in ('QUEUED', 'CLAIMED', 'SENDING', 'UNKNOWN', 'MANUAL')"),
            postgresql_where=sa.text("status in ('QUEUED', 'CLAIMED', 'SENDING', 'UNKNOWN', 'MANUAL')"),
        )

    op.drop_table("orders")
    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_signals_waiting",
            sqlite_where=sa.text("status in ('waiting', 'rerouted')"),
            postgresql_where=sa.text("status in ('waiting', 'rerouted')"),
        )
        batch_op.drop_index(batch_op.f("ix_signals_status_received_at_id"))
        batch_op.drop_index(batch_op.f("ix_signals_received_at_id"))
        batch_op.drop_index(
            "ix_signals_order_id2",
            sqlite_where=sa.text("order_id2 is not null"),
            postgresql_where=sa.text("order_id2 is not null"),
        )
        batch_op.drop_index(
            "ix_signals_order_id1",
            sqlite_where=sa.text("order_id1 is not null"),
            postgresql_where=sa.text("order_id1 is not null"),
        )
        batch_op.drop_index(batch_op.f("ix_signals_name_status_received_at_id"))
        batch_op.drop_index(batch_op.f("ix_signals_name_received_at_id"))

    op.drop_table("signals")
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_refresh_tokens_user_id"))
        batch_op.drop_index(batch_op.f("ix_refresh_tokens_family"))
        batch_op.drop_index(batch_op.f("ix_refresh_tokens_expires_at"))

    op.drop_table("refresh_tokens")
    op.drop_table("instruments")
    op.drop_table("workers")
    op.drop_table("webhook_secrets")
    with op.batch_alter_table("web_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_web_sessions_expires_at"))

    op.drop_table("web_sessions")
    op.drop_table("users")
    with op.batch_alter_table("revoked_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_revoked_tokens_expires_at"))

    op.drop_table("revoked_tokens")
    op.drop_table("registry_version")
    with op.batch_alter_table("rate_limits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rate_limits_expires"))

    op.drop_table("rate_limits")
    op.drop_table("counters")
    with op.batch_alter_table("broker_accounts", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_broker_accounts_default",
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.drop_table("broker_accounts")
