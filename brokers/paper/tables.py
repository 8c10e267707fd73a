"""The tables of the paper venue's own store; on PostgreSQL they live in the schema `paper`.

A table or a nullable column that is added here reaches older stores when they are next opened.
"""

from collections.abc import Mapping

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Insert,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from brokers.paper.columns import ExactDecimal, UtcTime

SCHEMA = "paper"
# Sums over many orders need more room than one price or quantity.
Amount, Total = ExactDecimal(24), ExactDecimal(38)
RowId = BigInteger().with_variant(Integer(), "sqlite")
STILL_WORKING = text("closed_at IS NULL")

metadata = MetaData(schema=SCHEMA)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("cash", Total, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("blocked", Text),  # why it takes no orders
)

orders = Table(
    "orders",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", Text, ForeignKey(accounts.c.name), nullable=False),
    Column("client_order_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Amount, nullable=False),
    Column("order_type", Text, nullable=False),
    Column("time_in_force", Text, nullable=False),
    Column("limit_price", Amount),
    Column("alert_price", Amount),
    Column("alert_synthetic", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("next_fill", Amount),
    Column("changed_at", UtcTime, nullable=False),
    Column("visible_at", UtcTime),
    Column("due_at", UtcTime),
    Column("expires_at", UtcTime),
    Column("closed_at", UtcTime),
    Column("held", Boolean),  # it waits for the market to open
    Column("attached_to", Text),  # client order id of leg 1
    Column("hedge_ratio", Amount),
    Column("stop_price", Amount),
    Column("triggered", Boolean),  # a quote has come to its stop
    Column("extended_hours", Boolean),
    Column("trail_percent", Amount),
    Column("trail_price", Amount),
    Column("best_price", Amount),  # since a trailing stop began: the highest of a sale, the lowest of a buy
    UniqueConstraint("account", "client_order_id"),  # for ever: rows are never deleted
    Index("orders_changed", "account", "changed_at"),
    Index("orders_working", "account", sqlite_where=STILL_WORKING, postgresql_where=STILL_WORKING),
    sqlite_autoincrement=True,
)

fills = Table(
    "fills",
    metadata,
    Column("order_id", RowId, ForeignKey(orders.c.id), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("quantity", Amount, nullable=False),
    Column("price", Amount, nullable=False),
    Column("commission", Amount, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("synthetic", Boolean, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    Column("account", Text, ForeignKey(accounts.c.name), primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("quantity", Total, nullable=False),
    Column("average_price", Amount, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("last_price", Amount),  # of its last fill
)

quotes = Table(
    "quotes",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("bid", Amount, nullable=False),
    Column("ask", Amount, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("source", Text, nullable=False),
)

assets = Table(
    "assets",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("tradable", Boolean, nullable=False),
    Column("shortable", Boolean, nullable=False),
    Column("quantity_step", Amount, nullable=False),
)

sessions = Table(  # one row, or none: always open
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("is_open", Boolean, nullable=False),
    Column("opens_at", UtcTime),
    Column("closes_at", UtcTime),
)

instructions = Table(
    "instructions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("symbol", Text),
    Column("seconds", Double, nullable=False),
    Column("quantity", Amount),
    Column("reason", Text, nullable=False),
    Column("remaining", Integer, nullable=False),  # how many more orders it is for
)


def upserts(table: Table, *keys: str, keep: bool = False) -> Mapping[str, Insert]:
    """Return by dialect the statement that inserts a row, or replaces (`keep`: leaves) an old one."""
    on_postgresql, on_sqlite = postgresql.insert(table), sqlite.insert(table)
    if keep:
        return {
            "postgresql": on_postgresql.on_conflict_do_nothing(index_elements=keys),
            "sqlite": on_sqlite.on_conflict_do_nothing(index_elements=keys),
        }
    rest = [column.name for column in table.c if column.name not in keys]
    return {
        "postgresql": on_postgresql.on_conflict_do_update(
            index_elements=keys, set_={name: on_postgresql.excluded[name] for name in rest}
        ),
        "sqlite": on_sqlite.on_conflict_do_update(
            index_elements=keys, set_={name: on_sqlite.excluded[name] for name in rest}
        ),
    }
