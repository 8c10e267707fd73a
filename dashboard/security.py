"""What guards the pages in a browser: headers, form tokens, and where a form may come from."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, request, session

from dashboard.viewer import current_viewer

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
PAGE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
ONE_YEAR = 365 * 24 * 3600
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_ID = re.compile(r"[A-Za-z0-9_-]{43}")
STALE_FORM = "This form was open too long, or another site sent it. Go back, load the page again and retry."


def init_app(app: Flask) -> None:
    """Let templates make form tokens."""
    app.jinja_env.globals["csrf_token"] = csrf_token


def form_cookie() -> str:
    """Return the name of the cookie that binds the forms of visitors who have no session yet."""
    return "__Host-form" if current_app.config["DESK"].secure_cookies else "form"


def csrf_token() -> str:
    """Return the token for this page's forms, bound to the session or, before the log-in, to a cookie."""
    if current_viewer() is not None:
        return _token(f"session:{session.sid}")  # type: ignore[attr-defined]
    kept = request.cookies.get(form_cookie(), "")
    if not FORM_ID.fullmatch(kept):
        kept = g.form_id = g.get("form_id") or secrets.token_urlsafe(32)
    return _token(f"form:{kept}")


def _token(bound_to: str) -> str:
    key = current_app.config["DESK"].secret_key.encode()
    return hmac.new(key, bound_to.encode(), hashlib.sha256).hexdigest()


def check_request() -> None:
    """Refuse with 403 a request that changes something and does not come from a form of the desk."""
    if request.method in SAFE_METHODS or request.routing_exception is not None:
        return
    if request.endpoint == "auth.log_out" and current_viewer() is None:
        return  # the session is over already; a page that was left open may say so once more
    given = request.form.get("csrf_token", "")
    if not _from_here() or not hmac.compare_digest(given.encode(), csrf_token().encode()):
        abort(403, STALE_FORM)


def _from_here() -> bool:
    """Judge a request by the browser's own headers; without them the form's token decides alone.

    Browsers leave Sec-Fetch-Site out on plain HTTP in a local network, and under `no-referrer` the
    Origin of a form is "null".
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin", "null")
    if origin == "null":
        return True
    return urlsplit(origin).netloc in (request.host, urlsplit(current_app.config["DESK"].base_url).netloc)


def add_page_headers(response: Response, content_policy: str = CONTENT_POLICY) -> Response:
    """Add what every page carries."""
    for name, value in PAGE_HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Content-Security-Policy", content_policy)
    response.headers.setdefault("Cache-Control", "no-store")
    secure = current_app.config["DESK"].secure_cookies
    if secure:
        response.headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR}; includeSubDomains"
    if form_id := g.get("form_id"):
        response.set_cookie(form_cookie(), form_id, path="/", secure=secure, httponly=True, samesite="Strict")
    return response


def add_few_headers(response: Response) -> Response:
    """Add what answers to programs and files carry; the alerts pass here, so it does next to nothing."""
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    if not request.path.startswith("/static"):
        headers["Cache-Control"] = "no-store"
    elif "v" in request.args:  # the address changes with the content
        headers["Cache-Control"] = f"public, max-age={ONE_YEAR}, immutable"
    return response
