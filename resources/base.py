"""What every resource method has: who may call it, what goes in, what comes out, and its documentation."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import flask_restful
from flask import current_app, request
from flask_jwt_extended import current_user, verify_jwt_in_request
from pydantic import BaseModel, ValidationError

from domain.edge.ignored import touches_money
from domain.errors import InvalidInput, NotAllowed, NotFound
from resources.body import json_body
from resources.schemas.fields import V3Body
from services.catalog.registry_changes import Editor

logger = logging.getLogger(__name__)


class Access(Enum):
    """Who may call a method."""

    OPEN = "anyone"
    READ = "anyone, or a token where OPEN_READS is false"
    OPTIONAL = "anyone with fewer rows, more with a token"
    TOKEN = "access token"  # noqa: S105 - words for the documentation
    FRESH = "fresh access token"
    ADMIN = "fresh access token of an admin"
    REFRESH = "refresh token"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The documentation of one method, read by the OpenAPI builder and by the guard tests."""

    access: Access
    summary: str
    tag: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answers: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    errors: tuple[int, ...] = ()


def endpoint(
    access: Access,
    tag: str,
    *,
    answers: Mapping[int, type[BaseModel]],
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Guard, validate and document a resource method.

    The method gets `body` and `query` as validated models and returns a model, or (model, status).
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            require(access)
            if any("\x00" in text for text in kwargs.values()):  # nothing in a database is called so
                raise NotFound("item not found.")
            if body is not None:
                kwargs["body"] = load(body, json_body())
            if query is not None:
                kwargs["query"] = load(query, _flat_query())
            result = method(*args, **kwargs)
            model, status = result if isinstance(result, tuple) else (result, min(answers))
            content = model.model_dump() if isinstance(model, BaseModel) else model
            if isinstance(sent := kwargs.get("body"), V3Body) and sent.ignored:
                content["ignored"] = list(sent.ignored)
                _log_ignored(sent.ignored, content.get("rowid"))
            return content, status

        summary = (inspect.getdoc(method) or "").split("\n")[0]
        call.__endpoint__ = Endpoint(access, summary, tag, body, query, answers, errors)  # type: ignore[attr-defined]
        return call

    return decorate


class ApiResource(flask_restful.Resource):
    """Base of all resources; a method that says not who may call it cannot exist."""

    def __init_subclass__(cls) -> None:
        """Refuse undocumented methods when the class is made."""
        super().__init_subclass__()
        for verb in ("get", "post", "put", "patch", "delete"):
            method = cls.__dict__.get(verb)
            if method is not None and not hasattr(method, "__endpoint__"):
                raise TypeError(f"{cls.__name__}.{verb} has no @endpoint")


def require(access: Access) -> None:
    """Let the request pass, or raise what becomes 401 or 403."""
    if access is Access.READ:
        access = Access.OPEN if current_app.config["DESK"].open_reads else Access.TOKEN
    elif access is Access.OPTIONAL:
        # A token that is sent must be good: a mistyped one must not quietly give an anonymous answer.
        sent = "Authorization" in request.headers
        access = Access.OPEN if current_app.config["DESK"].open_reads and not sent else Access.TOKEN
    if access is Access.OPEN:
        return
    verify_jwt_in_request(fresh=access in (Access.FRESH, Access.ADMIN), refresh=access is Access.REFRESH)
    if access is Access.ADMIN and not current_user.is_admin:
        raise NotAllowed("'admin' privilege required.")


def has_token() -> bool:
    """Return True if the request came with a good token; only valid after `require`."""
    return "Authorization" in request.headers and current_user is not None


def editor() -> Editor:
    """Return who changes the registry; only valid after `require` with a token."""
    return Editor(f"user {current_user.username}", current_user.is_admin)


def client_address() -> str:
    """Return the caller's address as the counted proxies report it."""
    return request.remote_addr or "unknown"


def _log_ignored(names: Sequence[str], rowid: object) -> None:
    level = logging.WARNING if touches_money(names) else logging.INFO
    of = f" (signal {rowid})" if rowid is not None else ""
    logger.log(level, "%s %s%s: unknown fields ignored: %s", request.method, request.path, of, ", ".join(names))


def load(schema: type[BaseModel], data: Mapping[str, Any]) -> BaseModel:
    """Return the validated model; raises InvalidInput with a rule for each field."""
    try:
        body = schema.model_validate(data)
    except ValidationError as e:
        raise InvalidInput(field_errors(e)) from None
    if isinstance(body, V3Body):
        body.compare_names(data)
    return body


def field_errors(e: ValidationError) -> dict[str, str]:
    """Return {field: rule in words}; values are never repeated, they may be secrets."""
    result: dict[str, str] = {}
    for error in e.errors(include_url=False):
        name = ".".join(str(part) for part in error["loc"]) or "body"
        kind = "missing" if error["input"] is None else error["type"]
        result.setdefault(name, _in_words(name, kind, error["msg"], error.get("ctx", {})))
    return result


WORDS = {
    "extra_forbidden": "is not a field of this request",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_type": "must be text",
    "string_pattern_mismatch": "has a character that is not allowed here",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}


def _in_words(name: str, kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind in ("missing", "cannot_be_empty", "string_too_short"):
        return f"'{name}' cannot be empty!"
    if kind in ("enum", "literal_error"):
        return f"must be one of: {context['expected']}".replace("'", "").replace(" or ", ", ")
    if kind in WORDS:
        return WORDS[kind].format(**context)
    return message.removeprefix("Value error, ")


def _flat_query() -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidInput({name: "stands twice"})
        flat[name] = values[0]
    return flat


def item_count(text: str, name: str = "number_of_items") -> int | None:
    """Return the number of rows asked for in the path, None for 0 = all; raises InvalidInput."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidInput({name: "must be a whole number, 0 or more"})
    return int(text) or None
