"""The first start: once, harmless to repeat, and safe when two machines do it at once."""

import contextlib
import re
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from config import ConfigError
from extensions import db, transaction
from models import BrokerAccount, RegistryVersion
from services import setup
from services.accounts.check_account import check_account
from services.setup import prepare_database
from tests.dashboard.support import scalars
from tests.support.apps import closing_app
from tests.support.factories import (
    ADMIN_PASSWORD,
    PASSPHRASE,
    count_rows,
    dump_tables,
    get_signal,
    log_in,
    make_config,
    make_env,
    make_stock,
    post_alert,
    store_alert,
    together,
)
from tests.support.keyed_broker import add


def test_the_first_start_makes_admin_accounts_and_passphrase(empty_database_url, tmp_path):
    config = make_config(empty_database_url, tmp_path, ADMIN_PASSWORD="", WEBHOOK_PASSPHRASE="")
    with closing_app(config) as app:
        with app.app_context():
            made = prepare_database(config)
            again = prepare_database(config)
        client = app.test_client()
        assert len(made.admin_password) >= 15
        assert len(made.passphrase) >= 32
        assert (again.admin_password, again.passphrase) == (None, None)
        assert log_in(client, "admin", made.admin_password)
        assert post_alert(client, passphrase=made.passphrase).status_code == 201
        users = dump_tables(app)["users"]
        assert len(users) == 1
        assert made.admin_password not in str(users)


def test_given_secrets_are_used_and_not_told(empty_database_url, tmp_path):
    config = make_config(empty_database_url, tmp_path)
    with closing_app(config) as app:
        with app.app_context():
            made = prepare_database(config)
        assert (made.admin_password, made.passphrase) == (None, None)
        assert log_in(app.test_client(), "admin", ADMIN_PASSWORD)
        assert post_alert(app.test_client(), passphrase=PASSPHRASE).status_code == 201


def test_a_later_start_changes_nothing_that_people_have_changed(app, client, admin_headers, database_url, tmp_path):
    client.put("/v3/reguser", json={"username": "admin", "password": "chosen by the admin"}, headers=admin_headers)
    before = dump_tables(app, "registry_version")
    with app.app_context():
        prepare_database(make_config(database_url, tmp_path))
    assert dump_tables(app, "registry_version") == before


def accounts(app):
    return {row.name: row for row in scalars(app, sa.select(BrokerAccount))}


def start(app, url, folder, broker):
    config = make_config(url, folder, BROKER=broker)
    with app.app_context():
        prepare_database(config)


def test_the_simulator_is_an_account_where_it_is_asked_for(app, database_url, tmp_path, front_door):
    assert "alpaca-sim" not in accounts(app)
    for _ in range(2):
        start(app, database_url, tmp_path, "alpaca-sim")
    made = accounts(app)["alpaca-sim"]
    assert (made.broker, made.environment, made.route) == ("alpaca", "simulator", "desk")
    assert (made.is_default, made.key_hint) == (True, "0000")
    front_door.accounts["simulator", setup.SIMULATOR_KEYS] = "SIM1"
    with app.app_context():
        assert check_account("alpaca-sim").ok
    start(app, database_url, tmp_path, "paper")
    assert [name for name, row in accounts(app).items() if row.is_default] == ["paper"]


@pytest.mark.parametrize("lost", [None, "sealed with another key"])
def test_keys_of_the_simulator_that_are_lost_are_set_again(app, database_url, tmp_path, front_door, lost):
    start(app, database_url, tmp_path, "alpaca-sim")
    with app.app_context(), transaction() as session:
        session.execute(sa.update(BrokerAccount).where(BrokerAccount.name == "alpaca-sim").values(credentials=lost))
    for _ in range(2):
        start(app, database_url, tmp_path, "alpaca-sim")
    front_door.accounts["simulator", setup.SIMULATOR_KEYS] = "SIM1"
    with app.app_context():
        assert check_account("alpaca-sim").ok
    assert accounts(app)["alpaca-sim"].revision == 2


def test_the_default_may_be_an_account_that_was_added(app, client, database_url, tmp_path, front_door):
    with app.app_context():
        add()
    start(app, database_url, tmp_path, "anna")
    make_stock(app, "LNT")
    assert get_signal(client, store_alert(client))["account"] == "anna"


def test_a_default_that_is_no_account_is_told(app, database_url, tmp_path):
    before = dump_tables(app)
    with pytest.raises(ConfigError, match=r"BROKER: no account is called 'nobody'; there are: external, paper\."):
        start(app, database_url, tmp_path, "nobody")
    assert dump_tables(app) == before


