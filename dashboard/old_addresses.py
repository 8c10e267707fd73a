"""The pages of v3 under their old addresses: bookmarks lead to the pages of today."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

bp = Blueprint("old_addresses", __name__)


@bp.get("/dashboard")
def dashboard() -> ResponseReturnValue:
    """Lead to the dashboard."""
    return redirect(url_for("pages.dashboard"), 301)


@bp.get("/list")
def signals() -> ResponseReturnValue:
    """Lead to the list of signals, with the filters that can be carried over."""
    kept: dict[str, Any] = {"ticker": request.args.get("ticker_webhook", "").strip()}
    for ours, theirs in (("from", "start_date"), ("to", "end_date")):
        kept[ours] = _day(request.args.get(theirs, ""))
    return redirect(url_for("pages.signals", **{name: text for name, text in kept.items() if text}), 301)


@bp.get("/setup")
def setup() -> ResponseReturnValue:
    """Lead to where the desk is set up."""
    return redirect(url_for("controls.controls"), 301)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text.split(".")[0].strip()).isoformat()
    except ValueError:
        return ""
