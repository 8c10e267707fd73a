"""Make the tables of a store, and bring an older store up to what this version needs."""

from sqlalchemy import Connection, inspect
from sqlalchemy.schema import CreateColumn

from brokers.paper.tables import metadata


def is_current(connection: Connection, schema: str | None) -> bool:
    """Return True if all tables are there with all their columns."""
    there = _columns(connection, schema)
    return all(column.name in there.get(table.name, ()) for table in metadata.tables.values() for column in table.c)


def bring_up(connection: Connection, schema: str | None) -> None:
    """Make what is missing; the caller sees to it that nobody else does so at the same time."""
    metadata.create_all(connection)
    there = _columns(connection, schema)
    for table in metadata.sorted_tables:
        for column in table.c:
            if column.name not in there[table.name]:
                name = table.name if schema is None else f"{schema}.{table.name}"
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {definition}")


def _columns(connection: Connection, schema: str | None) -> dict[str, set[str]]:
    found = inspect(connection).get_multi_columns(schema=schema)
    return {name: {column["name"] for column in columns} for (_, name), columns in found.items()}
