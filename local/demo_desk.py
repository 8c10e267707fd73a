"""How the demo gets in: the running desk over HTTP, and credentials, given or made for one run."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from config import Config

if TYPE_CHECKING:
    from flask import Flask

USERNAME = "demo"
REQUEST_SECONDS = 15
ELSEWHERE = "Was it started with other settings, as `PORT=5077 make run`? Then give the same: `PORT=5077 make demo`."


class Stop(Exception):
    """The demo cannot go on; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the desk asks for; `notes` say what was made for this run."""

    username: str
    password: str
    passphrase: str
    notes: tuple[str, ...] = ()


class Desk:
    """The running desk, seen from outside."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Stop(f"{url} is no address; it begins with http:// or https://")
        self.url = url.rstrip("/")
        self.is_here = parts.hostname in ("127.0.0.1", "localhost", "::1")
        # A proxy of the environment cannot reach this machine's own addresses.
        no_proxy = [urllib.request.ProxyHandler({})] if self.is_here else []
        self._open = urllib.request.build_opener(*no_proxy).open
        self.token: str | None = None

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Return status and body of the answer; raises Stop when no desk answers, or it has no time for us."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body, default=float).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - checked above
        try:
            status, text = self._send(request)
        except (OSError, http.client.HTTPException) as e:
            reason = getattr(e, "reason", None) or e
            words = getattr(reason, "strerror", None) or str(reason) or type(e).__name__
            raise Stop(f"No desk answers at {self.url} ({words}). Start it with `make run`. {ELSEWHERE}") from None
        try:
            answer = json.loads(text, parse_float=Decimal)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Stop(f"What answers at {self.url} is not this desk. {ELSEWHERE}")
        if status == 429 or (status >= 500 and path != "/readyz"):
            raise Stop(f"The desk answers {status} to {method} {path}: {in_words(answer)}")
        return status, answer

    def _send(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with self._open(request, timeout=REQUEST_SECONDS) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read()

    def check_ready(self) -> None:
        """Return when web, database and worker are well."""
        if self.call("GET", "/healthz")[1].get("status") != "ok":
            raise Stop(f"What answers at {self.url} is not this desk. {ELSEWHERE}")
        for check in self.call("GET", "/readyz")[1].get("checks", []):
            if not check["ok"]:
                how = " Start it with `make run`." if check["name"] == "worker" else ""
                raise Stop(f"The desk is not ready: {check['name']}: {check['text']}.{how}")

    def log_in(self, username: str, password: str) -> None:
        """Send a fresh token with every request from now on."""
        status, answer = self.call("POST", "/v3/login", {"username": username, "password": password})
        if status != 200:
            raise Stop(
                f"The desk at {self.url} refuses the log-in of '{username}': {in_words(answer)} Give --password."
            )
        self.token = str(answer["access_token"])


def in_words(answer: dict[str, Any]) -> str:
    """Return the message of a refusal in one line."""
    message = answer.get("message", "no reason given")
    if isinstance(message, dict):
        return "; ".join(f"{name}: {rule}" for name, rule in message.items())
    return str(message)


@contextlib.contextmanager
def credentials(args: argparse.Namespace, config: Config, desk: Desk) -> Iterator[Credentials]:
    """Yield what was given; what is missing is made for this run, and the user is deleted at the end."""
    password = args.password or config.admin_password
    passphrase = args.passphrase or config.webhook_passphrase
    if password and passphrase:
        yield Credentials(args.username, password, passphrase)
        return
    if not desk.is_here and desk.url != config.base_url:
        raise Stop(f"{desk.url} is not the desk of this folder; give --password and --passphrase.")
    from app import create_app

    app = create_app(config.model_copy(update={"log_level": "error"}))
    username, notes = args.username, []
    with contextlib.ExitStack() as at_end:
        with own_database(app):
            if not passphrase:
                passphrase, end = add_passphrase(timedelta(seconds=args.wait + 240))
                notes.append(f"A passphrase made for this run ends at {end:%H:%M} UTC; yours are as before.")
            if not password:
                username, password = add_user()
                at_end.callback(delete_user, app, username)
                notes.append(f"The user '{username}' was there for this run only.")
        yield Credentials(username, password, passphrase, tuple(notes))


@contextlib.contextmanager
def own_database(app: Flask) -> Iterator[None]:
    """Work in the database that the settings of this folder name; raises Stop when it cannot be used."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with app.app_context():
            yield
    except SQLAlchemyError as e:
        reason = str(getattr(e, "orig", None) or e).strip().splitlines()[0]
        raise Stop(f"The database of this folder's settings cannot be used ({reason}).") from None


def add_passphrase(life: timedelta) -> tuple[str, datetime]:
    """Put a passphrase in force beside the others; returns it and its end."""
    from services.identity import passphrases

    passphrase = secrets.token_urlsafe(32)
    passphrases.add_passphrase(passphrase, life)
    return passphrase, datetime.now(UTC) + life


def add_user() -> tuple[str, str]:
    """Add a user who may set stops and return name and password; one who has the name already is left alone."""
    from domain.enums import Role
    from domain.errors import AlreadyExists
    from services.identity import users

    password = secrets.token_urlsafe(24)
    for username in (USERNAME, f"{USERNAME}-{secrets.token_hex(4)}"):
        with contextlib.suppress(AlreadyExists):
            users.create_user(username, password, Role.ADMIN)
            return username, password
    raise Stop("No user could be added for this run; give --password.")


def delete_user(app: Flask, username: str) -> None:
    """Delete the user made for this run."""
    from services.identity import users

    try:
        with own_database(app):
            users.delete_user(username)
    except Stop as e:
        print(f"{e} Delete the user yourself: flask users delete {username}", file=sys.stderr)
