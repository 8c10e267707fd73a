"""Pages for people: they read and act through services alone; log-in by a session kept in the database."""

from __future__ import annotations

from flask import Flask, Response, request

from dashboard import (
    accounts,
    auth,
    banners,
    controls,
    docs,
    error_pages,
    events,
    old_addresses,
    orders,
    pages,
    positions,
    refused,
    security,
    sessions,
    viewer,
)
from extensions import db

# These answer programs, or serve files that are the same for all: no session, no user, no form token.
NO_SESSION = ("/v3", "/v4", "/healthz", "/readyz", "/static")


def init_app(app: Flask) -> None:
    """Register pages, sessions, the checks before each page and the headers after it."""
    app.session_interface = sessions.DeskSessions(app, NO_SESSION)
    security.init_app(app)
    viewer.init_app(app)
    banners.init_app(app)
    pages.init_app(app)
    events.init_app(app)
    app.extensions["error_page"] = error_pages.error_page
    for module in (accounts, auth, controls, docs, events, old_addresses, orders, pages, positions, refused):
        app.register_blueprint(module.bp)

    @app.before_request
    def prepare() -> None:
        if not request.path.startswith(NO_SESSION):
            sessions.check_opened()
            viewer.load_viewer()
            security.check_request()

    @app.after_request
    def finish(response: Response) -> Response:
        if request.path.startswith(NO_SESSION):
            return security.add_few_headers(response)
        db.session.rollback()  # what a page left unfinished must not block the session's own transaction
        return security.add_page_headers(response)
