"""the record of a signal's moves; on SQLite numbers of deleted rows are not used again"""

import re

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# An earlier rebuild of `orders` forgot the word, and one that goes back over revision 0005 that of other tables.
NUMBERED = (
    "broker_accounts",
    "brokerage_accounts",
    "coin_fees",
    "fills",
    "instruments",
    "journal",
    "orders",
    "pairs",
    "signals",
    "stops",
    "users",
    "webhook_secrets",
)
ID = re.compile(r"\bid INTEGER NOT NULL,")
KEY = re.compile(r",\s*(CONSTRAINT \w+ )?PRIMARY KEY \(id\)")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "signal_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("signal_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", extensions.UtcDateTime(timezone=True), nullable=False),
        sa.Column("from_status", sa.String(length=16), nullable=True),
        sa.Column("to_status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=True),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["signal_id"], ["signals.id"], name=op.f("fk_signal_events_signal_id_signals"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_signal_events_signal_id_id", "signal_events", ["signal_id", "id"])
    op.create_index("ix_signal_events_at_id", "signal_events", ["at", "id"])
    if op.get_bind().dialect.name == "sqlite":
        for table in NUMBERED:
            _number_once(table)


def downgrade() -> None:
    """Go back; the tables keep the word that older ones lacked, which does no harm."""
    op.drop_table("signal_events")


def _number_once(table: str) -> None:
    """Rebuild a table of SQLite that lacks AUTOINCREMENT, from its own words, so that nothing else of it changes.

    The caller has switched foreign keys off, so other tables' references to it stay as they are.
    """
    connection = op.get_bind()
    made: str = connection.scalar(
        sa.text("select sql from sqlite_master where type = 'table' and name = :name"), {"name": table}
    )
    if "AUTOINCREMENT" in made.upper():
        return
    beside = connection.scalars(
        sa.text("select sql from sqlite_master where type <> 'table' and tbl_name = :name and sql is not null"),
        {"name": table},
    ).all()
    rebuilt, columns = f"_rebuilt_{table}", made[made.index("(") :]
    columns, ids = ID.subn("id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,", columns)
    columns, keys = KEY.subn("", columns)
    if (ids, keys) != (1, 1):
        raise RuntimeError(f"the table {table} is not as this desk makes it: {made}")
    connection.exec_driver_sql(f'CREATE TABLE "{rebuilt}" {columns}')
    connection.exec_driver_sql(f'INSERT INTO "{rebuilt}" SELECT * FROM "{table}"')  # noqa: S608 - our own words
    connection.exec_driver_sql(f'DROP TABLE "{table}"')
    connection.exec_driver_sql(f'ALTER TABLE "{rebuilt}" RENAME TO "{table}"')
    for index in beside:
        connection.exec_driver_sql(index)
