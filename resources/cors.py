"""Which pages of other addresses may read the API from a browser: those that CORS_ORIGINS names, and no other.

A few lines instead of a library: one list, `/v3` only, and never with cookies, for the API knows tokens alone.
"""

from __future__ import annotations

from flask import Flask, Response, request

PREFLIGHT_SECONDS = "600"


def init_app(app: Flask) -> None:
    """Add what browsers ask for, where anybody is allowed at all."""
    allowed = frozenset(filter(None, app.config["DESK"].cors_origins.split(",")))
    if not allowed:
        return

    @app.after_request
    def allow(response: Response) -> Response:
        if not request.path.startswith("/v3"):
            return response
        response.vary.add("Origin")  # a cache must not give one page's answer to another
        origin = request.headers.get("Origin")
        if origin not in allowed:
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
        return response
