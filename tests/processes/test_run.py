"""`make run` without make: the first start, the second one, and what stops it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
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
    assert (
        run.text() == f"The desk cannot start. PORT: {port} is taken by another program; try PORT={port + 1} make run\n"
    )


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


def post(url: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, json.load(answer)
