"""The OpenAPI 3.1 document, made from the same schemas that validate."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from apispec import APISpec
from flask import Flask
from pydantic import BaseModel, Field, create_model
from werkzeug.routing import Rule

from resources.base import Access, ApiResource, Endpoint
from resources.schemas.fields import V3Body

TAGS = (
    "signals", "orders", "fills", "positions", "reports", "stops", "checks", "stocks", "pairs", "broker accounts",
    "brokerage accounts", "users", "tokens", "executor", "health",
)  # fmt: skip
REF = "#/components/schemas/{model}"
ERROR_SCHEMA = {
    "type": "object",
    "required": ["message", "error"],
    "properties": {
        "message": {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]},
        "error": {"type": "string"},
        "id": {"type": "string", "description": "finds the entry in the log"},
    },
}
ERROR_TEXT = {
    400: "The request breaks a rule; the fields are named.",
    401: "No valid token, or wrong credentials.",
    403: "The token lacks the right.",
    404: "There is no such thing.",
    409: "It conflicts with what already happened, or with how this desk is set up.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "The same id was sent before with other content.",
    429: "Too many failures, or requests of this kind; see Retry-After.",
    503: "The database or the broker is away; the message says what that means.",
}


def build_document(app: Flask) -> dict[str, Any]:
    """Return the document of all API resources that the app serves."""
    spec = APISpec(
        title="Pairs API",
        version="3",
        openapi_version="3.1.0",
        info={"description": "A self-hosted trading desk for TradingView users: stocks, pairs, signals and users."},
        servers=[{"url": "/"}],
        tags=[{"name": name} for name in TAGS],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    spec.components.schema("Error", ERROR_SCHEMA)
    for rule, resource in api_rules(app):
        operations = {}
        for verb in sorted(rule.methods or ()):
            method = getattr(resource, verb.lower(), None)
            if method is not None and verb not in ("HEAD", "OPTIONS"):
                operations[verb.lower()] = _operation(spec, rule, verb, method.__endpoint__)
        spec.path(re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), operations=operations)
    return spec.to_dict()


def api_rules(app: Flask) -> Iterator[tuple[Rule, type[ApiResource]]]:
    """Yield each URL rule of the API with its resource class."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda r: r.rule):
        resource = getattr(app.view_functions[rule.endpoint], "view_class", None)
        if resource is not None and issubclass(resource, ApiResource):
            yield rule, resource


def _operation(spec: APISpec, rule: Rule, verb: str, endpoint: Endpoint) -> dict[str, Any]:
    name = re.sub(r"\W+", "_", rule.rule.removeprefix("/v3/")).strip("_")
    operation: dict[str, Any] = {
        "operationId": f"{verb.lower()}_{name}",
        "summary": endpoint.summary,
        "description": f"Who may call it: {endpoint.access.value}.",
        "tags": [endpoint.tag],
        "responses": {},
    }
    if parameters := _parameters(spec, rule, endpoint):
        operation["parameters"] = parameters
    if endpoint.body is not None:
        schema = _reference(spec, endpoint.body, "validation")
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    for status, model in endpoint.answers.items():
        answer = _with_ignored(model) if endpoint.body is not None and issubclass(endpoint.body, V3Body) else model
        content = {"application/json": {"schema": _reference(spec, answer, "serialization")}}
        operation["responses"][str(status)] = {
            "description": "done" if status < 400 else "not well",
            "content": content,
        }
    errors = set(endpoint.errors) | ({413, 415} if endpoint.body else set()) | ({404} if rule.arguments else set())
    if endpoint.tag != "health":  # all others need the database
        errors.add(503)
    for status in sorted(errors):
        content = {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}
        operation["responses"][str(status)] = {"description": ERROR_TEXT[status], "content": content}
    if endpoint.access is Access.OPTIONAL or endpoint.access is Access.READ:
        operation["security"] = [{"token": []}, {}]
    elif endpoint.access is not Access.OPEN:
        operation["security"] = [{"token": []}]
    return operation


def _parameters(spec: APISpec, rule: Rule, endpoint: Endpoint) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in sorted(rule.arguments)
    ]
    if endpoint.query is not None:
        schema = endpoint.query.model_json_schema(ref_template=REF, mode="validation")
        _add_definitions(spec, schema)
        for name, field in schema["properties"].items():
            result.append(
                {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": field}
            )
    return result


def _reference(spec: APISpec, model: type[BaseModel], mode: Any) -> dict[str, str]:
    name = model.__name__
    if name not in spec.components.schemas:
        schema = model.model_json_schema(ref_template=REF, mode=mode)
        _add_definitions(spec, schema)
        if name not in spec.components.schemas:
            spec.components.schema(name, schema)
    return {"$ref": REF.format(model=name)}


@functools.cache
def _with_ignored(model: type[BaseModel]) -> type[BaseModel]:
    """Return an answer that also names what was ignored of the request."""
    text = "names of the request's fields that nothing was done with; absent when there are none"
    return create_model(
        f"{model.__name__}WithIgnored", __base__=model, ignored=(list[str], Field([], description=text))
    )


def _add_definitions(spec: APISpec, schema: dict[str, Any]) -> None:
    for name, definition in schema.pop("$defs", {}).items():
        if name not in spec.components.schemas:
            spec.components.schema(name, definition)
