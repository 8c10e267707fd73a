"""Alpaca's descriptions of its three APIs as one, and what of them is asked for."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SHAPES = Path(__file__).resolve().parents[1] / "simulators" / "shapes"
APIS = ("trading", "data", "broker")


def description() -> dict[str, Any]:
    """Return one OpenAPI file of all three; the names of their parts are told apart by the API before them."""
    whole: dict[str, Any] = {"openapi": "3.0.0", "info": {"title": "Alpaca", "version": "1"}, "paths": {}}
    whole["components"] = {"schemas": {}, "securitySchemes": {}}
    for api in APIS:
        text = (SHAPES / f"alpaca-{api}.json").read_text()
        part = json.loads(text.replace('"#/components/schemas/', f'"#/components/schemas/{api}.'))
        for path, methods in part["paths"].items():
            for method, operation in methods.items():
                if method != "parameters":
                    needed = operation.get("security", part["security"])
                    operation["security"] = [
                        {f"{api}.{name}": scopes for name, scopes in way.items()} for way in needed
                    ]
            whole["paths"][path] = methods
        for kind in whole["components"]:
            whole["components"][kind] |= {f"{api}.{name}": body for name, body in part["components"][kind].items()}
    _correct(whole)
    _close_bodies(whole)
    return whole


def _correct(whole: dict[str, Any]) -> None:
    """Set right what the descriptions themselves have wrong: the service answers otherwise, and the SDK reads it."""
    schemas = whole["components"]["schemas"]
    for name in ("Exchange", "ExchangeForPosition"):
        schemas[f"trading.{name}"]["enum"].append("CRYPTO")  # the list is older than coins
    for name in ("pattern_day_trader", "daytrade_count", "daytrading_buying_power"):
        schemas["broker.TradeAccount"]["required"].remove(name)  # gone since the rule on day trading has changed
    activities = whole["paths"]["/v2/account/activities/{activity_type}"]["get"]["responses"]["200"]
    (content,) = activities["content"].values()
    content["schema"]["items"] = {
        "anyOf": content["schema"]["items"].pop("oneOf")
    }  # the kinds do not exclude each other


def _close_bodies(whole: dict[str, Any]) -> None:
    """Let the bodies of requests have no names but those described: a word that is not read says nothing."""
    for methods in whole["paths"].values():
        for operation in (body for name, body in methods.items() if name != "parameters"):
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = _closed(content["schema"], whole["components"]["schemas"])


def _closed(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return _closed(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "items" in schema:
        return {**schema, "items": _closed(schema["items"], schemas)}
    if "properties" in schema:
        inner = {name: _closed(part, schemas) for name, part in schema["properties"].items()}
        return {**schema, "properties": inner, "additionalProperties": False}
    return schema


class Operations:
    """Which operation of a description a request is, and what it may ask for."""

    def __init__(self, whole: dict[str, Any]) -> None:
        # Fixed names before those with a place for any: /activities before /{id}.
        self._paths = sorted(whole["paths"].items(), key=lambda item: item[0].count("{"))

    def of(self, method: str, url: str) -> str:
        """Return the operation as `get /path`, or an empty text for one that is not described."""
        path, _ = self._find(urlsplit(url).path)
        return f"{method.lower()} {path}" if path else ""

    def unknown_names(self, method: str, url: str) -> set[str]:
        """Return the names in a request's query that its description does not have."""
        _, methods = self._find(urlsplit(url).path)
        described = [*methods.get("parameters", ()), *methods.get(method.lower(), {}).get("parameters", ())]
        known = {parameter["name"] for parameter in described if parameter["in"] == "query"}
        return {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)} - known

    def _find(self, asked: str) -> tuple[str, dict[str, Any]]:
        for path, methods in self._paths:
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), asked):
                return path, methods
        return "", {}
