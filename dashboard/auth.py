"""Log-in and log-out."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard import viewer
from domain.errors import NotAuthenticated, TooMany
from services.identity.users import authenticate

bp = Blueprint("auth", __name__)

MAX_USERNAME, MAX_PASSWORD = 64, 128


@bp.get("/login")
def login() -> ResponseReturnValue:
    """Show the log-in form."""
    if viewer.current_viewer() is not None:
        return redirect(local_path(request.args.get("next")), 303)
    return _form()


@bp.post("/login")
def log_in() -> ResponseReturnValue:
    """Log in and go on to where the visitor wanted to go."""
    username, password = request.form.get("username", ""), request.form.get("password", "")
    # What cannot be a user's name is looked up as the empty one, which nobody has: same work, same answer.
    known_form = username.isprintable() and len(username) <= MAX_USERNAME and len(password) <= MAX_PASSWORD
    address = request.remote_addr or "unknown"
    try:
        user = authenticate(username if known_form else "", password[:MAX_PASSWORD], address)
    except NotAuthenticated:
        return _form("The user name or the password is wrong.", username[:MAX_USERNAME]), 401
    except TooMany as e:
        text = f"Too many failed log-ins. Try again in {e.retry_after} s."
        return _form(text, username[:MAX_USERNAME]), 429, {"Retry-After": str(e.retry_after)}
    viewer.begin(user)
    return redirect(local_path(request.form.get("next")), 303)


@bp.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session."""
    viewer.end()
    return redirect(url_for("auth.login"), 303)


def local_path(wanted: str | None) -> str:
    """Return the wanted path if it lies within this site, else the dashboard's.

    Browsers drop tabs and line breaks and read `\\` as `/`, so `/\\t/host` would lead to another host.
    """
    plain = wanted is not None and wanted.isprintable() and " " not in wanted and "\\" not in wanted
    if wanted is None or not plain or not wanted.startswith("/") or wanted.startswith("//"):
        return url_for("pages.dashboard")
    return wanted


def _form(message: str | None = None, username: str = "") -> str:
    wanted = request.values.get("next", "")
    return render_template("login.html", message=message, username=username, next=wanted)
