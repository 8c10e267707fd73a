"""Server-side sessions: the browser holds a random name, the database its SHA-256 and what belongs to it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import msgspec
from flask import Flask, Request, Response, g
from flask_session.base import ServerSideSession, ServerSideSessionInterface
from sqlalchemy.exc import SQLAlchemyError

from services.identity import web_sessions

logger = logging.getLogger(__name__)

SID_BYTES = 32


class DeskSessions(ServerSideSessionInterface):
    """Keeps sessions in the desk's database, in transactions of their own and never as pickle."""

    ttl = True  # `web_sessions.save` forgets what is over; the base class need not

    def __init__(self, app: Flask, without: tuple[str, ...]) -> None:
        super().__init__(app, permanent=True, sid_length=SID_BYTES)
        self._without = without
        config = app.config["DESK"]
        app.config.update(
            SESSION_COOKIE_NAME="__Host-session" if config.secure_cookies else "session",
            SESSION_COOKIE_SECURE=config.secure_cookies,
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            SESSION_REFRESH_EACH_REQUEST=False,
            PERMANENT_SESSION_LIFETIME=timedelta(hours=config.session_hours),
        )

    def open_session(self, app: Flask, request: Request) -> ServerSideSession | None:
        """Return the browser's session, or a new one for an unknown cookie; None where pages have none."""
        if request.path.startswith(self._without):
            return None
        try:
            return super().open_session(app, request)
        except SQLAlchemyError as e:  # too early for the error pages, see check_opened
            g.session_failure = e
            return None

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        """Store what changed; an emptied session ends, and so does its cookie."""
        if session.accessed:
            response.vary.add("Cookie")
        if not session.modified:
            return
        cookie: dict[str, Any] = {
            "key": self.get_cookie_name(app),
            "path": "/",
            "secure": self.get_cookie_secure(app),
            "httponly": True,
            "samesite": self.get_cookie_samesite(app),
        }
        if session:
            self._upsert_session(app.permanent_session_lifetime, session, self._get_store_id(session.sid))
            response.set_cookie(value=session.sid, expires=self.get_expiration_time(app, session), **cookie)
        else:
            self._delete_session(self._get_store_id(session.sid))
            response.delete_cookie(**cookie)

    def _get_store_id(self, sid: str) -> str:
        return web_sessions.store_id(sid)

    def _retrieve_session_data(self, store_id: str) -> dict[str, Any] | None:
        data = web_sessions.load(store_id)
        if data is None:
            return None
        try:
            content: dict[str, Any] = self.serializer.decoder.decode(data)
        except msgspec.DecodeError:
            logger.warning("a session could not be read and is taken for none")
            return None
        return content

    def _delete_session(self, store_id: str) -> None:
        web_sessions.delete(store_id)

    def _upsert_session(self, session_lifetime: timedelta, session: ServerSideSession, store_id: str) -> None:
        web_sessions.save(store_id, self.serializer.encode(session), session_lifetime)


def check_opened() -> None:
    """Raise the error that occurred when the session was opened, now that it can become an error page."""
    failure: Exception | None = g.pop("session_failure", None)
    if failure is not None:
        raise failure
