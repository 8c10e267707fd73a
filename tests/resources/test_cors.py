"""Scripts of other addresses may call the API only where the setting names them, and never with cookies."""

import pytest

from config import ConfigError
from tests.conftest import closing_app
from tests.support.factories import make_config

PAGE = "https://charts.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
def allowing(database_url, tmp_path):
    settings = make_config(database_url, tmp_path, CORS_ORIGINS=f" {PAGE}/, http://localhost:3000")
    with closing_app(settings) as app:
        yield app.test_client()


def cors(response):
    return {name: value for name, value in response.headers.items() if name.startswith("Access-Control")}


def test_nobody_is_allowed_where_nothing_is_set(client):
    assert cors(client.get("/v3/stocks/0", headers={"Origin": PAGE})) == {}
    assert cors(client.options("/v3/regstock", headers=PREFLIGHT)) == {}


def test_a_page_that_is_named_may_call(allowing):
    response = allowing.get("/v3/stocks/0", headers={"Origin": PAGE})
    assert cors(response) == {"Access-Control-Allow-Origin": PAGE}
    assert "Origin" in response.headers["Vary"]
    told = cors(allowing.options("/v3/regstock", headers=PREFLIGHT))
    assert told["Access-Control-Allow-Origin"] == PAGE
    assert {"POST", "PUT"} <= set(told["Access-Control-Allow-Methods"].split(", "))
    assert "Access-Control-Allow-Credentials" not in told
    assert cors(allowing.post("/v3/regstock", json={}, headers={"Origin": PAGE})) != {}  # refusals can be read too


@pytest.mark.parametrize(
    "origin", ["https://other.example", "https://charts.example.evil", "null", "http://charts.example"]
)
def test_no_other_may(allowing, origin):
    assert cors(allowing.get("/v3/stocks/0", headers={"Origin": origin})) == {}
    assert cors(allowing.options("/v3/regstock", headers={**PREFLIGHT, "Origin": origin})) == {}


def test_pages_of_the_desk_are_not_part_of_it(allowing):
    assert cors(allowing.get("/signals", headers={"Origin": PAGE})) == {}


@pytest.mark.parametrize(
    "text", ["*", "charts.example", "https://charts.example/x", "https://a b", "https://*.example"]
)
def test_what_is_no_address_of_a_page_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="CORS_ORIGINS"):
        make_config("sqlite://", tmp_path, CORS_ORIGINS=text)
