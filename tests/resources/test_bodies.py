"""Request bodies as senders really send them, and as nobody should."""

import gzip
import json

import pytest
import requests

from tests.support.factories import (
    PASSPHRASE,
    bearer,
    count_rows,
    exact,
    get_signal,
    make_alert_body,
    make_stock,
    store_alert,
)

BODY = json.dumps(make_alert_body())


@pytest.fixture
def lnt(app):
    make_stock(app, "LNT")


def post(client, data, content_type="application/json", path="/v3/webhook", method="POST"):
    return client.open(path, method=method, data=data, content_type=content_type)


def test_json_is_known_by_its_content(lnt, client):
    bodies = [
        ("application/json", BODY),
        ("application/json; charset=utf-8", BODY),
        ("text/plain", BODY),
        ("text/plain; charset=utf-8", BODY),
        (None, BODY),
        ("", BODY),
        ("application/x-www-form-urlencoded", BODY),
        ("application/json", b"\xef\xbb\xbf" + BODY.encode()),
        ("application/json", f" \r\n\t{BODY}\n"),
        ("application/json; charset=iso-8859-1", BODY.encode("latin-1")),
        ("application/json; charset=utf-16", BODY.encode("utf-16")),
    ]
    answers = [post(client, data, content_type) for content_type, data in bodies]
    assert [answer.status_code for answer in answers] == [201] + [200] * 10  # all say the same
    assert {answer.json["rowid"] for answer in answers} == {1}


def test_letters_of_each_charset_arrive(lnt, client):
    text = json.dumps(make_alert_body(order_comment="café"), ensure_ascii=False)
    first = post(client, text.encode(), "text/plain")
    assert get_signal(client, first.json["rowid"])["order_comment"] == "café"
    second = post(client, text.replace("café", "naïf").encode("latin-1"), "application/json; charset=ISO-8859-1")
    assert get_signal(client, second.json["rowid"])["order_comment"] == "naïf"


def with_field(text):
    return f"{BODY[:-1]}, {text}}}"


def nested(depth, inner="1"):
    return with_field(f'"deep": {"[" * depth}{inner}{"]" * depth}')


BAD_JSON = {
    "empty": "",
    "white space": "  \n",
    "null": "null",
    "a list": "[1]",
    "a text": '"x"',
    "a number": "1",
    "cut off": BODY[:-1],
    "a comma too many": BODY[:-1] + ",}",
    "two objects": BODY + BODY,
    "single quotes": BODY.replace('"', "'"),
    "a comment": BODY + "// hello",
    "a duplicate key": with_field('"ticker": "AAPL"'),
    "a duplicate key deep inside": with_field('"x": [{"y": {"a": 1, "a": 2}}]'),
    "NaN": with_field('"order_price": NaN'),
    "Infinity": with_field('"order_price": Infinity'),
    "-Infinity in an unknown field": with_field('"x": -Infinity'),
    "an exponent without end": with_field('"order_price": 1e400'),
    "an exponent of nine digits": with_field('"x": 1E999999999'),
    "an exponent of minus nine digits": with_field('"x": 1E-999999999'),
    "an exponent of thirty digits": with_field(f'"x": 1e{"9" * 30}'),
    "a number of 5,000 digits": with_field(f'"order_price": {"9" * 5000}'),
    "5,000 decimals": with_field(f'"order_price": 0.{"1" * 5000}'),
    "half a character": with_field(r'"order_comment": "\ud800"'),
    "half a character as a name": with_field(r'"\udfff": 1'),
    "half a character deep inside": with_field(r'"x": [{"y": ["\ud800"]}]'),
    "a NUL": with_field(r'"order_comment": "a\u0000b"'),
    "a NUL as a name": with_field(r'"\u0000": 1'),
    "a raw control character": with_field('"order_comment": "a\x01b"'),
    "nested 100 deep": nested(100),
    "nested 900 deep": nested(900),
    "nested 10,000 deep": nested(10_000),
    "objects nested 1,000 deep": with_field('"x": ' + '{"a": ' * 1000 + "1" + "}" * 1000),
    "8 KB of brackets": "[" * 8192,
    "bytes that are no text": b'{"ticker": "\xff\xfe"}',
    "UTF-16 that does not say so": BODY.encode("utf-16"),
}

