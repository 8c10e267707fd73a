"""what accounts and assets may be used for, as the brokers say it"""

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ACCOUNT = ("cash_power", "may_short", "coins_blocked", "is_overnight")
ASSET = ("asset_class", "price_step", "least_value", "least_quantity", "extended_fractions", "overnight", "not_bought")


def upgrade() -> None:
    """Go forward."""
    op.add_column("account_states", sa.Column("cash_power", extensions.ExactDecimal(), nullable=True))
    op.add_column("account_states", sa.Column("may_short", sa.Boolean(), nullable=True))
    op.add_column("account_states", sa.Column("coins_blocked", sa.String(length=255), nullable=True))
    op.add_column("account_states", _flag("is_overnight"))
    op.add_column("asset_states", sa.Column("asset_class", sa.String(length=16), nullable=True))
    for name in ("price_step", "least_value", "least_quantity"):
        op.add_column("asset_states", sa.Column(name, extensions.ExactDecimal(), nullable=True))
    op.add_column("asset_states", _flag("extended_fractions"))
    op.add_column("asset_states", _flag("overnight"))
    op.add_column("asset_states", sa.Column("not_bought", sa.String(length=255), nullable=True))


def downgrade() -> None:
    """Go back."""
    for name in ASSET:
        op.drop_column("asset_states", name)
    for name in ACCOUNT:
        op.drop_column("account_states", name)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