def test_a_wrong_default_is_told_in_one_line(sqlite_url, tmp_path, pytestconfig):
    process = start_setup(sqlite_url, tmp_path, pytestconfig.rootpath, BROKER="nobody")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "BROKER: no account is called 'nobody'" in told.splitlines()[-1]
    assert "Traceback" not in told


def test_every_desk_has_a_name_of_its_own(empty_database_url, app, tmp_path):
    config = make_config(empty_database_url, tmp_path)
    with app.app_context():
        here = db.session.query(RegistryVersion).one().installation
    with closing_app(config) as other, other.app_context():
        prepare_database(config)
        there = db.session.query(RegistryVersion).one().installation
    assert re.fullmatch(r"[0-9a-f-]{36}", here)
    assert here != there


def start_setup(url, folder, root, **overrides):
    env = make_env(url, folder, ADMIN_PASSWORD="", WEBHOOK_PASSPHRASE="", **overrides)
    command = [sys.executable, "-m", "flask", "--app", "app", "setup"]
    return subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_first_starts_at_once_make_one_admin_and_one_passphrase(empty_database_url, tmp_path, pytestconfig):
    processes = [start_setup(empty_database_url, tmp_path, pytestconfig.rootpath) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    told = "".join(stdout for stdout, _ in outputs)
    passwords = re.findall(r"admin password .*: +(\S+)", told)
    passphrases = re.findall(r"webhook passphrase .*: +(\S+)", told)
    assert (len(passwords), len(passphrases)) == (1, 1), told
    with closing_app(make_config(empty_database_url, tmp_path)) as app:
        assert log_in(app.test_client(), "admin", passwords[0])
        assert post_alert(app.test_client(), passphrase=passphrases[0]).status_code == 201


def test_a_start_waits_for_whoever_keeps_the_database_locked(sqlite_url, app, tmp_path):
    """As long as another start may need: longer than any request waits."""
    held, path = threading.Event(), sqlite_url.removeprefix("sqlite:///")

    def keep_locked():
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            held.set()
            time.sleep(4)

    keeper = threading.Thread(target=keep_locked)
    keeper.start()
    assert held.wait(5)
    start(app, sqlite_url, tmp_path, "paper")
    keeper.join()


def test_the_first_rows_wait_for_whoever_keeps_the_database_locked(app, database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "AGAIN", 0.01)
    monkeypatch.setattr(setup, "upgrade", lambda: None)
    genuine, tries = setup._make_first_rows, []

    def locked_twice(config):
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("BEGIN IMMEDIATE", None, Exception("database is locked"))
        return genuine(config)

    monkeypatch.setattr(setup, "_make_first_rows", locked_twice)
    start(app, database_url, tmp_path, "paper")
    assert len(tries) == 3


def test_starts_at_the_same_moment_make_nothing_twice(empty_database_url, tmp_path, monkeypatch):
    config = make_config(empty_database_url, tmp_path, ADMIN_PASSWORD="", WEBHOOK_PASSPHRASE="")
    with closing_app(config) as app, app.app_context():
        setup.upgrade()
    monkeypatch.setattr(setup, "upgrade", lambda: None)  # Alembic is not made for threads

    def start(app):
        with app.app_context():
            return prepare_database(config)

    with closing_app(config) as first, closing_app(config) as second:
        made = together(*(lambda app=app: start(app) for app in (first, second) * 3))
        assert sum(one.admin_password is not None for one in made) == 1, made
        assert sum(one.passphrase is not None for one in made) == 1
        rows = count_rows(first)
        assert (rows["users"], rows["webhook_secrets"], rows["broker_accounts"]) == (1, 1, 2)
        passphrase = next(one.passphrase for one in made if one.passphrase)
        assert post_alert(first.test_client(), passphrase=passphrase).status_code == 201


@pytest.mark.parametrize(
    "address", ["https://api.alpaca.markets", "https://ALPACA.markets", "https://broker-api.alpaca.markets./v1"]
)
def test_the_simulator_is_never_alpaca_itself(sqlite_url, tmp_path, address):
    with pytest.raises(ConfigError, match=r"ALPACA_SIMULATOR_URL: must not be an address of Alpaca itself"):
        make_config(sqlite_url, tmp_path, ALPACA_SIMULATOR_URL=address)
    assert make_config(sqlite_url, tmp_path, ALPACA_SIMULATOR_URL="http://notalpaca.markets:8790")
