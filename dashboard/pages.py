"""The pages: dashboard, list of signals, one signal, guide."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined
from markupsafe import Markup

from dashboard.filters import read_filters
from dashboard.forms import Form, sent_form
from dashboard.viewer import actor, admins_only, current_viewer, readers_only
from dashboard.views.results import result_today
from dashboard.views.signal import detail
from dashboard.views.signals import health, signal_row, status_counts
from domain.edge.visible import visible
from domain.errors import InvalidInput, NotFound
from domain.order_status import SignalStatus
from domain.ticker import TickerError, normalise_name
from extensions import database_time
from services.execution.stops import list_stops
from services.interventions.edit_signal import cancel_signal
from services.interventions.settle import settle_signal
from services.reports import order_queries, position_queries, signal_queries
from services.reports.signal_queries import SignalFilter

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
    app.jinja_env.finalize = _show_hidden
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["static"] = lambda name: url_for("static", filename=name, v=versions[name])


def _show_hidden(value: Any) -> Any:
    """Return what a template writes, with nothing hidden in it: older rows and brokers' texts may hold anything."""
    if not isinstance(value, str):
        return value
    return Markup(visible(value)) if isinstance(value, Markup) else visible(value)  # noqa: S704 - it was markup before


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
    state = signal_queries.desk_state()
    today = datetime(state.now.year, state.now.month, state.now.day, tzinfo=UTC)
    rows = signal_queries.list_signals(SignalFilter(name=name), _at_most(RECENT))
    names = list(signal_queries.latest_names(TABS))
    return render_template(
        "dashboard.html",
        now=state.now,
        health=health(state),
        counts=status_counts(signal_queries.count_by_status(today)),
        today=f"{today:%Y-%m-%d}",
        names=names if name is None or name in names else [name, *names],
        name=name,
        rows=[signal_row(row, state.now) for row in rows],
        empty=not rows and not signal_queries.has_signals(),
        strip=_strip(state.now) if current_viewer() is not None else None,
        **_guide(),
    )


def _strip(now: datetime) -> dict[str, object]:
    """Return the figures of execution in one line."""
    return {
        "orders": order_queries.count_open(),
        "books": position_queries.count_books(),
        "results": result_today(now),
        "stops": len(list_stops(in_force=True)),
    }


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
            rows = list(signal_queries.list_signals(filters.wanted, limit + 1, filters.after))
        except InvalidInput:
            filters.messages["after"] = "This page of the list does not exist any more."
    now = database_time()
    more = len(rows) > limit
    page = render_template(
        "signals.html",
        now=now,
        filters=filters,
        statuses=list(SignalStatus),
        names=signal_queries.latest_names(TABS),
        rows=[signal_row(row, now) for row in rows[:limit]],
        more=more,
        older=rows[limit - 1].id if more and current_viewer() is not None else None,
    )
    return page, 400 if filters.messages else 200


@bp.get("/signals/<string:rowid>")
@readers_only
def signal(rowid: str) -> ResponseReturnValue:
    """Show everything about one signal."""
    return _signal_page(rowid, Form())


@bp.post("/signals/<string:rowid>")
@admins_only
def signal_deed(rowid: str) -> ResponseReturnValue:
    """Cancel a signal, or settle one that needed a person."""
    number, form = _rowid(rowid), sent_form()
    reason = form.reason()

    def act() -> str:
        if form.deed == "settle":
            settle_signal(number, reason, actor())
            return f"Signal {number} is settled."
        canceled = cancel_signal(number, reason, actor())
        if canceled.status == SignalStatus.CANCELED:
            return f"Signal {number} is canceled."
        return "The end of its orders was asked for; the broker decides."

    if form.deed not in ("cancel", "settle"):
        abort(400, "This form is not known.")
    try:
        done = form.run(act, url_for("pages.signal", rowid=number))
    except NotFound:
        abort(404)
    return done if done is not None else form.answer(_signal_page(rowid, form))


def _signal_page(rowid: str, form: Form) -> str:
    try:
        row = signal_queries.get_signal(_rowid(rowid))
    except NotFound:
        abort(404)
    now = database_time()
    shown = detail(row, signal_queries.list_order_events(row.id), now)
    return render_template("signal.html", now=now, signal=shown, form=form)


def _rowid(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        abort(404)
    return int(text)


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
    return signal_queries.ANONYMOUS_WAITING_ROWS if status is SignalStatus.WAITING else signal_queries.ANONYMOUS_ROWS
