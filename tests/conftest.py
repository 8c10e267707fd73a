"""Fixtures of all tests: both databases, the application on them, clients with tokens, and real servers."""

import contextlib
import ipaddress
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings

from brokers import registry
from services.identity import passwords
from tests.support.apps import closing_app, set_up
from tests.support.factories import PASSPHRASE, USER_PASSWORD, bearer, log_in, make_config, make_env, make_user
from tests.support.keyed_broker import FrontDoor
from tests.support.left_out import pytest_terminal_summary, require
from tests.support.pgcluster import MEMORY, Cluster, find_binaries
from tests.support.simulated import simulated, simulator, simulator_options
from tests.support.threads import no_thread_is_left

__all__ = ["PASSPHRASE", "no_thread_is_left", "pytest_terminal_summary", "simulated", "simulator", "simulator_options"]

settings.register_profile("desk", deadline=None)  # how long an example takes says most about the machine
settings.load_profile("desk")
START_SECONDS = 30
TEMPLATE = "desk_template"


class OutboundConnectionError(RuntimeError):
    """A test tried to leave this machine."""


@pytest.fixture(scope="session", autouse=True)
def stay_on_this_machine() -> Iterator[None]:
    """Refuse every connection but those to this machine itself."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(address: Any) -> None:
        if isinstance(address, str | bytes):  # a socket in the file system
            return
        host = str(address[0]).partition("%")[0]
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host).is_loopback:
                return
        if host != "localhost":
            raise OutboundConnectionError(f"a test tried to connect to {address}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check(address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Hash passwords in a tenth of a millisecond."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One PostgreSQL server for all tests of this process."""
    require("PostgreSQL", find_binaries() is not None, "install it, or set PG_BIN")
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory, cheap_hashes: None) -> Path:
    """A SQLite file after `flask setup`."""
    path = tmp_path_factory.mktemp("template") / "desk.db"
    set_up(make_config(f"sqlite:///{path}", path.parent))
    return path


@pytest.fixture(scope="session")
def postgresql_template(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, cheap_hashes: None) -> str:
    """The name of a PostgreSQL database after `flask setup`."""
    set_up(make_config(cluster.create_database(TEMPLATE), tmp_path_factory.mktemp("template")))
    return TEMPLATE


_numbers = itertools.count()


class Databases:
    """PostgreSQL databases that are dropped a while after their test: at once the server would wait for its children."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._done: list[str] = []

    @contextlib.contextmanager
    def make(self, template: str | None = None) -> Iterator[str]:
        name = f"test_{next(_numbers)}"
        yield self._cluster.create_database(name, template)
        self._done.append(name)
        if len(self._done) > 8:
            self._cluster.drop_database(self._done.pop(0))


@pytest.fixture(scope="session")
def databases(cluster: Cluster) -> Databases:
    return Databases(cluster)


@pytest.fixture
def pg_url(databases: Databases) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with databases.make() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on both kinds."""
    url: str = f"sqlite:///{tmp_path}/empty.db" if request.param == "sqlite" else request.getfixturevalue("pg_url")
    return url


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is some: each commit of SQLite waits for the disk."""
    with tempfile.TemporaryDirectory(
        prefix="pairs-test-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None
    ) as folder:
        yield Path(folder)


@pytest.fixture
def sqlite_url(sqlite_template: Path, fast_folder: Path) -> str:
    """The URL of a SQLite desk after its set-up."""
    shutil.copy(sqlite_template, fast_folder / "desk.db")
    return f"sqlite:///{fast_folder}/desk.db"


@pytest.fixture
def postgresql_url(databases: Databases, postgresql_template: str) -> Iterator[str]:
    """The URL of a PostgreSQL desk after its set-up."""
    with databases.make(postgresql_template) as url:
        yield url


def administer(cluster: Cluster, statement: str) -> None:
    """Run a statement as PostgreSQL's superuser, outside any transaction."""
    with contextlib.closing(psycopg2.connect(cluster.url().replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


def make_crash_safe(cluster: Cluster, url: str) -> None:
    """Let a database keep its commits when the server is killed; for speed the others do not."""
    administer(cluster, f"alter database {sa.make_url(url).database} set synchronous_commit = on")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a desk after its set-up, on both databases: tables, user `admin` and PASSPHRASE are there."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> Iterator[Flask]:
    with closing_app(make_config(database_url, tmp_path)) as app:
        yield app


@pytest.fixture
def other_app(app: Flask, database_url: str, tmp_path: Path) -> Iterator[Flask]:
    """A second process's application on the same database."""
    with closing_app(make_config(database_url, tmp_path)) as app:
        yield app


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """The application with its context pushed, for tests that call services."""
    with app.app_context():
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def other_client(other_app: Flask) -> FlaskClient:
    return other_app.test_client()


@pytest.fixture
def admin_headers(client: FlaskClient) -> dict[str, str]:
    """The fresh token of an admin."""
    headers: dict[str, str] = log_in(client)["headers"]
    return headers


@pytest.fixture
def user_headers(app: Flask, client: FlaskClient) -> dict[str, str]:
    """The fresh token of `reader`, who has the role user."""
    make_user(app)
    headers: dict[str, str] = log_in(client, "reader", USER_PASSWORD)["headers"]
    return headers


@pytest.fixture
def stale_headers(client: FlaskClient) -> dict[str, str]:
    """The token of an admin that is not fresh."""
    response = client.post("/v3/refresh", headers=bearer(log_in(client)["refresh_token"]))
    return bearer(response.json["access_token"])


@dataclass(frozen=True)
class LiveServer:
    """A running gunicorn."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve."""
        return psutil.Process(self.process.pid).children()

    def is_up(self) -> bool:
        """Return True if it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def wait(self) -> None:
        """Return once it answers."""
        end = time.monotonic() + START_SECONDS
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"gunicorn did not start: {self.log.read_text()[-2000:]}", pytrace=False)
            time.sleep(0.05)


@pytest.fixture
def live_server(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[Callable[..., LiveServer]]:
    """Start gunicorn as the Procfile does: `live_server(database_url, WEB_WORKERS="2")`; wait() for it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(url: str, **settings: str) -> LiveServer:
        port = free_port()
        inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
        usual = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": "1", "WEB_THREADS": "16"}
        env = make_env(url, tmp_path, **{**usual, **settings})
        log = tmp_path / f"gunicorn-{len(started)}.log"
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "app:create_app()"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=pytestconfig.rootpath, env={**inherited, **env}, stdout=output, stderr=output
            )
        started.append(process)
        return LiveServer(f"http://127.0.0.1:{port}", process, log)

    yield start
    for process in started:
        process.send_signal(signal.SIGQUIT)  # at once, whoever is still connected
    for process in started:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def front_door(monkeypatch: pytest.MonkeyPatch) -> FrontDoor:
    """Alpaca as far as keys are concerned; nothing leaves this machine."""
    door = FrontDoor()
    monkeypatch.setitem(registry.SPECS, "alpaca", door.spec)
    return door
