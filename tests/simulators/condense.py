"""Reduce an OpenAPI file to the bare shapes of some paths' answers: names, types and what must be there; no prose.

    python tests/simulators/condense.py SPEC OUT PATH...

The outputs in shapes/ are made of the descriptions that Alpaca publishes of its APIs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

KEPT = ("type", "format", "enum", "required", "nullable", "$ref")
NESTED = ("items", "additionalProperties")
LISTS = ("allOf", "oneOf", "anyOf")
METHODS = ("get", "post", "put", "patch", "delete")


class Condenser:
    """One OpenAPI file; `definitions` grows with what the shapes refer to."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self.definitions: dict[str, Any] = {}

    def answers(self, path: str) -> dict[str, Any]:
        """Return the shapes of a path's answers by method and status; None = the file has none."""
        methods = {name: body for name, body in self._spec["paths"][path].items() if name in METHODS}
        return {
            name: {status: self._answer(self._resolved(answer)) for status, answer in body["responses"].items()}
            for name, body in methods.items()
        }

    def _answer(self, answer: dict[str, Any]) -> Any:
        schemas = [kind["schema"] for kind in answer.get("content", {}).values() if "schema" in kind]
        return self.shape(schemas[0]) if schemas else None

    def shape(self, schema: Any) -> Any:
        """Return a schema without its prose; what it refers to is kept as a definition."""
        if not isinstance(schema, dict):
            return schema
        bare = {name: schema[name] for name in KEPT if name in schema}
        bare |= {name: self.shape(schema[name]) for name in NESTED if name in schema}
        bare |= {name: [self.shape(part) for part in schema[name]] for name in LISTS if name in schema}
        if "properties" in schema:
            bare["properties"] = {name: self.shape(part) for name, part in schema["properties"].items()}
        if "$ref" in bare:
            name = bare["$ref"].rpartition("/")[2]
            bare = {"$ref": f"#/definitions/{name}"}
            if name not in self.definitions:
                self.definitions[name] = {}  # a shape may hold itself
                self.definitions[name] = self.shape(self._resolved(schema))
        return bare

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            found: Any = self._spec
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name.replace("~1", "/")]
            part = found
        return part


def main() -> None:
    """Write the shapes of the paths that are named."""
    spec, out, *paths = sys.argv[1:]
    condenser = Condenser(json.loads(Path(spec).read_text()))
    shapes = {path: condenser.answers(path) for path in paths}
    body = {"paths": shapes, "definitions": dict(sorted(condenser.definitions.items()))}
    Path(out).write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    main()
