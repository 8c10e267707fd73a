"""The one place where errors become HTTP answers.

Every body is {"message": text or {field: rule}, "error": code, …}; `message` is what v3 clients read.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

import flask_restful
import simplejson
from flask import Flask, Response, current_app, request
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from domain import errors
from domain.edge.visible import visible_json
from extensions import db

logger = logging.getLogger(__name__)

STATUS_BY_ERROR: dict[type[errors.TradingError], int] = {
    errors.InvalidInput: 400,
    errors.AlreadyExists: 400,  # as v3 answers it
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.IllegalTransition: 409,
    errors.PayloadMismatch: 422,
    errors.TooMany: 429,
    errors.DatabaseBusy: 503,
    errors.BrokerAway: 503,
}


class ExactJson(DefaultJSONProvider):
    """Writes Decimals as exact JSON numbers, refuses NaN, which is no JSON, and lets no hidden character through."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return the JSON text; raises ValueError for NaN and Infinity."""
        return visible_json(simplejson.dumps(obj, use_decimal=True, allow_nan=False, separators=(",", ":")))


class Api(flask_restful.Api):
    """Flask-RESTful answers errors itself and badly; hand them to Flask so that one mapper serves all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.representations.clear()
        self.representation("application/json")(_to_json)

    def error_router(self, original_handler: Any, e: Exception) -> Any:
        """Pass the error on to Flask's own handling."""
        return original_handler(e)


def _to_json(data: Any, code: int, headers: Any = None) -> Response:
    response = current_app.response_class(current_app.json.dumps(data) + "\n", code, mimetype="application/json")
    response.headers.extend(headers or {})
    return response


def wants_json() -> bool:
    """Return True if the caller is a program: the API's paths and the health checks."""
    return request.path.startswith(("/v3", "/v4", "/healthz", "/readyz"))


def error_body(message: Any, code: str, **more: Any) -> dict[str, Any]:
    """Return the envelope of an error."""
    return {"message": message, "error": code, **more}


def answer(message: Any, code: str, status: int, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Return an error as JSON."""
    return _to_json(error_body(message, code, **more), status, headers)


def _status_of(e: errors.TradingError) -> int:
    return next(STATUS_BY_ERROR[kind] for kind in type(e).__mro__ if kind in STATUS_BY_ERROR)


def _trading_error(e: errors.TradingError) -> ResponseReturnValue:
    if not wants_json():
        return current_app.extensions["error_page"](e, _status_of(e))
    status = _status_of(e)
    message: Any = e.fields if isinstance(e, errors.InvalidInput) else e.message
    if e.code == "wrong_passphrase":
        message = {"passphrase": e.message}
    headers = {"Retry-After": str(e.retry_after)} if isinstance(e, errors.TooMany) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return answer(message, e.code, status, headers)


def _http_error(e: HTTPException) -> ResponseReturnValue:
    if not wants_json():
        return current_app.extensions["error_page"](e)
    code = e.name.lower().replace(" ", "_")
    kept = {name: value for name, value in e.get_headers() if name.lower() in ("allow", "retry-after")}
    return answer(e.description or e.name, code, e.code or 500, kept)


def _database_error(e: DBAPIError | PoolTimeout) -> ResponseReturnValue:
    """Answer 503 when the database is away or busy: TradingView sends again after 5xx."""
    away = isinstance(e, PoolTimeout | OperationalError) or getattr(e, "connection_invalidated", False)
    if not away:
        return _unexpected(e)
    db.session.rollback()
    error_id = uuid.uuid4().hex[:12]
    logger.error(
        "error %s: database away or busy on %s %s: %s",
        error_id,
        request.method,
        request.path,
        str(getattr(e, "orig", e)).strip(),
    )
    if not wants_json():
        return current_app.extensions["error_page"](e, 503, error_id)
    all_in_use = isinstance(e, PoolTimeout)
    return answer(
        "All connections to the database are in use; nothing was stored."
        if all_in_use
        else "The database is not available; nothing was stored.",
        "database_away",
        503,
        {"Retry-After": "5"},
        id=error_id,
    )


def _unexpected(e: Exception) -> ResponseReturnValue:
    db.session.rollback()
    error_id = uuid.uuid4().hex[:12]
    logger.error("error %s: unexpected on %s %s", error_id, request.method, request.path, exc_info=e)
    if not wants_json():
        return current_app.extensions["error_page"](e, 500, error_id)
    return answer("Something unexpected happened; it is in the log under this id.", "unexpected", 500, id=error_id)


def init_app(app: Flask) -> None:
    """Register the handlers, most special first."""
    app.json = ExactJson(app)
    app.register_error_handler(errors.TradingError, _trading_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(DBAPIError, _database_error)
    app.register_error_handler(PoolTimeout, _database_error)
    app.register_error_handler(Exception, _unexpected)
