"""A running desk and a window in which it is looked at."""

import json
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from playwright.sync_api import ConsoleMessage, Page, Request

from app import create_app
from tests.support.factories import ADMIN_PASSWORD, make_alert_body, make_config


@dataclass(frozen=True)
class Desk:
    """A running gunicorn, and where its database lies."""

    url: str
    database_url: str
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path
    apps: list[Flask] = field(default_factory=list)

    def app(self) -> Flask:
        """Return an application on the same database, for rows that no alert makes."""
        self.apps.append(create_app(make_config(self.database_url, self.folder)))
        return self.apps[-1]

    def post_alert(self, **fields: Any) -> int:
        """Send an alert as TradingView does; returns its row id."""
        body = json.dumps(make_alert_body(**fields)).encode()
        with urllib.request.urlopen(f"{self.url}/v3/webhook", body, timeout=5) as answer:
            rowid: int = json.load(answer)["rowid"]
        return rowid


class Visit:
    """One window; `complaints` collects what a clean page never causes."""

    def __init__(self, page: Page, desk: Desk, expected: tuple[str, ...]) -> None:
        self.page = page
        self.desk = desk
        self.complaints: list[str] = []
        self.expected = expected  # what the browser may complain of in this test
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"error in a script: {error}"))
        page.on("request", self._see)

    def log_in(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> None:
        self.page.goto("/login")
        self.page.fill("#username", username)
        self.page.fill("#password", password)
        with self.page.expect_navigation():
            self.page.click("button:text-is('Log in')")

    def wait_until_live(self) -> None:
        self.page.wait_for_selector("[data-light][data-state=live]")

    def row(self, rowid: int) -> Any:
        return self.page.locator(f'tr[data-key="s{rowid}"]')

    def _hear(self, message: ConsoleMessage) -> None:
        told = message.text
        expected = any(word in told for word in self.expected)
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"console: {told}")

    def _see(self, request: Request) -> None:
        target = urlsplit(request.url)
        if target.scheme not in ("data", "blob") and target.netloc != urlsplit(self.desk.url).netloc:
            self.complaints.append(f"request to {request.url}")
