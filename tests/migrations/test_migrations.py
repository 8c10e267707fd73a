"""The migrations make the tables that the models describe, and can be taken back."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask_migrate import downgrade, upgrade

from extensions import db
from models import BrokerAccount
from services.health import head_revision
from tests.support.apps import closing_app
from tests.support.factories import make_config


@pytest.fixture
def bare_app(empty_database_url, tmp_path):
    """An application on an empty database."""
    with closing_app(make_config(empty_database_url, tmp_path)) as app, app.app_context():
        yield app


def tables():
    return set(sa.inspect(db.engine).get_table_names()) - {"alembic_version"}


def revision():
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_up_down_and_up_again(bare_app):
    expected = set(db.metadata.tables)
    upgrade()
    assert tables() == expected
    assert revision() == head_revision()
    downgrade(revision="base")
    assert tables() == set()
    assert revision() is None
    upgrade()
    assert tables() == expected


def test_nobody_goes_back_over_accounts_that_the_older_tables_cannot_hold(bare_app, caplog):
    upgrade()
    db.session.add(BrokerAccount(name="real", broker="alpaca", environment="live", route="desk"))
    db.session.commit()
    with pytest.raises(SystemExit):
        downgrade(revision="0004")
    assert "remove those accounts first" in caplog.text
    with db.engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from broker_accounts where environment = 'live'")) == 1


def test_going_up_twice_changes_nothing(bare_app):
    upgrade()
    upgrade()
    assert revision() == head_revision()


def test_models_and_migrations_agree(bare_app):
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, db.metadata) == []


def test_the_tables_have_all_their_checks(bare_app):
    """These are not compared by Alembic. PostgreSQL keeps them in words of its own, so there the names must do."""
    upgrade()
    inspector = sa.inspect(db.engine)
    sqlite = db.engine.dialect.name == "sqlite"
    for table in db.metadata.sorted_tables:
        described = {
            constraint.name: str(constraint.sqltext)
            for constraint in table.constraints
            if isinstance(constraint, sa.CheckConstraint)
        }
        found = {check["name"]: check["sqltext"] for check in inspector.get_check_constraints(table.name)}
        assert found == described if sqlite else set(found) == set(described), table.name


def test_rows_survive_the_checks_of_sqlite_foreign_keys(bare_app):
    """While a table is rebuilt SQLite's foreign keys are off; afterwards they must be on again."""
    upgrade()
    if db.engine.dialect.name == "sqlite":
        with db.engine.connect() as connection:
            assert connection.exec_driver_sql("pragma foreign_keys").scalar() == 1


def test_a_database_without_tables_is_told_by_the_health_check(bare_app):
    response = bare_app.test_client().get("/readyz")
    assert response.status_code == 503
    assert response.json["checks"][0]["ok"] is True
    assert "flask setup" in response.json["checks"][1]["text"]
