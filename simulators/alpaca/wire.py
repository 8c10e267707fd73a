"""How Alpaca writes numbers, times and refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

TOO_MUCH = Decimal("1e15")  # no order is so large; what is can be reckoned with to the last decimal
VALIDATION, BUSINESS, FORBIDDEN, NOT_FOUND = 40010001, 42210000, 40310000, 40410000


class Refused(Exception):
    """A request that is answered with an error; `code` None = the body has none."""

    def __init__(self, status: int, code: int | None, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.more = status, code, message, more

    def response(self) -> web.Response:
        """Return the answer."""
        body: dict[str, Any] = {"message": self.message, **self.more}
        return answer(body if self.code is None else {"code": self.code, **body}, self.status)


def answer(body: Any, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    return web.Response(text=json.dumps(body), status=status, content_type="application/json")


def text(value: Decimal | None) -> str | None:
    """Return a number as text, without exponent and without zeros at its end."""
    if value is None:
        return None
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def iso(at: datetime | None) -> str | None:
    """Return a time as RFC 3339 with nine decimals, UTC; clients must bear that."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def number(value: Any, name: str) -> Decimal | None:
    """Return a number given as text or as such; raises Refused naming the field."""
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise Refused(422, VALIDATION, f"invalid {name}") from None
    if isinstance(value, bool) or not found.is_finite() or abs(found) >= TOO_MUCH:
        raise Refused(422, VALIDATION, f"invalid {name}")
    return found


def fits(value: Decimal, places: int) -> bool:
    """Return True if a number has no more decimals than that."""
    return value == round(value, places)


def moment(value: str | None, name: str) -> datetime | None:
    """Return a time of a query, a day counts as its midnight UTC; raises Refused naming the field."""
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Refused(422, VALIDATION, f"invalid {name}") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request; raises Refused."""
    return read_body(await request.text())


def read_body(text: str) -> dict[str, Any]:
    """Return the JSON object of a text; raises Refused."""
    try:
        body = json.loads(text)
    except ValueError:
        raise Refused(400, 40010000, "request body format is invalid") from None
    if not isinstance(body, dict):
        raise Refused(400, 40010000, "request body format is invalid")
    return body
