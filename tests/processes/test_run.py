"""`make run` without make: the first start, the second one, what stops it, and what does not."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PATIENCE = 60


class Run:
    """One run of the program, in a process group of its own as a terminal would give it."""

    def __init__(self, root: Path, folder: Path, port: int, **settings: str) -> None:
        self.log = folder / f"run-{time.monotonic_ns()}.log"
        self.url = f"http://127.0.0.1:{port}"
        env = {"PATH": os.environ["PATH"], "INSTANCE_DIR": str(folder / "instance"), "PORT": str(port), **settings}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "run.py"], cwd=root, env=env, stdout=log, stderr=log, start_new_session=True
            )

    def text(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                    result: dict[str, Any] = json.load(answer)
                    return result
            except OSError:
                assert time.monotonic() < end, self.text()
                assert self.process.poll() is None, self.text()
                time.sleep(0.1)

    def wait_until(self, question: Callable[[], object]) -> None:
        """Wait until it is so."""
        end = time.monotonic() + PATIENCE
        while not question():
            assert time.monotonic() < end, self.text()
            time.sleep(0.1)

    def only(self, word: str) -> psutil.Process | None:
        """Return the process started by the desk whose command line has this word, if it runs now."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it may end meanwhile
                if any(word in part for part in child.cmdline()):
                    return child
        return None

    def stop(self) -> list[psutil.Process]:
        """Press Ctrl-C and return the processes that are left over."""
        everybody = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        _, left = psutil.wait_procs(everybody, timeout=5)
        return left


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get("INSTANCE_DIR") == str(tmp_path / "instance"):
            process.kill()


def alert(text: str) -> dict[str, str]:
    """Return the ready message that the banner shows."""
    body: dict[str, str] = json.loads(text[text.index("{") : text.index("}\n", text.index('"bar_time"')) + 1])
    return body


def test_the_first_start_shows_everything_and_the_second_keeps_it(
    pytestconfig: pytest.Config, folder: Path, port: int
) -> None:
    first = Run(pytestconfig.rootpath, folder, port)
    assert first.wait_until_ready()["status"] == "ready"
    text = first.text()
    for address in ("/", "/v3/docs", "/v3/webhook"):
        assert f"{first.url}{address}\n" in text
    password = text.split("admin / ")[1].split()[0]
    body = {**alert(text), "ticker": "LNT", "order_action": "buy", "order_contracts": "1"}
    body = {name: value for name, value in body.items() if "{{" not in value}
    assert post(first.url + "/v3/login", {"username": "admin", "password": password})[0] == 200
    assert post(first.url + "/v3/webhook", body)[1]["rowid"] == 1
    for name in ("secrets.env", "desk.db"):
        assert (folder / "instance" / name).stat().st_mode & 0o077 == 0
    assert first.stop() == []

    second = Run(pytestconfig.rootpath, folder, port)
    assert second.wait_until_ready()["status"] == "ready"
    assert password not in second.text()
    assert body["passphrase"] not in second.text()
    assert alert(second.text())["passphrase"] == "YOUR-PASSPHRASE"
    assert post(second.url + "/v3/webhook", {**body, "ticker": "KO"})[1]["rowid"] == 2
    assert second.stop() == []


def test_given_secrets_are_used_and_not_shown(pytestconfig: pytest.Config, folder: Path, port: int) -> None:
    given = {"ADMIN_PASSWORD": "the owner's own password", "WEBHOOK_PASSPHRASE": "the owner's own passphrase"}
    run = Run(pytestconfig.rootpath, folder, port, **given)
    run.wait_until_ready()
    assert post(run.url + "/v3/login", {"username": "admin", "password": given["ADMIN_PASSWORD"]})[0] == 200
    assert run.stop() == []
    assert not [secret for secret in given.values() if secret in run.text()]


