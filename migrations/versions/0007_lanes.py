"""where a waiting signal leads, when it is looked at again, and what orders close"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WAITING = sa.text("status in ('waiting', 'rerouted')")


def upgrade() -> None:
    """Go forward."""
    op.add_column("signals", sa.Column("kind", sa.String(length=10), nullable=True))
    op.add_column("signals", sa.Column("aimed_at", extensions.ExactDecimal(), nullable=True))
    op.add_column("signals", sa.Column("look_at", extensions.UtcDateTime(timezone=True), nullable=True))
    op.add_column("signals", sa.Column("left_out", sa.String(length=255), nullable=True))
    op.create_index(
        "ix_signals_lane", "signals", ["account_id", "name", "id"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.add_column("orders", sa.Column("closes", extensions.ExactDecimal(), server_default="0", nullable=False))
    op.execute(sa.text("update orders set closes = quantity where is_exit"))


def downgrade() -> None:
    """Go back."""
    op.drop_column("orders", "closes")
    op.drop_index("ix_signals_lane", table_name="signals")
    for column in ("left_out", "look_at", "aimed_at", "kind"):
        op.drop_column("signals", column)
