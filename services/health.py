"""What must be true before the desk can trade: database, migrations, a worker that was heard from lately.

And what a person must see to: exits that have ended and left something open.
"""

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
from sqlalchemy.orm import aliased

from domain.enums import Purpose, Side
from domain.lanes.values import Kind
from domain.order_status import SignalStatus
from extensions import database_time, db
from models import Order, Position, PositionDifference, RefusedDelivery, Signal, Worker
from models.order import OPEN
from services.accounts.broker_keys import unreadable
from services.catalog.orphaned_positions import list_stranded

STALE = 30
REFUSED_FOR = timedelta(hours=24)  # so long a refused alert is pointed out


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
        return [*checks, _worker(), _exits(), _differences(), _refused()] if checks[-1].ok else checks
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


def _differences() -> Check:
    """Count the positions of which a broker says something else than the desk's books; it names none of them."""
    found = db.session.execute(sa.select(sa.func.count()).select_from(PositionDifference)).scalar_one()
    if not found:
        return Check("differences", True, "the books agree with what the brokers say")
    text = f"{found} positions at brokers differ" if found > 1 else "a position at a broker differs"
    return Check("differences", False, f"{text} from the books; see the page Positions", warns=True)


def count_refused_alerts() -> int:
    """Return how many deliveries with a passphrase in force were refused lately: alerts that somebody misses."""
    lately = database_time() - REFUSED_FOR
    query = sa.select(sa.func.count()).select_from(RefusedDelivery)
    return db.session.execute(query.where(RefusedDelivery.known, RefusedDelivery.at > lately)).scalar_one()


def _refused() -> Check:
    if not (found := count_refused_alerts()):
        return Check("refused", True, "no alert with the right passphrase in the last 24 hours")
    text = f"{found} alerts with the right passphrase were" if found > 1 else "an alert with the right passphrase was"
    return Check("refused", False, f"{text} refused in the last 24 hours; see the page Refused", warns=True)


def _exits() -> Check:
    """Count the exits that have ended and left something open, by account: it is held, and no order closes it.

    Alerts are taken all the same, and exits most of all; so it only warns. Anybody may read it: it names no account.
    """
    found = db.session.execute(_unfinished_exits()).all()
    if not found:
        return Check("exits", True, "none is unfinished")
    counts = ", ".join(f"{row.exits} at account {row.account_id}" for row in found)
    return Check("exits", False, f"unfinished: {counts}; see the signals that need a person", warns=True)


def _unfinished_exits() -> sa.Select[int | None, int]:
    quantity = sa.cast(Position.quantity, sa.Numeric())
    is_held = sa.exists().where(
        Order.signal_id == Signal.id,
        Order.purpose == Purpose.SIGNAL,
        Position.account_id == Order.account_id,
        Position.name == Order.name,
        Position.symbol == Order.symbol,
        ((Order.side == Side.SELL) & (quantity > 0)) | ((Order.side == Side.BUY) & (quantity < 0)),
    )
    # Once a later exit has closed all, what is held is a position that this one was not for.
    later = aliased(Signal)
    is_settled = sa.exists().where(
        later.account_id == Signal.account_id,
        later.name == Signal.name,
        later.id > Signal.id,
        later.kind == Kind.EXIT,
        later.status == SignalStatus.FILLED,
    )
    works = sa.exists().where(OPEN, Order.signal_id == Signal.id)
    return (
        sa.select(Signal.account_id, sa.func.count().label("exits"))
        .where(Signal.status == SignalStatus.CRITICAL, Signal.kind == Kind.EXIT, is_held, ~works, ~is_settled)
        .group_by(Signal.account_id)
        .order_by(Signal.account_id)
    )


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
