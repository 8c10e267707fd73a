"""Fixtures of the pages: visitors, closed and TLS desks, a real server and Chromium."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app import create_app
from tests.dashboard.browsing import Desk, Visit
from tests.dashboard.support import log_in_page
from tests.support.apps import close_app
from tests.support.factories import make_config, make_env
from tests.support.left_out import require

START_SECONDS = 30
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture
def make_desk(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Make an application with settings of its own: `make_desk(OPEN_READS="false")`."""
    made: list[Flask] = []

    def make(**settings: str) -> Flask:
        made.append(create_app(make_config(database_url, tmp_path, **settings)))
        return made[-1]

    yield make
    for app in made:
        close_app(app)


@pytest.fixture
def member(client: FlaskClient) -> FlaskClient:
    """A visitor who is logged in."""
    assert log_in_page(client).status_code == 303
    return client


@pytest.fixture
def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def run_desk(pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Start gunicorn on a database that is set up: `run_desk(url, WEB_THREADS="64")`; waits until it answers."""
    with contextlib.ExitStack() as ends:

        def run(url: str, **settings: str) -> Desk:
            return ends.enter_context(_running(pytestconfig.rootpath, url, tmp_path, **settings))

        yield run


@contextlib.contextmanager
def _running(root: Path, url: str, folder: Path, **settings: str) -> Iterator[Desk]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    usual = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": "1", "WEB_THREADS": "96", **settings}
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    env = {**inherited, **make_env(url, folder), **usual}
    log = folder / f"gunicorn-{port}.log"
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "app:create_app()"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=root, env=env, stdout=output, stderr=output)
    try:
        desk = Desk(f"http://127.0.0.1:{usual['PORT']}", url, folder, process, log)
        _wait(desk)
        yield desk
        for app in desk.apps:
            close_app(app)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(desk: Desk) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and desk.process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{desk.url}/healthz", timeout=1):
            return
        time.sleep(0.05)
    pytest.fail(f"gunicorn did not start: {desk.log.read_text()[-2000:]}", pytrace=False)


@pytest.fixture(scope="module")
def desk(
    pytestconfig: pytest.Config, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """A running desk that the tests of a module share."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(sqlite_template, folder / "desk.db")
    with _running(pytestconfig.rootpath, f"sqlite:///{folder}/desk.db", folder) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of this process."""
    require("Chromium", CHROMIUM is not None, "install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a window: `visit(desk, color_scheme="dark")`; complaints that are not `expected` fail the test."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_window(desk: Desk, *, log_in: bool = True, expected: tuple[str, ...] = (), **options: Any) -> Visit:
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        contexts.append(chromium.new_context(base_url=desk.url, **options))
        page: Page = contexts[-1].new_page()
        page.set_default_timeout(15_000)
        visits.append(Visit(page, desk, expected))
        if log_in:
            visits[-1].log_in()
        return visits[-1]

    yield open_window
    complaints = [line for each in visits for line in each.complaints]
    for context in contexts:
        context.close()
    assert complaints == []
