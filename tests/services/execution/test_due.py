"""The look at what is due, where the database goes away in the midst of it."""

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from extensions import db, is_postgresql
from services.execution.due import look


@pytest.mark.usefixtures("context")
def test_a_database_that_leaves_as_the_connection_is_freed_is_told_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_postgresql():
        pytest.skip("SQLite has no isolation level to set back")

    def gone(*_: object) -> None:
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as away:
        away.setattr(db.engine.dialect, "reset_isolation_level", gone)
        with pytest.raises(OperationalError, match="server closed"):
            look([1])
    assert look([1]).sending == frozenset()
