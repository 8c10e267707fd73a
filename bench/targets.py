"""What gunicorn serves for bench.webhook: the desk, and beside it two bare Flask views to measure it against."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, request

from app import create_app as create_desk
from bench.raw import Raw

BARE, INSERT = "/bench/bare", "/bench/insert"


def create_app() -> Flask:
    """Return the desk's application, whose server also answers BARE and INSERT.

    The bare views are an application of their own: they pay nothing of the desk's hooks.
    """
    desk = create_desk()
    bare = _bare_app(Raw(desk.config["DESK"].database_url))
    serve = desk.wsgi_app

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        chosen = bare.wsgi_app if environ["PATH_INFO"] in (BARE, INSERT) else serve
        return chosen(environ, start_response)

    desk.wsgi_app = dispatch  # type: ignore[method-assign]
    return desk


def _bare_app(raw: Raw) -> Flask:
    app = Flask("bare")
    mine = threading.local()

    @app.route(BARE, methods=["GET", "POST"])
    def answer() -> dict[str, Any]:
        return {"message": "Nothing was done.", "rowid": 1, "duplicate": False}

    @app.post(INSERT)
    def insert() -> tuple[dict[str, Any], int]:
        if not hasattr(mine, "connection"):
            mine.connection = raw.connect()
        raw.insert(mine.connection, request.get_data(as_text=True))
        return {"message": "One row was stored.", "rowid": 1, "duplicate": False}, 201

    return app
