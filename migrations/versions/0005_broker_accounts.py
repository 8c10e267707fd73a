"""broker accounts with keys and a switch, terms of orders, brokerage accounts"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ADDED = {
    "broker_accounts": [
        sa.Column("environment", sa.String(length=16), server_default="paper", nullable=False),
        sa.Column("live_enabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("credentials", sa.Text(), nullable=True),
        sa.Column("key_hint", sa.String(length=16), nullable=True),
        sa.Column("broker_number", sa.String(length=64), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
    ],
    "instruments": [
        sa.Column("time_in_force", sa.String(length=8), server_default="DAY", nullable=False),
        sa.Column("extended_hours", sa.Boolean(), server_default=sa.false(), nullable=False),
    ],
    "orders": [
        sa.Column("stop_price", extensions.ExactDecimal(), nullable=True),
        sa.Column("extended_hours", sa.Boolean(), server_default=sa.false(), nullable=False),
    ],
    "signals": [
        sa.Column("leg_closes1", extensions.ExactDecimal(), nullable=True),
        sa.Column("leg_closes2", extensions.ExactDecimal(), nullable=True),
    ],
    "asset_states": [
        sa.Column("short_step", extensions.ExactDecimal(), nullable=True),
        sa.Column("always_open", sa.Boolean(), server_default=sa.false(), nullable=False),
    ],
    "account_states": [
        sa.Column("stream_heard_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("stream_trouble", sa.String(length=255), nullable=True),
        sa.Column("stream_owner", sa.String(length=128), nullable=True),
        sa.Column("stream_until", extensions.UtcDateTime(timezone=True), nullable=True),
    ],
}
RULES = {
    ("broker_accounts", "environment"): "environment in ('paper', 'live', 'simulator')",
    ("instruments", "time_in_force"): "time_in_force in ('DAY', 'GTC', 'OPG', 'CLS', 'IOC', 'FOK')",
}


def _kept(table: str) -> dict[str, bool]:
    """Return what SQLite must be told again when it rebuilds a table: numbers of deleted rows are not used again."""
    return {"sqlite_autoincrement": True} if table in ("broker_accounts", "instruments") else {}


def upgrade() -> None:
    """Go forward."""
    for table, columns in ADDED.items():
        for column in columns:
            op.add_column(table, column)
    for (table, name), rule in RULES.items():
        with op.batch_alter_table(table, table_kwargs=_kept(table)) as batch:
            batch.create_check_constraint(op.f(f"ck_{table}_{name}"), rule)
    op.create_table(
        "brokerage_accounts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("alpaca_id", sa.String(length=36), nullable=True),
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("account_number", sa.String(length=64), nullable=True),
        sa.Column("equity", extensions.ExactDecimal(), nullable=True),
        sa.Column("created_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("requested_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("status_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sent_at", extensions.UtcDateTime(timezone=True), nullable=True),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.Column("next_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_brokerage_accounts_owner_id_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brokerage_accounts")),
        sa.UniqueConstraint("alpaca_id", name=op.f("uq_brokerage_accounts_alpaca_id")),
        sa.UniqueConstraint("environment", "email", name=op.f("uq_brokerage_accounts_environment_email")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_brokerage_accounts_next_at", "brokerage_accounts", ["next_at"])
    op.create_index("ix_brokerage_accounts_owner_id", "brokerage_accounts", ["owner_id"])


def downgrade() -> None:
    """Go back; not while rows hold what the older tables have no room for, such as keys and the word 'live'."""
    for what in (
        "broker_accounts where environment <> 'paper' or credentials is not null",
        "brokerage_accounts",
    ):
        if op.get_bind().scalar(sa.text(f"select count(*) from {what}")):  # noqa: S608 - our own words
            raise RuntimeError(f"cannot go back while there are rows in {what}; remove those accounts first")
    op.drop_table("brokerage_accounts")
    for table, name in RULES:
        with op.batch_alter_table(table, table_kwargs=_kept(table)) as batch:
            batch.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
    for table, columns in ADDED.items():
        with op.batch_alter_table(table, table_kwargs=_kept(table)) as batch:
            for column in columns:
                batch.drop_column(column.name)
