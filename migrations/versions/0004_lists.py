"""indexes of the lists of orders, fills, events and slips"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORKING = "status in ('ACCEPTED', 'PARTIALLY_FILLED', 'CANCEL_PENDING')"
PLAIN = {
    "ix_orders_account_id_id": ("orders", ["account_id", "id"]),
    "ix_orders_created_at_id": ("orders", ["created_at", "id"]),
    "ix_fills_account_id_at_id": ("fills", ["account_id", "at", "id"]),
    "ix_order_events_at_order_id_seq": ("order_events", ["at", "order_id", "seq"]),
    "ix_foreign_orders_seen_at": ("foreign_orders", ["seen_at"]),
}
PARTIAL = {
    "ix_orders_unusual": ("orders", ["purpose", "id"], "purpose <> 'signal'"),
    "ix_signals_slipped": ("signals", ["received_at", "id"], "slip is not null"),
    "ix_signals_slipped_name": ("signals", ["name", "received_at", "id"], "slip is not null"),
    "ix_foreign_orders_working": ("foreign_orders", ["seen_at"], WORKING),
}


def upgrade() -> None:
    """Go forward."""
    for name, (table, columns) in PLAIN.items():
        op.create_index(name, table, columns)
    for name, (table, columns, condition) in PARTIAL.items():
        op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


def downgrade() -> None:
    """Go back."""
    for name, (table, *_) in {**PARTIAL, **PLAIN}.items():
        op.drop_index(name, table_name=table)
