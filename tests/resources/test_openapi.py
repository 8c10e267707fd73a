"""The API's own description: valid, complete, and true."""

import os
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from resources.base import Access
from resources.openapi import api_rules
from services.worker.housekeeping import heartbeat
from tests.support.factories import PASSPHRASE, bearer, log_in, make_pair, make_stock, make_user, store_alert

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "6"))  # of each operation
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def described(app):
    """Yield path as the document writes it, method in small letters, and the documentation in the code."""
    for rule, resource in api_rules(app):
        for verb in rule.methods - {"HEAD", "OPTIONS"}:
            path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
            yield path, verb.lower(), getattr(resource, verb.lower()).__endpoint__


@pytest.fixture
def document(client):
    response = client.get("/v3/openapi.json")
    assert response.status_code == 200
    return response.json


def test_the_document_is_valid(document):
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_operation_is_described(app, document):
    operations = {(path, verb) for path, verbs in document["paths"].items() for verb in verbs}
    assert operations == {(path, verb) for path, verb, _ in described(app)}


def test_every_operation_says_what_it_does_and_who_may_call_it(app, document):
    for path, verb, endpoint in described(app):
        operation = document["paths"][path][verb]
        assert operation["summary"].endswith("."), (path, verb)
        assert endpoint.access.value in operation["description"]
        named = [scheme for option in operation.get("security", []) for scheme in option]
        assert named == ([] if endpoint.access is Access.OPEN else ["token"]), (path, verb)
        assert ({} in operation.get("security", [])) == (endpoint.access in (Access.READ, Access.OPTIONAL))


def test_every_operation_says_what_may_go_wrong(app, document):
    for path, verb, endpoint in described(app):
        answers = set(document["paths"][path][verb]["responses"])
        expected = {str(status) for status in endpoint.answers}
        if endpoint.access is not Access.OPEN:
            expected |= {"401"}
        if endpoint.access is Access.ADMIN:
            expected |= {"403"}
        if endpoint.body is not None:
            expected |= {"400", "413", "415"}
            if {"passphrase", "password"} & set(endpoint.body.model_fields) and endpoint.access is Access.OPEN:
                expected |= {"401", "429"}
        if "{" in path:
            expected |= {"404"}
        if path not in ("/healthz", "/v3/openapi.json"):
            expected |= {"503"}
        assert answers >= expected, (path, verb)


def test_operations_have_names_of_their_own(document):
    names = [operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values()]
    assert len(names) == len(set(names))


def furnish(app, client):
    make_stock(app, "LNT", account="external")
    make_pair(app, "MA-V", "3")
    make_user(app)
    with app.app_context():
        heartbeat("worker of this test")
    store_alert(client, ticker="MA-3*V")
    rowid = store_alert(client)
    client.put(
        "/v3/webhook", json={"passphrase": PASSPHRASE, "rowid": rowid, "order_status": "created", "order_id1": 1}
    )


def explore(app, headers_of):
    """Send generated requests to every operation; each answer must be one that the document announces."""
    schema = schemathesis.openapi.from_wsgi("/v3/openapi.json", app)
    calls = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=EXAMPLES < 50,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def run(operation, data):
        nonlocal calls
        case = data.draw(operation.as_strategy())
        if isinstance(case.body, dict) and "passphrase" in case.body:
            case.body["passphrase"] = PASSPHRASE
        response = case.call(headers=headers_of(operation))
        case.validate_response(response, checks=CHECKS)
        calls += 1

    for result in schema.get_all_operations():
        run(result.ok())
    assert calls > 100


def test_generated_requests_of_anyone_get_the_answers_that_are_announced(app, client):
    furnish(app, client)
    explore(app, lambda operation: {})


def test_generated_requests_of_an_admin_get_the_answers_that_are_announced(app, client, front_door):
    furnish(app, client)

    usual = log_in(client)["headers"]

    def headers_of(operation):
        if operation.path in ("/v3/refresh", "/v4/refresh"):
            return bearer(log_in(client)["refresh_token"])
        return log_in(client)["headers"] if operation.path.endswith("/logout") else usual

    explore(app, headers_of)
