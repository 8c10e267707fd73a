"""Reduce an OpenAPI file to the bare form of some of its paths: names, types and what must be there; no prose.

    python tests/simulators/condense.py SPEC OUT PATH...

What comes out is an OpenAPI file too. Those in shapes/ are made of the descriptions that Alpaca publishes of its
APIs; tests/judges/README.md says of which.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

KEPT = ("type", "format", "enum", "required", "nullable", "$ref", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern")  # fmt: skip
NESTED = ("items", "additionalProperties")
LISTS = ("allOf", "oneOf", "anyOf")
METHODS = ("get", "post", "put", "patch", "delete")
OF_PARAMETER = ("name", "in", "required", "style", "explode")
OF_SCHEME = ("type", "scheme", "name", "in")


class Condenser:
    """One OpenAPI file; `schemas` grows with what the paths refer to."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self.schemas: dict[str, Any] = {}

    def condensed(self, paths: list[str]) -> dict[str, Any]:
        """Return the file with these paths alone."""
        kept = {path: self._path(path) for path in paths}
        schemes = self._spec["components"].get("securitySchemes", {})
        return {
            "openapi": self._spec["openapi"],
            "info": {name: self._spec["info"][name] for name in ("title", "version")},
            "security": self._spec.get("security", []),
            "paths": kept,
            "components": {
                "securitySchemes": {name: _only(scheme, OF_SCHEME) for name, scheme in schemes.items()},
                "schemas": dict(sorted(self.schemas.items())),
            },
        }

    def _path(self, path: str) -> dict[str, Any]:
        whole = self._spec["paths"][path]
        shared = {"parameters": self._parameters(whole["parameters"])} if whole.get("parameters") else {}
        return shared | {name: self._operation(body) for name, body in whole.items() if name in METHODS}

    def _operation(self, operation: dict[str, Any]) -> dict[str, Any]:
        bare: dict[str, Any] = _only(operation, ("security",))
        if operation.get("parameters"):
            bare["parameters"] = self._parameters(operation["parameters"])
        if "requestBody" in operation:
            asked = self._resolved(operation["requestBody"])
            bare["requestBody"] = _only(asked, ("required",)) | self._content(asked)
        answers = {status: self._resolved(answer) for status, answer in operation["responses"].items()}
        return bare | {"responses": {status: {"description": ""} | self._content(answer) for status, answer in answers.items()}}  # fmt: skip

    def _parameters(self, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        resolved = [self._resolved(parameter) for parameter in parameters]
        return [_only(found, OF_PARAMETER) | {"schema": self.shape(found.get("schema", {}))} for found in resolved]

    def _content(self, part: dict[str, Any]) -> dict[str, Any]:
        kinds = {kind: {"schema": self.shape(body["schema"])} for kind, body in part.get("content", {}).items() if "schema" in body}  # fmt: skip
        return {"content": kinds} if kinds else {}

    def shape(self, schema: Any) -> Any:
        """Return a schema without its prose; what it refers to is kept beside."""
        if not isinstance(schema, dict):
            return schema
        bare = _only(schema, KEPT)
        bare |= {name: self.shape(schema[name]) for name in NESTED if name in schema}
        bare |= {name: [self.shape(part) for part in schema[name]] for name in LISTS if name in schema}
        if "properties" in schema:
            bare["properties"] = {name: self.shape(part) for name, part in schema["properties"].items()}
        if "$ref" in bare:
            name = bare["$ref"].rpartition("/")[2]
            bare = {"$ref": f"#/components/schemas/{name}"}
            if name not in self.schemas:
                self.schemas[name] = {}  # a shape may hold itself
                self.schemas[name] = self.shape(self._resolved(schema))
        return bare

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            found: Any = self._spec
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name.replace("~1", "/")]
            part = found
        return part


def _only(part: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: part[name] for name in names if name in part}


def main() -> None:
    """Write the bare form of the paths that are named."""
    spec, out, *paths = sys.argv[1:]
    body = Condenser(json.loads(Path(spec).read_text())).condensed(paths)
    Path(out).write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    main()
