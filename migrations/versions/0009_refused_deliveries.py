"""what is kept of deliveries that were refused"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "refused_deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("body", sa.String(length=600), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_deliveries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refused_deliveries_known_id", "refused_deliveries", ["known", "id"])
    op.create_table(
        "refused_counts",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "status", name=op.f("pk_refused_counts")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("refused_counts")
    op.drop_index("ix_refused_deliveries_known_id", table_name="refused_deliveries")
    op.drop_table("refused_deliveries")
