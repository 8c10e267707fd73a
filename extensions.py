"""The shared parts: database, column types, transactions, tokens, and time by the database's clock."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from flask import Flask, current_app
from flask_jwt_extended import JWTManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.functions import FunctionElement

from engines import prepare_engine

MONEY_DIGITS, MONEY_SCALE = 24, 8
_TIME_WIDTH = len("2026-03-02 12:00:00.000000")
_SQLITE_NOW = "strftime('%Y-%m-%d %H:%M:%f000','now')"


class Base(DeclarativeBase):
    """Base of all models; named constraints, so that SQLite migrations can drop them."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)
migrate = Migrate()
jwt = JWTManager()

if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


class ExactDecimal(sa.types.TypeDecorator[Decimal]):
    """Decimal(24, 8): NUMERIC on PostgreSQL, text on SQLite, whose own numbers are binary floats."""

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(40))
        return dialect.type_descriptor(sa.Numeric(MONEY_DIGITS, MONEY_SCALE))

    def process_bind_param(self, value: Decimal | int | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        number = Decimal(value)
        if not number.is_finite():  # PostgreSQL would store NaN, and NaN > 0 is true there
            raise ValueError("only finite numbers are stored")
        return format(number, "f") if dialect.name == "sqlite" else number

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else plain(Decimal(value))


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC on both databases; SQLite keeps sortable text with six decimals."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(32))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("only aware times are stored")
        utc = value.astimezone(UTC)
        return utc.isoformat(" ", "microseconds")[:_TIME_WIDTH] if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        aware: datetime = value.astimezone(UTC)
        return aware


class Json(sa.types.TypeDecorator[Any]):
    """JSON as text on both databases: read whole, never searched; Decimals are written as text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value, default=str, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


class utc_now(FunctionElement[datetime]):
    """The database's clock at this statement, or so many seconds later: all machines share it, whatever theirs say."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: int = 0) -> None:
        super().__init__(*([sa.literal_column(f"{seconds:+d}")] if seconds else []))


@compiles(utc_now, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **kw: Any) -> str:
    shift = compiler.process(element.clauses)
    return f"strftime('%Y-%m-%d %H:%M:%f000','now','{shift} seconds')" if shift else _SQLITE_NOW


@compiles(utc_now, "postgresql")
def _postgresql_now(element: Any, compiler: Any, **kw: Any) -> str:
    shift = compiler.process(element.clauses)
    return f"(clock_timestamp() + interval '{shift} seconds')" if shift else "clock_timestamp()"


def plain(number: Decimal) -> Decimal:
    """Return the number without trailing zeros or exponent: 100.00000000 becomes 100."""
    if number == number.to_integral_value():
        return number.quantize(Decimal(1)) + 0  # never "-0"
    return number.normalize()


def database_time() -> datetime:
    """Return the database's clock, aware UTC."""
    now: datetime = db.session.execute(sa.select(utc_now())).scalar_one()
    return now


@contextlib.contextmanager
def transaction() -> Iterator[Session]:
    """Commit on success, roll back on any error; the only place that commits.

    On SQLite it takes the write lock at once: a reader that turns writer later would fail
    without waiting. Raises RuntimeError when nested, because the inner one would commit the outer.
    """
    session = db.session()
    if session.info.get("in_transaction"):
        raise RuntimeError("transactions do not nest")
    session.rollback()  # a read before this one must not pin an old snapshot
    session.info["in_transaction"] = True
    try:
        session.connection(execution_options={"immediate": True})
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        session.info.pop("announced", None)
        raise
    finally:
        session.info.pop("in_transaction", None)
    if session.info.pop("announced", False):
        announce_now()


def release_session() -> None:
    """Give back the session's connection: a thread that kept one and waited for a second could wait for ever."""
    if db.session.registry.has():
        db.session.remove()


@contextlib.contextmanager
def bare_transaction() -> Iterator[sa.Connection]:
    """Like `transaction`, without the session: for the one statement that every alert waits for."""
    release_session()
    with db.engine.connect() as connection:
        if not is_postgresql():
            connection = connection.execution_options(immediate=True)
        with connection.begin():
            yield connection


def announce(session: Session) -> None:
    """Notify other processes, once this transaction has committed, that there is something new to read."""
    session.info["announced"] = True


def announce_now() -> None:
    """Notify other processes that there is something new to read."""
    if (tell := current_app.extensions.get("tell_others")) is not None:
        tell()


@contextlib.contextmanager
def reading() -> Iterator[Session]:
    """Read without the write lock, and leave no snapshot open behind."""
    session = db.session()
    if session.info.get("in_transaction"):
        raise RuntimeError("transactions do not nest")
    try:
        yield session
    finally:
        session.rollback()


def read_alone(statement: sa.Executable, values: Mapping[str, Any]) -> Sequence[sa.Row[Any]]:
    """Return the rows of one statement, without a transaction around it: what it reads is of one moment anyway.

    BEGIN and ROLLBACK would make one round trip three, and what a worker looks for it looks for all the time.
    """
    session = db.session()
    if session.info.get("in_transaction"):
        raise RuntimeError("transactions do not nest")
    session.rollback()  # a thread that keeps one connection and waits for a second could wait for ever
    options = {"isolation_level": "AUTOCOMMIT"} if is_postgresql() else {"alone": True}
    try:
        with db.engine.connect() as connection:
            return connection.execution_options(**options).execute(statement, values).all()
    except db.engine.dialect.loaded_dbapi.Error as e:  # the driver's own: the database left as the connection was freed
        raise sa.exc.OperationalError(None, None, e) from e


@contextlib.contextmanager
def reading_at_one_moment() -> Iterator[Session]:
    """Like `reading`; and all that is read was so at one and the same moment."""
    with reading() as session:
        session.rollback()  # else the moment would be that of an earlier read
        if is_postgresql():
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def is_postgresql() -> bool:
    """Return True if the desk runs on PostgreSQL."""
    return db.engine.dialect.name == "postgresql"


def insert_or_update(table: Any) -> postgresql.Insert:
    """Return an INSERT that takes ON CONFLICT; both databases spell it alike, only the classes differ."""
    if is_postgresql():
        return postgresql.insert(table)
    return cast(postgresql.Insert, sqlite.insert(table))


def _end_session(error: BaseException | None) -> None:
    """Give the session up at the end of a request, also when its connection has died meanwhile.

    By then the answer stands: an error here would turn a 201, or a 503, into a bare 500.
    """
    if not db.session.registry.has():
        return
    try:
        db.session.remove()
    except sa.exc.SQLAlchemyError:
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            db.session().invalidate()
        db.session.registry.clear()


def init_extensions(app: Flask) -> None:
    """Bind all extensions to the app."""
    db.init_app(app)
    app.teardown_appcontext(_end_session)  # runs before Flask-SQLAlchemy's own, which would raise
    migrate.init_app(app, db, directory=str(app.root_path) + "/migrations")
    jwt.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
