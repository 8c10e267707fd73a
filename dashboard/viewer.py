"""Who looks at a page, and what they may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Flask, abort, current_app, g, redirect, request, session, url_for

from models import User
from services.identity.users import find_user_by_id


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person who is logged in; a plain value, so that no page reads the user's row again."""

    id: int
    username: str
    is_admin: bool


def init_app(app: Flask) -> None:
    """Give templates the function that says who the viewer is."""
    app.jinja_env.globals.update(viewer=current_viewer, is_admin=is_admin, login_url=login_url)


def current_viewer() -> Viewer | None:
    """Return who is logged in; None for anyone else."""
    found: Viewer | None = g.get("viewer")
    return found


def load_viewer() -> None:
    """Find out who the viewer is; end a session that is older than the last change of password or role."""
    if "user" not in session:
        return
    user = find_user_by_id(session["user"], session["epoch"])
    if user is None:
        session.clear()
    else:
        g.viewer = Viewer(user.id, user.username, user.is_admin)


def begin(user: User) -> None:
    """Log a user in: a new session under a new name, so that one known beforehand is worth nothing."""
    identity = {"user": user.id, "epoch": user.epoch}
    session.clear()
    session.update(identity)
    current_app.session_interface.regenerate(session)  # type: ignore[attr-defined]


def end() -> None:
    """Log the viewer out."""
    session.clear()
    g.pop("viewer", None)


def may_read() -> bool:
    """Return True if this visitor may see signals at all."""
    return current_viewer() is not None or current_app.config["DESK"].open_reads


def readers_only(view: Callable[..., Any]) -> Callable[..., Any]:
    """Send visitors who may not read to the log-in, and back to where they wanted to go afterwards."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if may_read():
            return view(*args, **kwargs)
        return redirect(login_url(), 303)

    return guarded


def members_only(view: Callable[..., Any]) -> Callable[..., Any]:
    """Send everybody who is not logged in to the log-in, also where signals may be read without one."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        return redirect(login_url(), 303) if current_viewer() is None else view(*args, **kwargs)

    return guarded


def admins_only(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only admins through: for what changes the desk."""

    @members_only
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not is_admin():
            abort(403, "Only an admin of this desk may do that.")
        return view(*args, **kwargs)

    return guarded


def is_admin() -> bool:
    """Return True if an admin looks."""
    found = current_viewer()
    return found is not None and found.is_admin


def actor() -> str:
    """Return who does something, as it goes on record."""
    found = current_viewer()
    return f"user {found.username}" if found else "nobody"


def login_url() -> str:
    """Return the address of the log-in that leads back to this page."""
    here = request.full_path.rstrip("?")
    wanted = here if request.method == "GET" and request.endpoint and here != "/" else None
    return url_for("auth.login", next=wanted)
