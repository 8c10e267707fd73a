"""`flask run` on a database that is not set up: SQLite of its own is made ready, all others are left alone."""

import click
import pytest
import sqlalchemy as sa

from commands import first_run
from extensions import db
from tests.conftest import closing_app
from tests.support.factories import log_in, make_config


@pytest.fixture
def fresh(empty_database_url, tmp_path):
    with closing_app(make_config(empty_database_url, tmp_path)) as app:
        yield app


def tables(app):
    with app.app_context():
        return sa.inspect(db.engine).get_table_names()


def test_only_a_file_in_the_instance_folder_is_set_up(fresh, capsys):
    first_run.prepare(fresh)
    if fresh.config["DESK"].is_sqlite:
        assert log_in(fresh.test_client())["access_token"]
        first_run.prepare(fresh)  # nothing is left to do
    else:
        assert tables(fresh) == []
        assert "Run `flask setup` first." in capsys.readouterr().err


def test_a_file_elsewhere_is_left_alone(tmp_path, capsys):
    (tmp_path / "instance").mkdir()
    with closing_app(make_config(f"sqlite:///{tmp_path}/other.db", tmp_path / "instance")) as app:
        first_run.prepare(app)
        assert tables(app) == []
    assert "Run `flask setup` first." in capsys.readouterr().err


@pytest.mark.parametrize(("name", "is_run"), [("run", True), ("setup", False), ("shell", False)])
def test_only_flask_run_does_it(name, is_run):
    assert first_run.is_flask_run() is False
    with click.Context(click.Command(name), info_name=name):
        assert first_run.is_flask_run() is is_run
