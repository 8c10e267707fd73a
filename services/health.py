"""What must be true before the desk can trade: database, migrations, a worker that was heard from lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from extensions import database_time, db
from models import PositionDifference, Worker
from services.accounts.broker_keys import unreadable
from services.catalog.orphaned_positions import list_stranded

HEARTBEAT = 10  # seconds
STALE = 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, with the outcome in words; `warns` only: the desk trades all the same."""

    name: str
    ok: bool
    text: str
    warns: bool = False


def check_health() -> list[Check]:
    """Return all checks, as far as they make sense; never raises for a database that is away."""
    try:
        checks = [Check("database", True, "answers"), _migrations()]
        return [*checks, _worker()] if checks[-1].ok else checks
    except SQLAlchemyError as e:
        db.session.rollback()
        return [Check("database", False, f"does not answer ({type(e).__name__})")]


def check_keys() -> Check:
    """Return True if the stored keys of all accounts can be read; without them an account is not connected to."""
    try:
        names = unreadable()
    except SQLAlchemyError as e:
        db.session.rollback()
        return Check("keys", False, f"cannot be looked at ({type(e).__name__})")
    if names:
        text = f"those of {', '.join(names)} cannot be read; give back the CREDENTIALS_KEY they were set with"
        return Check("keys", False, text)
    return Check("keys", True, "all that are stored can be read")


def check_stranded() -> Check:
    """Return True if the alerts of all that is held go to the account that holds it; else no exit would reach it."""
    try:
        found = list_stranded()
    except SQLAlchemyError as e:
        db.session.rollback()
        return Check("positions", False, f"cannot be looked at ({type(e).__name__})")
    if found:
        return Check("positions", False, f"no exit reaches {'; '.join(map(str, found))}", warns=True)
    return Check("positions", True, "all are at the accounts to which their alerts go")


def check_differences() -> Check | None:
    """Return that brokers hold what the desk's books do not say; None where they agree. It names no position."""
    try:
        found = db.session.execute(sa.select(sa.func.count()).select_from(PositionDifference)).scalar_one()
    except SQLAlchemyError as e:
        db.session.rollback()
        return Check("differences", False, f"cannot be looked at ({type(e).__name__})", warns=True)
    if not found:
        return None
    text = f"{found} positions at brokers differ" if found > 1 else "a position at a broker differs"
    return Check("differences", False, f"{text} from the books; see the page Positions", warns=True)


def head_revision() -> str | None:
    """Return the newest migration that this code brings along."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(current_app.root_path) / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


def _migrations() -> Check:
    current = MigrationContext.configure(db.session.connection()).get_current_revision()
    head = head_revision()
    ok = current == head
    return Check(
        "migrations",
        ok,
        f"at {current}" if ok else f"at {current}, but this version needs {head}; run `flask setup`",
    )


def _worker() -> Check:
    last = db.session.execute(sa.select(sa.func.max(Worker.seen_at)).where(Worker.stopped_at.is_(None))).scalar()
    if last is None:
        return Check("worker", False, "none is running")
    age = database_time() - last
    return Check("worker", age < timedelta(seconds=STALE), f"heard from {max(0, int(age.total_seconds()))} s ago")
