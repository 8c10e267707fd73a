"""Runs the migrations on the application's own engine, one process at a time."""

from typing import Any

import sqlalchemy as sa
from alembic import context
from flask import current_app

import models  # noqa: F401 - fills the metadata
from extensions import db

LOCK = 0x70616972  # any number that all our processes share
PATIENCE_MS = 60_000  # so long one start waits for another that migrates


def run() -> None:
    """Migrate inside one transaction: a migration that fails leaves the old schema."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Several machines may be released at once; the lock ends with the transaction.
            connection.execute(sa.text(f"SET statement_timeout = 0; SET lock_timeout = {PATIENCE_MS}"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        else:
            # A table that is rebuilt is dropped for a moment; its children must not go with it.
            _sqlite(connection, "PRAGMA foreign_keys=OFF")
            (patience,) = _sqlite(connection, "PRAGMA busy_timeout").fetchone()
            _sqlite(connection, f"PRAGMA busy_timeout={PATIENCE_MS}")
            connection = connection.execution_options(immediate=True)
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            transactional_ddl=True,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
        if connection.dialect.name == "sqlite":
            _sqlite(connection, "PRAGMA foreign_keys=ON")
            _sqlite(connection, f"PRAGMA busy_timeout={patience}")


def _sqlite(connection: sa.Connection, pragma: str) -> Any:
    """Run a pragma that has no effect inside a transaction."""
    return connection.connection.dbapi_connection.execute(pragma)  # type: ignore[union-attr]


run()
