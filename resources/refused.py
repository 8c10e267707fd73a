"""/v3/refused, and how deliveries to the webhook that were refused come on record."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask, Response, current_app, g, request

from domain.edge.refusal import in_words, redacted
from resources.base import Access, ApiResource, client_address, endpoint
from resources.schemas.fields import PageQuery
from resources.schemas.refused import RefusedPage
from services.intake import refused
from services.reports.refused_queries import count_refused, list_refused

WEBHOOKS = ("/v3/webhook", "/v4/webhook")
_PASSPHRASE = re.compile(r'"passphrase"\s*:\s*"([^"\\]{1,128})"')


class RefusedDeliveries(ApiResource):
    @endpoint(Access.ADMIN, "signals", query=PageQuery, answers={200: RefusedPage}, errors=(400, 401, 403))
    def get(self, query: PageQuery) -> RefusedPage:
        """List deliveries to the webhook that were refused page by page, newest first, and how many there were."""
        return RefusedPage.of(list_refused(query.limit, query.after, query.from_, query.to), count_refused())


def init_app(app: Flask) -> None:
    """Look at what the webhook answers, after the answer is made."""
    refused.init_app(app)

    @app.after_request
    def keep(response: Response) -> Response:
        if request.path.rstrip("/") not in WEBHOOKS or request.method != "POST":
            return response
        if response.status_code >= 400:
            refused.note(_refusal(response))
        elif refused.record().is_due:  # what could not be written before; the sender has its answer by then
            response.call_on_close(_writer(current_app._get_current_object()))  # type: ignore[attr-defined]
        return response


def _writer(app: Flask) -> Any:
    def write() -> None:
        with app.app_context():
            refused.record().write()

    return write


def _refusal(response: Response) -> refused.Refused:
    """Return what is to be kept of the request; of a passphrase that is not in force nothing but the number."""
    answer: Any = response.get_json(silent=True)
    reason = in_words(answer.get("message") if isinstance(answer, dict) else response.status)
    status = response.status_code
    text = bytes(g.get("raw_body") or b"").decode("utf-8", "replace")
    found = _PASSPHRASE.search(text)
    passphrase = g.json_body.get("passphrase") if "json_body" in g else found and found[1]
    known = status < refused.TROUBLE and refused.is_known(passphrase)
    was_tried = passphrase is not None and not known and "json_body" in g and status < refused.TROUBLE
    is_kept = status not in (401, 429) and not was_tried
    body = redacted(text, passphrase if isinstance(passphrase, str) else "") if is_kept else None
    return refused.Refused(address=client_address(), status=status, reason=reason, body=body, known=known)