SENDERS = (
    ("/v3/webhook", "POST"), ("/v3/webhook", "PUT"), ("/v3/signal/updateorder", "PUT"), ("/v3/price", "POST"), ("/v3/login", "POST"),
    ("/v3/regstock", "POST"), ("/v3/regpair", "PUT"), ("/v3/reguser", "POST"),
)  # fmt: skip


def test_broken_json_is_refused_everywhere_and_changes_nothing(app, client, admin_headers):
    client.environ_base["HTTP_AUTHORIZATION"] = admin_headers["Authorization"]
    before = count_rows(app)
    answers = {
        (name, path, method): post(client, data, path=path, method=method)
        for name, data in BAD_JSON.items()
        for path, method in SENDERS
    }
    assert {case: response.status_code for case, response in answers.items() if response.status_code != 400} == {}
    assert {response.json["error"] for response in answers.values()} == {"bad_request"}
    assert not any(PASSPHRASE in response.text for response in answers.values())
    assert count_rows(app) == before


def test_no_depth_of_nesting_breaks_anything(client):
    depths = [*range(1, 64), *range(880, 1000, 1)]
    for inner in ("1", r'"\u0041"'):
        answers = {depth: post(client, nested(depth, inner)).status_code for depth in depths}
        assert set(answers.values()) <= {200, 201, 400}, {
            depth: status for depth, status in answers.items() if status >= 500
        }
        assert answers[5] in (200, 201)


def test_brackets_in_a_text_are_no_nesting(lnt, client):
    assert get_signal(client, store_alert(client, order_comment="[" * 100))["order_comment"] == "[" * 100


def test_what_is_no_json_at_all_is_told_apart_by_its_header(client):
    answers = {
        "a form": post(client, "ticker=LNT&passphrase=x", "application/x-www-form-urlencoded"),
        "XML": post(client, "<alert/>", "application/xml"),
        "a file": post(client, b"\x89PNG\r\n", "image/png"),
        "gzip": post(client, gzip.compress(BODY.encode()), "application/gzip"),
    }
    assert {name: response.status_code for name, response in answers.items()} == dict.fromkeys(answers, 415)
    assert answers["XML"].json == {"message": "The body must be JSON.", "error": "unsupported_media_type"}
    assert post(client, "<alert/>", "text/plain").status_code == 400
    assert post(client, gzip.compress(BODY.encode())).status_code == 400


def test_a_body_has_a_limit(lnt, client):
    assert post(client, with_field(f'"x": "{"y" * 60_000}"')).status_code == 201
    response = post(client, with_field(f'"x": "{"y" * 70_000}"'))
    assert (response.status_code, response.json["error"]) == (413, "request_entity_too_large")
    assert post(client, "x" * 5_000_000, path="/v3/login").status_code == 413


def test_an_answer_is_json_of_its_own_kind(lnt, client):
    response = post(client, BODY, "text/plain")
    assert response.content_type == "application/json"
    assert response.text.endswith("}\n")
    assert exact(response)["rowid"] == 1


def test_a_body_is_not_needed_where_none_is_read(client, admin_headers):
    assert client.post("/v3/logout", headers=admin_headers, data="no json {").status_code == 200


def test_a_token_in_the_body_or_address_counts_for_nothing(client, admin_headers):
    token = admin_headers["Authorization"].removeprefix("Bearer ")
    assert client.get(f"/v3/users/0?jwt={token}&access_token={token}").status_code == 401
    client.set_cookie("access_token_cookie", token)
    assert client.get("/v3/users/0").status_code == 401
    assert client.get("/v3/users/0", headers=bearer(token)).status_code == 200


def test_a_real_server_limits_bodies_whose_length_is_not_told(sqlite_url, live_server):
    server = live_server(sqlite_url)
    server.wait()

    def pieces(count):
        yield f'{BODY[:-1]}, "x": "'.encode()
        for _ in range(count):
            yield b"y" * 1000
        yield b'"}'

    small = requests.post(f"{server.url}/v3/webhook", data=pieces(10), timeout=10)
    large = requests.post(f"{server.url}/v3/webhook", data=pieces(100), timeout=10)
    assert (small.status_code, large.status_code) == (201, 413)
    long_token = bearer("x" * 10_000)
    assert requests.get(f"{server.url}/v3/signals/1", headers=long_token, timeout=10).status_code in (400, 431)
