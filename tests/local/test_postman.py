"""The Postman collection covers the API and holds no secret. That its requests pass, newman proves."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import HTTPException

from resources.openapi import api_rules

LOCAL = Path(__file__).resolve().parents[2] / "local"
COLLECTION = json.loads((LOCAL / "Pairs-API-v3.postman_collection.json").read_text())
ENVIRONMENT = json.loads((LOCAL / "Pairs-API.postman_environment.json").read_text())
VARIABLE = re.compile(r"\{\{([^{}]+)\}\}")
SET = re.compile(r"""\.(?:environment|collectionVariables|variables)\.set\("(\w+)\"""")


def requests(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all requests below the folders."""
    return [request for item in items for request in (requests(item["item"]) if "item" in item else [item])]


REQUESTS = requests(COLLECTION["item"])


def script(item: dict[str, Any], kind: str) -> str:
    return "\n".join(
        line for event in item.get("event", []) if event["listen"] == kind for line in event["script"]["exec"]
    )


@pytest.fixture
def adapter(app):
    return app.url_map.bind("desk.example")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_route_and_method_has_a_request(app, adapter):
    missing = {
        (method, rule.rule)
        for rule, resource in api_rules(app)
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if hasattr(resource, method.lower())
    }
    for item in REQUESTS:
        path = VARIABLE.sub("1", item["request"]["url"]["raw"].removeprefix("{{baseUrl}}")).partition("?")[0]
        try:
            rule, _ = adapter.match(path, item["request"]["method"], return_rule=True)
        except HTTPException:  # some requests show how a wrong one is answered
            continue
        missing.discard((item["request"]["method"], rule.rule))
    assert missing == set()


def test_it_is_a_collection_of_version_2_1():
    assert COLLECTION["info"]["schema"] == "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    assert [folder["name"] for folder in COLLECTION["item"]] == [
        "Health",
        "Tokens",
        "Stocks",
        "Pairs",
        "Checks",
        "Broker accounts",
        "Webhook",
        "What if",
        "Signals",
        "Outside executor",
        "Version 4",
        "Execution",
        "By hand",
        "Brokerage accounts",
        "Users",
        "Clean-up",
    ]


def test_names_are_unique_since_loops_jump_to_them():
    names = [item["name"] for item in REQUESTS]
    assert len(names) == len(set(names))


def test_each_request_checks_its_status():
    checks = ("to.have.status(", "order_status).to.eql(")
    assert [item["name"] for item in REQUESTS if not any(check in script(item, "test") for check in checks)] == []


def test_the_parts_of_each_address_agree():
    for item in REQUESTS:
        url = item["request"]["url"]
        path, _, query = url["raw"].partition("?")
        assert path == "/".join([*url["host"], *url["path"]])
        assert query == "&".join(f"{part['key']}={part['value']}" for part in url.get("query", []))


def test_every_variable_is_in_the_environment_or_set_by_a_script():
    known = {value["key"] for value in ENVIRONMENT["values"]}
    first = script(COLLECTION, "prerequest")
    known |= set(re.findall(r'^ {8}"?([\w.]+)"?[:,]', first, re.MULTILINE))  # the names of a run
    for item in REQUESTS:
        known |= set(SET.findall(script(item, "prerequest")))
        used = set(VARIABLE.findall(json.dumps(item["request"])))
        assert used <= known, item["name"]
        known |= set(SET.findall(script(item, "test")))


def test_the_environment_has_what_people_enter_and_no_secret():
    values = {value["key"]: (value["value"], value["type"]) for value in ENVIRONMENT["values"]}
    assert values == {
        "baseUrl": ("http://127.0.0.1:5000", "default"),
        "adminUsername": ("admin", "default"),
        "adminPassword": ("", "secret"),
        "passphrase": ("", "secret"),
        "workingSymbol": ("", "default"),
        "accessToken": ("", "secret"),
        "refreshToken": ("", "secret"),
    }


def test_the_collection_holds_no_secret():
    text = json.dumps(COLLECTION)
    assert not re.search(r"eyJ[\w-]{10,}", text)  # how each token begins
    given = re.findall(r'\\"(?:password|passphrase)\\": \\"(.*?)\\"', text)
    assert {VARIABLE.sub("…", value) for value in given} == {
        "…",
        "…, changed",
        "123",
        "not the password",
        "not the passphrase …",
    }
