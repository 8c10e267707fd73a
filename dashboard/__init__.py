"""Pages for people."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register pages."""
    app.extensions["error_page"] = lambda e, *a: (str(e), getattr(e, "code", 500) or 500)
