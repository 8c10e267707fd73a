"""execution"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = sa.text(
    "status in ('QUEUED', 'CLAIMED', 'SENDING', 'UNKNOWN', 'MANUAL', 'ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')"
)


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "check_rules",
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("scope_name", sa.String(length=129), nullable=False),
        sa.Column("check_name", sa.String(length=32), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=True),
        sa.Column("limit_value", extensions.ExactDecimal(), nullable=True),
        sa.Column("choice", sa.String(length=16), nullable=True),
        sa.Column("changed_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("scope", "scope_name", "check_name", name=op.f("pk_check_rules")),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "stops",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("scope_name", sa.String(length=129), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("done_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.String(length=1000), nullable=True),
        sa.Column("released_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(length=128), nullable=True),
        sa.Column("release_reason", sa.String(length=255), nullable=True),
        sa.CheckConstraint("level in ('entries', 'cancel', 'flatten')", name=op.f("ck_stops_level")),
        sa.CheckConstraint("scope in ('desk', 'account', 'stock', 'pair')", name=op.f("ck_stops_scope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stops")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("stops", schema=None) as batch_op:
        batch_op.create_index(
            "ix_stops_in_force",
            ["id"],
            unique=False,
            sqlite_where=sa.text("released_at is null"),
            postgresql_where=sa.text("released_at is null"),
        )

    op.create_table(
        "account_states",
        sa.Column("account_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cash", extensions.ExactDecimal(), nullable=True),
        sa.Column("currency", sa.String(length=8), nullable=True),
        sa.Column("buying_power", extensions.ExactDecimal(), nullable=True),
        sa.Column("equity", extensions.ExactDecimal(), nullable=True),
        sa.Column("blocked", sa.String(length=255), nullable=True),
        sa.Column("is_open", sa.Boolean(), nullable=True),
        sa.Column("opens_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("closes_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("heard_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("polled_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("synced_until", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("reconciled_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_account_states_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_states")),
    )
    op.create_table(
        "asset_states",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("tradable", sa.Boolean(), nullable=False),
        sa.Column("shortable", sa.Boolean(), nullable=False),
        sa.Column("quantity_step", extensions.ExactDecimal(), nullable=False),
        sa.Column("heard_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_asset_states_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "symbol", name=op.f("pk_asset_states")),
    )
    op.create_table(
        "daily_results",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=129), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("realised", extensions.ExactDecimal(), nullable=False),
        sa.Column("commission", extensions.ExactDecimal(), nullable=False),
        sa.Column("traded", extensions.ExactDecimal(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_daily_results_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "day", "name", "symbol", name=op.f("pk_daily_results")),
    )
    op.create_table(
        "foreign_orders",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("broker_order_id", sa.String(length=64), nullable=False),
        sa.Column("client_order_id", sa.String(length=128), nullable=True),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("side", sa.String(length=4), nullable=False),
        sa.Column("quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("filled_quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("first_seen_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_foreign_orders_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "broker_order_id", name=op.f("pk_foreign_orders")),
    )
    op.create_table(
        "position_differences",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("ours", extensions.ExactDecimal(), nullable=False),
        sa.Column("theirs", extensions.ExactDecimal(), nullable=False),
        sa.Column("first_seen_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_position_differences_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "symbol", name=op.f("pk_position_differences")),
    )
    op.create_table(
        "positions",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=129), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("average_price", extensions.ExactDecimal(), nullable=False),
        sa.Column("realised", extensions.ExactDecimal(), nullable=False),
        sa.Column("commission", extensions.ExactDecimal(), nullable=False),
        sa.Column("changed_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_positions_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "name", "symbol", name=op.f("pk_positions")),
    )
    op.create_table(
        "quotes",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("bid", extensions.ExactDecimal(), nullable=False),
        sa.Column("ask", extensions.ExactDecimal(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("heard_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_quotes_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "symbol", name=op.f("pk_quotes")),
    )
    with op.batch_alter_table("fills", schema=None) as batch_op:
        batch_op.add_column(sa.Column("realised", extensions.ExactDecimal(), nullable=False, server_default="0"))
        batch_op.create_index(batch_op.f("ix_fills_at_id"), ["at", "id"], unique=False)

    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(length=129), nullable=False, server_default=sa.text("''")))
        batch_op.add_column(sa.Column("purpose", sa.String(length=12), nullable=False, server_default="signal"))
        batch_op.add_column(sa.Column("is_exit", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("attached", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("cancel_requested_at", extensions.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("cancel_reason", sa.String(length=500), nullable=True))
        batch_op.add_column(sa.Column("cancel_tries", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_index(batch_op.f("ix_orders_name_id"), ["name", "id"], unique=False)
        batch_op.create_index(
            "ix_orders_open",
            ["account_id", "name", "id"],
            unique=False,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        )
        batch_op.create_index(batch_op.f("ix_orders_status_id"), ["status", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_orders_symbol_id"), ["symbol", "id"], unique=False)

    with op.batch_alter_table("pairs", schema=None, table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.add_column(sa.Column("leg_policy", sa.String(length=12), nullable=False, server_default="together"))
        batch_op.add_column(sa.Column("on_leg_failure", sa.String(length=12), nullable=False, server_default="unwind"))
        batch_op.add_column(sa.Column("leg_timeout", sa.Integer(), nullable=True))
        batch_op.create_check_constraint(
            op.f("ck_pairs_leg_policy"), "leg_policy in ('together', 'leg1_first', 'attached')"
        )
        batch_op.create_check_constraint(
            op.f("ck_pairs_on_leg_failure"), "on_leg_failure in ('unwind', 'complete', 'hold')"
        )

    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lifetime", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("when_closed", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("held_until", extensions.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("leg_policy", sa.String(length=12), nullable=True))
        batch_op.add_column(sa.Column("on_leg_failure", sa.String(length=12), nullable=True))
        batch_op.add_column(sa.Column("leg_timeout", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("lead_leg", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("leg_quantity1", extensions.ExactDecimal(), nullable=True))
        batch_op.add_column(sa.Column("leg_quantity2", extensions.ExactDecimal(), nullable=True))
        batch_op.add_column(sa.Column("leg_step1", extensions.ExactDecimal(), nullable=True))
        batch_op.add_column(sa.Column("leg_step2", extensions.ExactDecimal(), nullable=True))
        batch_op.add_column(sa.Column("unbalanced_at", extensions.UtcDateTime(timezone=True), nullable=True))
        batch_op.create_index(
            "ix_signals_unbalanced",
            ["unbalanced_at"],
            unique=False,
            sqlite_where=sa.text("unbalanced_at is not null"),
            postgresql_where=sa.text("unbalanced_at is not null"),
        )


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_signals_unbalanced",
            sqlite_where=sa.text("unbalanced_at is not null"),
            postgresql_where=sa.text("unbalanced_at is not null"),
        )
        batch_op.drop_column("unbalanced_at")
        batch_op.drop_column("leg_step2")
        batch_op.drop_column("leg_step1")
        batch_op.drop_column("leg_quantity2")
        batch_op.drop_column("leg_quantity1")
        batch_op.drop_column("lead_leg")
        batch_op.drop_column("leg_timeout")
        batch_op.drop_column("on_leg_failure")
        batch_op.drop_column("leg_policy")
        batch_op.drop_column("held_until")
        batch_op.drop_column("when_closed")
        batch_op.drop_column("lifetime")

    with op.batch_alter_table("pairs", schema=None, table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.drop_constraint(op.f("ck_pairs_on_leg_failure"), type_="check")
        batch_op.drop_constraint(op.f("ck_pairs_leg_policy"), type_="check")
        batch_op.drop_column("leg_timeout")
        batch_op.drop_column("on_leg_failure")
        batch_op.drop_column("leg_policy")

    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_orders_symbol_id"))
        batch_op.drop_index(batch_op.f("ix_orders_status_id"))
        batch_op.drop_index(
            "ix_orders_open",
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        )
        batch_op.drop_index(batch_op.f("ix_orders_name_id"))
        batch_op.drop_column("cancel_tries")
        batch_op.drop_column("cancel_reason")
        batch_op.drop_column("cancel_requested_at")
        batch_op.drop_column("attached")
        batch_op.drop_column("is_exit")
        batch_op.drop_column("purpose")
        batch_op.drop_column("name")

    with op.batch_alter_table("fills", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fills_at_id"))
        batch_op.drop_column("realised")

    op.drop_table("quotes")
    op.drop_table("positions")
    op.drop_table("position_differences")
    op.drop_table("foreign_orders")
    op.drop_table("daily_results")
    op.drop_table("asset_states")
    op.drop_table("account_states")
    with op.batch_alter_table("stops", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_stops_in_force",
            sqlite_where=sa.text("released_at is null"),
            postgresql_where=sa.text("released_at is null"),
        )

    op.drop_table("stops")
    op.drop_table("journal")
    op.drop_table("check_rules")
