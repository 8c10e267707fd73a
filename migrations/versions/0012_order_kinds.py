"""what an alert says of its order, and trailing stops"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("signals", sa.Column("order_terms", extensions.Json(), nullable=True))
    op.add_column("orders", sa.Column("trail_percent", extensions.ExactDecimal(), nullable=True))
    op.add_column("orders", sa.Column("trail_price", extensions.ExactDecimal(), nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("orders", "trail_price")
    op.drop_column("orders", "trail_percent")
    op.drop_column("signals", "order_terms")
