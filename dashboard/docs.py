"""/v3/docs: the API's description to read and to try, by the bundled Swagger UI."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from dashboard.security import CONTENT_POLICY, add_page_headers

bp = Blueprint("docs", __name__)

# Swagger UI carries its icons as data: URLs; everything else keeps to the rule of all pages.
DOCS_POLICY = CONTENT_POLICY.replace("img-src 'self'", "img-src 'self' data:")


@bp.get("/v3/docs")
def docs() -> Response:
    """Show the API's documentation."""
    return add_page_headers(make_response(render_template("docs.html")), DOCS_POLICY)
