"""What all benchmarks share: a stage that cleans up after itself, desks on it, and their processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import psutil
import psycopg2
from flask import Flask

from app import create_app
from config import ROOT, Config, documented_settings
from domain.enums import Activity
from extensions import db
from services.catalog import pairs as catalog_pairs
from services.catalog import stocks as catalog_stocks
from services.catalog.registry_changes import Editor
from services.setup import prepare_database
from tests.support.pgcluster import DISK, Cluster, ClusterError, find_binaries

POSTGRESQL, SQLITE = "postgresql", "sqlite"
DATABASES = (POSTGRESQL, SQLITE)
HOST = "127.0.0.1"
PASSPHRASE = "a benchmark needs 7 words too"
PASSWORD = "nobody logs in to a benchmark"
BENCH = Editor("the benchmark", is_admin=True)
CONNECTIONS = 300  # of the PostgreSQL server: web threads may each have one of their own
START_SECONDS = 60
STOP_SECONDS = 10
TAIL = 1500  # characters of a log that are shown when something went wrong


class Failure(Exception):
    """The benchmark cannot go on, or its outcome is wrong; the text is one line."""


@dataclass
class Child:
    """A started process, in a session of its own, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise Failure when it has ended."""
        if self.process.poll() is not None:
            raise Failure(f"{self.name} has ended: {self.log.read_text(errors='replace')[-TAIL:]}")

    def stop(self) -> None:
        """End it and whatever it started."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Stage:
    """A folder on a real disk, a PostgreSQL server when one is asked for, and all that runs."""

    folder: Path
    durable: bool
    children: list[Child] = field(default_factory=list)
    _cluster: Cluster | None = None

    def database(self, kind: str, name: str) -> str:
        """Return the URL of a new, empty database."""
        return f"sqlite:///{self.folder}/{name}.db" if kind == SQLITE else self.cluster.create_database(name)

    @property
    def cluster(self) -> Cluster:
        """Return the PostgreSQL server, which is started at first use."""
        if self._cluster is None:
            self._cluster = _start_cluster(self.durable)
        return self._cluster

    def start(self, name: str, command: Sequence[str], env: dict[str, str]) -> Child:
        """Start a process that ends with the stage."""
        log = self.folder / f"{name}.log"
        inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "TMPDIR")}
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**inherited, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the benchmark alone, which stops the others in order
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def stop(self, child: Child) -> None:
        """Stop one process now."""
        child.stop()
        self.children.remove(child)

    def close(self, *, keep: bool = False) -> None:
        """Stop everything and remove the folder, unless it is to be kept."""
        for child in reversed(self.children):
            child.stop()
        if self._cluster is not None:
            self._cluster.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def stage(*, durable: bool = True) -> Iterator[Stage]:
    """Give a stage that is cleared at the end, at an error, on Ctrl-C and on SIGTERM alike.

    A PostgreSQL that is not durable starts faster and is good for nothing but a trial.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    made = Stage(Path(tempfile.mkdtemp(prefix="pairs-bench-", dir=DISK)), durable)
    try:
        yield made
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # an impatient second one would leave half of it running
        made.close()


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _start_cluster(durable: bool) -> Cluster:
    if find_binaries() is None:
        raise Failure("PostgreSQL is absent: install it or set PG_BIN, or measure --database sqlite")
    cluster = Cluster(durable=durable)
    with contextlib.closing(psycopg2.connect(f"host={cluster.folder} user=postgres dbname=postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}")
    cluster.restart("fast")
    return cluster


@dataclass
class Desk:
    """One desk: its database after `flask setup`, its settings, and the application in this process."""

    stage: Stage
    name: str
    config: Config
    env: dict[str, str]
    app: Flask
    held: dict[str, int] = field(default_factory=dict)  # shares that the alerts so far lead to, by ticker

    @property
    def url(self) -> str:
        """Return the address of its web process."""
        return f"http://{HOST}:{self.config.port}"

    @property
    def kind(self) -> str:
        """Return which database it is on."""
        return SQLITE if self.config.is_sqlite else POSTGRESQL

    def register(self, stocks: Sequence[str], pairs: Sequence[tuple[str, str, str]]) -> None:
        """Make stocks and pairs (leg 1, leg 2, hedge ratio) tradable."""
        with self.app.app_context():
            for symbol in stocks:
                catalog_stocks.put_stock(catalog_stocks.StockForm(symbol=symbol, activity=Activity.ACTIVE), BENCH)
            for symbol1, symbol2, ratio in pairs:
                form: dict[str, Any] = {"symbol1": symbol1, "symbol2": symbol2, "hedge_ratio": Decimal(ratio)}
                catalog_pairs.put_pair(catalog_pairs.PairForm(**form), BENCH)
                catalog_pairs.put_pair(catalog_pairs.PairForm(**form, activity=Activity.ACTIVE), BENCH)

    def start_web(self, factory: str = "app:create_app()") -> Child:
        """Start gunicorn as the Procfile does, and return when it answers."""
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", factory]
        child = self.stage.start(f"{self.name}-web", command, self.env)
        self.wait_for("/healthz", child)
        return child

    def start_worker(self, number: int = 1) -> Child:
        """Start one worker process."""
        return self.stage.start(f"{self.name}-worker{number}", [sys.executable, "worker.py"], self.env)

    def wait_for(self, path: str, *children: Child) -> None:
        """Return when the web process answers 200 there; raises Failure when one of the processes ends."""
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(self.url + path, timeout=5) as answer:
                if answer.status == 200:
                    return
            for child in children:
                child.check()
            if time.monotonic() > end:
                raise Failure(f"{self.url}{path} does not become well")
            time.sleep(0.05)

    def alert(self, ticker: str, signal_id: str, price: str = "101.25") -> dict[str, Any]:
        """Return the body of an alert as TradingView fills the desk's template: each adds 100 shares of its ticker."""
        held = self.held.get(ticker, 0)
        self.held[ticker] = held + 100
        return {
            "passphrase": PASSPHRASE,
            "ticker": ticker,
            "order_action": "buy",
            "order_contracts": "100",
            "order_price": price,
            "mar_pos": "long",
            "mar_pos_size": str(held + 100),
            "pre_mar_pos": "long" if held else "flat",
            "pre_mar_pos_size": str(held),
            "order_comment": "Enter Long",
            "signal_id": signal_id,
            "bar_time": "2025-06-02T13:30:00Z",
        }


