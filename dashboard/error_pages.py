"""Errors as pages, in the same look; they read nothing from the database, which may be what is away."""

from __future__ import annotations

from flask import Response, make_response, render_template
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from dashboard import banners

WORDS = {
    400: ("This request makes no sense to the desk", None),
    403: ("Not allowed", None),
    404: ("There is no such page", "The address may be mistyped, or what it showed was deleted."),
    405: ("This page cannot be used that way", "It was asked with a method that it does not have."),
    413: ("Too much at once", "The form holds more than the desk accepts."),
    500: ("Something unexpected happened", "It is in the log under the number below."),
    503: ("The database is not available", "Nothing was changed. Pages work again as soon as it answers."),
}
KEPT_HEADERS = ("allow", "retry-after")


def error_page(error: Exception, status: int | None = None, error_id: str | None = None) -> Response:
    """Return the page of an error; `error_id` finds its entry in the log."""
    headers = {}
    described = None
    if isinstance(error, HTTPException):
        status = status or error.code or 500
        headers = {name: value for name, value in error.get_headers() if name.lower() in KEPT_HEADERS}
        described = error.description if status in (400, 403) else None
    status = status or 500
    banners.without_database()
    title, text = WORDS.get(status, (HTTP_STATUS_CODES.get(status, "Error"), None))
    words = {"title": title, "text": described or text}
    page = render_template("error.html", status=status, error_id=error_id, **words)
    response = make_response(page, status, headers)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