def test_a_taken_port_is_one_clear_line(pytestconfig: pytest.Config, folder: Path, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        run = Run(pytestconfig.rootpath, folder, port)
        assert run.process.wait(PATIENCE) == 1
    hint = f"PORT={port + 1} INSTANCE_DIR={folder / 'instance'} make run"
    assert run.text() == f"The desk cannot start. PORT: {port} is taken by another program; try {hint}\n"


def test_a_taken_port_of_the_simulator_is_told_with_all_that_was_given(
    pytestconfig: pytest.Config, folder: Path, port: int
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        given = {"BROKER": "alpaca-sim", "ALPACA_SIMULATOR_URL": f"http://127.0.0.1:{taken}"}
        run = Run(pytestconfig.rootpath, folder, port, **given)
        assert run.process.wait(PATIENCE) == 1
    hint = f"ALPACA_SIMULATOR_URL=http://127.0.0.1:{taken + 1} PORT={port} BROKER=alpaca-sim INSTANCE_DIR="
    assert f"ALPACA_SIMULATOR_URL: {taken} is taken by another program; try {hint}" in run.text()
    assert run.text().endswith(" make run\n")


def test_a_worker_that_is_killed_is_started_again_and_trades_on(
    pytestconfig: pytest.Config, folder: Path, port: int
) -> None:
    run = Run(pytestconfig.rootpath, folder, port)
    run.wait_until_ready()
    password = run.text().split("admin / ")[1].split()[0]
    token = post(run.url + "/v3/login", {"username": "admin", "password": password})[1]["access_token"]
    post(run.url + "/v3/regstock", {"symbol": "LNT", "active": 1}, token)
    worker = run.only("worker.py")
    worker.kill()
    run.wait_until(lambda: f"worker (process {worker.pid}) was killed by SIGKILL; it is started again" in run.text())
    body = {**alert(run.text()), "ticker": "LNT", "order_action": "buy", "order_contracts": "1", "order_price": "60"}
    body = {name: value for name, value in body.items() if "{{" not in value}
    assert post(run.url + "/v3/webhook", body)[1]["rowid"] == 1
    run.wait_until(lambda: get(run.url + "/v3/signal/1")["order_status"] == "filled")

    web = run.only("gunicorn")
    web.kill()
    run.wait_until(lambda: f"web (process {web.pid}) was killed by SIGKILL" in run.text())
    assert run.wait_until_ready()["status"] == "ready"
    assert run.stop() == []
    assert run.process.returncode == 0


def test_the_simulator_runs_beside_the_desk_and_comes_back(
    pytestconfig: pytest.Config, folder: Path, port: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        venue = f"http://127.0.0.1:{probe.getsockname()[1]}"
    run = Run(pytestconfig.rootpath, folder, port, BROKER="alpaca-sim", ALPACA_SIMULATOR_URL=venue)
    assert run.wait_until_ready()["status"] == "ready"
    assert f"Orders go to the Alpaca simulator at {venue}: no real money." in run.text()
    run.wait_until(lambda: "alpaca is in step, open for orders" in run.text())
    before = run.only("simulators.alpaca")
    before.kill()
    run.wait_until(lambda: run.only("simulators.alpaca") not in (None, before))
    assert f"venue (process {before.pid}) was killed by SIGKILL" in run.text()
    assert run.stop() == []


def test_an_unwritable_folder_is_one_clear_line(pytestconfig: pytest.Config, folder: Path, port: int) -> None:
    (folder / "file").write_text("in the way")
    run = Run(pytestconfig.rootpath, folder, port, INSTANCE_DIR=str(folder / "file" / "instance"))
    assert run.process.wait(PATIENCE) == 1
    assert run.text().startswith("The desk cannot start. INSTANCE_DIR: ")
    assert len(run.text().splitlines()) == 1


def test_a_database_that_cannot_be_used_is_one_clear_line(pytestconfig: pytest.Config, folder: Path, port: int) -> None:
    run = Run(pytestconfig.rootpath, folder, port, DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/none")
    assert run.process.wait(PATIENCE) == 1
    assert run.text().startswith("The desk cannot start. DATABASE_URL: the database cannot be used (")
    assert len(run.text().splitlines()) == 1


def post(url: str, body: dict[str, Any], token: str | None = None) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=10) as answer:
        return answer.status, json.load(answer)


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