def make_desk(stage: Stage, kind: str, name: str, **settings: str) -> Desk:
    """Return a desk on a new database after its set-up; settings are the shipped ones unless given."""
    folder = stage.folder / name
    folder.mkdir()
    env = dict.fromkeys([setting.name for setting in documented_settings()], "")  # default, whatever a .env says
    env |= {"DATABASE_URL_SQLALCHEMY": "", "DYNO": "", "HOST": HOST, "PORT": str(free_port())}
    env |= {"INSTANCE_DIR": str(folder), "DATABASE_URL": stage.database(kind, name)}
    env |= {"PAPER_CASH": "1000000000000"}  # rounds only buy: none may end for want of buying power
    env |= {"ADMIN_PASSWORD": PASSWORD, "WEBHOOK_PASSPHRASE": PASSPHRASE, **settings}
    config = Config.from_env(env)
    app = create_app(Config.from_env({**env, "LOG_LEVEL": "warning"}))
    with app.app_context():
        prepare_database(config)
        db.session.remove()
    return Desk(stage, name, config, env, app)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def family(child: Child) -> list[psutil.Process]:
    """Return the process and those it started."""
    parent = psutil.Process(child.process.pid)
    return [parent, *parent.children(recursive=True)]


def run(main: Any) -> NoReturn:
    """Run a benchmark's main function as a program."""
    try:
        code = main()
    except (Failure, ClusterError) as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code)
