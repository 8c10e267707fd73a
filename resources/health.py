"""/healthz, /readyz and the API's own description."""

from __future__ import annotations

from typing import Any

from flask import current_app
from pydantic import BaseModel, ConfigDict

from resources.base import Access, ApiResource, endpoint
from resources.openapi import build_document
from resources.schemas.fields import Out
from services.health import check_health


class Live(Out):
    status: str


class CheckOut(Out):
    name: str
    ok: bool
    text: str


class Ready(Out):
    status: str
    checks: list[CheckOut]


class AnyObject(BaseModel):
    """Any JSON object."""

    model_config = ConfigDict(extra="allow")


class Healthz(ApiResource):
    @endpoint(Access.OPEN, "health", answers={200: Live})
    def get(self) -> Live:
        """Answer that the web process is alive."""
        return Live(status="ok")


class Readyz(ApiResource):
    @endpoint(Access.OPEN, "health", answers={200: Ready, 503: Ready})
    def get(self) -> tuple[Ready, int]:
        """Answer whether alerts can be stored and executed; what only warns (exits, differences) is told too."""
        checks = check_health()
        ok = all(check.ok or check.warns for check in checks)
        listed = [CheckOut(name=check.name, ok=check.ok, text=check.text) for check in checks]
        return Ready(status="ready" if ok else "not ready", checks=listed), 200 if ok else 503


class OpenApi(ApiResource):
    @endpoint(Access.OPEN, "health", answers={200: AnyObject})
    def get(self) -> dict[str, Any]:
        """Return this document."""
        document: dict[str, Any] = current_app.extensions.get("openapi") or build_document(current_app)
        current_app.extensions["openapi"] = document
        return document
