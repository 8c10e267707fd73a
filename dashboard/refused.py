"""The page of refused deliveries: what came to the webhook and could not be taken, and why."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from dashboard.formatting import moment
from dashboard.viewer import admins_only
from extensions import database_time
from services.reports.refused_queries import count_refused, list_refused

bp = Blueprint("refused", __name__)

PAGE = 50


@bp.get("/refused")
@admins_only
def refused() -> str:
    """List refused deliveries page by page, newest first, with how many there were on each day."""
    after = request.args.get("after", "")
    if after and not (after.isascii() and after.isdigit() and len(after) <= 18):
        abort(400, "This page of the list does not exist.")
    page, now = list_refused(PAGE, int(after) if after else None), database_time()
    return render_template(
        "refused.html",
        now=now,
        rows=[(row, moment(row.at, now)) for row in page.rows],
        counts=count_refused(),
        older=page.next_after,
        after=after,
    )
