"""what brokers keep of coins as their fee"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "coin_fees",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=129), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("quantity", extensions.ExactDecimal(), nullable=False),
        sa.Column("price", extensions.ExactDecimal(), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["broker_accounts.id"], name=op.f("fk_coin_fees_account_id_broker_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coin_fees")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_coin_fees_account_id_symbol_at"), "coin_fees", ["account_id", "symbol", "at"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("coin_fees")
