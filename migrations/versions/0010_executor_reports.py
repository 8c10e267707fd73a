"""what an outside executor tells of its account"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FIGURES = (
    "available_funds",
    "buying_power",
    "position_value",
    "maintenance_margin",
    "equity",
    "day_result",
    "realised",
    "unrealised",
)


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "told_positions",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("average_cost", extensions.ExactDecimal(), nullable=True),
        sa.Column("unrealised", extensions.ExactDecimal(), nullable=True),
        sa.Column("told_at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_told_positions_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "symbol", name=op.f("pk_told_positions")),
    )
    op.create_table(
        "account_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        *(sa.Column(name, extensions.ExactDecimal(), nullable=True) for name in FIGURES),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_account_history_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_history")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_account_history_account_id"), "account_history", ["account_id"])


def downgrade() -> None:
    """Go back."""
    op.drop_index(op.f("ix_account_history_account_id"), table_name="account_history")
    op.drop_table("account_history")
    op.drop_table("told_positions")
