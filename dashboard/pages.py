"""The pages: dashboard, list of signals, one signal, guide."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined

from dashboard.detail import detail
from dashboard.filters import read_filters
from dashboard.view import health, signal_row, status_counts
from dashboard.viewer import current_viewer, readers_only
from domain.errors import InvalidInput, NotFound
from domain.order_status import SignalStatus
from domain.ticker import TickerError, normalise_name
from extensions import database_time
from services import queries
from services.queries import SignalFilter

bp = Blueprint("pages", __name__)

RECENT = 25  # signals on the dashboard
PAGE = 50  # signals on a page of the list
TABS = 8
TEMPLATE = "tradingview_alert.json"
ONLY_HERE = ("127.0.0.1", "localhost", "::1")


def init_app(app: Flask) -> None:
    """Read what never changes, and let templates name files by their content."""
    template = Path(app.root_path) / "local" / TEMPLATE
    app.extensions["alert_template"] = template.read_text(encoding="utf-8").strip()
    folder = Path(str(app.static_folder))
    files = [path for path in folder.rglob("*") if path.is_file()]
    versions = {path.relative_to(folder).as_posix(): _version(path) for path in files}
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["static"] = lambda name: url_for("static", filename=name, v=versions[name])


def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@bp.get("/")
@readers_only
def dashboard() -> ResponseReturnValue:
    """Show how the desk is doing and what came in lately."""
    try:
        name = normalise_name(request.args["ticker"]) if request.args.get("ticker") else None
    except TickerError as e:
        abort(400, e.reason)
    state = queries.desk_state()
    today = datetime(state.now.year, state.now.month, state.now.day, tzinfo=UTC)
    rows = queries.list_signals(SignalFilter(name=name), _at_most(RECENT))
    names = list(queries.latest_names(TABS))
    return render_template(
        "dashboard.html",
        now=state.now,
        health=health(state, current_app.config["DESK"].signal_lifetime),
        counts=status_counts(queries.count_by_status(today)),
        today=f"{today:%Y-%m-%d}",
        names=names if name is None or name in names else [name, *names],
        name=name,
        rows=[signal_row(row, state.now) for row in rows],
        empty=not rows and not queries.has_signals(),
        **_guide(),
    )


@bp.get("/signals")
@readers_only
def signals() -> ResponseReturnValue:
    """List signals page by page, newest first, with filters."""
    filters = read_filters(request.args)
    if filters.after is not None and current_viewer() is None:
        filters.messages["after"] = "Log in to see older signals."
    rows = []
    limit = _at_most(PAGE, filters.wanted.status)
    if not filters.messages:
        try:
            rows = list(queries.list_signals(filters.wanted, limit + 1, filters.after))
        except InvalidInput:
            filters.messages["after"] = "This page of the list does not exist any more."
    now = database_time()
    more = len(rows) > limit
    page = render_template(
        "signals.html",
        now=now,
        filters=filters,
        statuses=list(SignalStatus),
        names=queries.latest_names(TABS),
        rows=[signal_row(row, now) for row in rows[:limit]],
        more=more,
        older=rows[limit - 1].id if more and current_viewer() is not None else None,
    )
    return page, 400 if filters.messages else 200


@bp.get("/signals/<string:rowid>")
@readers_only
def signal(rowid: str) -> ResponseReturnValue:
    """Show everything about one signal."""
    if not (rowid.isascii() and rowid.isdigit() and len(rowid) <= 18):
        abort(404)
    try:
        row = queries.get_signal(int(rowid))
    except NotFound:
        abort(404)
    now = database_time()
    shown = detail(row, queries.list_order_events(row.id), now)
    return render_template("signal.html", now=now, signal=shown)


@bp.get("/guide")
@readers_only
def guide() -> ResponseReturnValue:
    """Show how TradingView is connected."""
    return render_template("guide.html", **_guide())


def _guide() -> dict[str, object]:
    webhook = current_app.config["DESK"].base_url + "/v3/webhook"
    return {
        "webhook_url": webhook,
        "only_here": urlsplit(webhook).hostname in ONLY_HERE,
        "alert_template": current_app.extensions["alert_template"],
    }


def _at_most(rows: int, status: SignalStatus | None = None) -> int:
    if current_viewer() is not None:
        return rows
    return queries.ANONYMOUS_WAITING_ROWS if status is SignalStatus.WAITING else queries.ANONYMOUS_ROWS
