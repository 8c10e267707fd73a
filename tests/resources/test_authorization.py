"""Who may call what: role × route × method. A new route without a row here fails."""

import pytest

from domain.enums import Role
from tests.support.apps import closing_app
from tests.support.factories import bearer, log_in, make_config, make_user

OPEN = "anyone"
READ = "anyone while reads are open, else any access token"
LIST = "anyone while reads are open, but a token that is sent must be good"
TOKEN = "any access token"
FRESH = "fresh access token"
ADMIN = "fresh access token of an admin"
REFRESH = "refresh token"

TABLE = {
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /v3/openapi.json": OPEN,
    "GET /v3/docs": OPEN,
    "POST /v3/login": OPEN,
    "POST /v3/logout": TOKEN,
    "POST /v3/refresh": REFRESH,
    "POST /v3/webhook": OPEN,  # asks for the passphrase
    "GET /v3/refused": ADMIN,
    "PUT /v3/webhook": FRESH,  # or the passphrase
    "PUT /v3/signal/updateorder": OPEN,  # asks for the passphrase
    "POST /v3/signal/updateorder": OPEN,
    "PUT /v3/price": OPEN,
    "POST /v3/price": OPEN,
    "GET /v3/signal/<string:rowid>": READ,
    "DELETE /v3/signal/<string:rowid>": ADMIN,
    "GET /v3/signals": LIST,
    "GET /v3/signals/<string:number_of_items>": LIST,
    "GET /v3/signals/status/<string:order_status>/<string:number_of_items>": LIST,
    "GET /v3/signals/ticker/<string:ticker_name>/<string:number_of_items>": LIST,
    "GET /v3/orders": TOKEN,
    "GET /v3/order/<string:order>": TOKEN,
    "GET /v3/order/<string:order>/events": TOKEN,
    "GET /v3/order/<string:order>/fills": TOKEN,
    "GET /v3/events": TOKEN,
    "GET /v3/fills": TOKEN,
    "GET /v3/positions": TOKEN,
    "GET /v3/pnl": TOKEN,
    "GET /v3/slippage": TOKEN,
    "GET /v3/reconciliation": TOKEN,
    "GET /v3/drift": TOKEN,
    "GET /v3/journal": TOKEN,
    "POST /v3/whatif": TOKEN,
    "POST /v3/signal/<string:rowid>/settle": ADMIN,
    "POST /v3/order/<string:order>/cancel": FRESH,
    "POST /v3/order/<string:order>/resolve": ADMIN,
    "GET /v3/stops": TOKEN,
    "POST /v3/stops": ADMIN,
    "POST /v3/stop/<string:stop>/release": ADMIN,
    "POST /v3/drift/heal": ADMIN,
    "POST /v3/regstock": FRESH,
    "PUT /v3/regstock": FRESH,
    "GET /v3/stocks/<string:number_of_items>": READ,
    "GET /v3/stock/<string:symbol>": READ,
    "DELETE /v3/stock/<string:symbol>": ADMIN,
    "POST /v3/regpair": FRESH,
    "PUT /v3/regpair": FRESH,
    "GET /v3/pairs/<string:number_of_items>": READ,
    "GET /v3/pair/<string:name>": READ,
    "DELETE /v3/pair/<string:name>": ADMIN,
    "GET /v3/checks": TOKEN,
    "PUT /v3/checks": ADMIN,
    "DELETE /v3/checks": ADMIN,
    "GET /v3/broker/accounts": TOKEN,
    "POST /v3/broker/accounts": ADMIN,
    "GET /v3/broker/account/<string:name>": TOKEN,
    "DELETE /v3/broker/account/<string:name>": ADMIN,
    "PUT /v3/broker/account/<string:name>/keys": ADMIN,
    "DELETE /v3/broker/account/<string:name>/keys": ADMIN,
    "PUT /v3/broker/account/<string:name>/live": ADMIN,
    "POST /v3/broker/account/<string:name>/check": ADMIN,
    "POST /v3/accounts/signup": TOKEN,
    "GET /v3/accounts": TOKEN,
    "GET /v3/accounts/<string:account>": TOKEN,
    "POST /v3/reguser": ADMIN,
    "PUT /v3/reguser": ADMIN,
    "GET /v3/users/<string:number_of_users>": ADMIN,
    "GET /v3/user/<string:username>": ADMIN,
    "DELETE /v3/user/<string:username>": ADMIN,
    "POST /v4/webhook": OPEN,  # asks for the passphrase
    "PUT /v4/webhook": FRESH,  # or the passphrase
    "PUT /v4/signal/updateorder": OPEN,  # asks for the passphrase
    "GET /v4/signal/<string:rowid>": READ,
    "DELETE /v4/signal/<string:rowid>": ADMIN,
    "GET /v4/signals/<string:number_of_items>": LIST,
    "GET /v4/signals/status/<string:order_status>/<string:number_of_items>": LIST,
    "GET /v4/signals/ticker/<string:ticker_name>/<string:number_of_items>": LIST,
    "POST /v4/regticker": FRESH,
    "PUT /v4/regticker": FRESH,
    "GET /v4/tickers/<string:number_of_items>": LIST,  # what is held with a token only
    "GET /v4/ticker/<string:symbol>": LIST,
    "DELETE /v4/ticker/<string:symbol>": ADMIN,
    "PUT /v4/ticker/updatepnl": OPEN,  # asks for the passphrase
    "POST /v4/regpnl": OPEN,
    "PUT /v4/regpnl": OPEN,
    "GET /v4/pnl/<string:number_of_items>": LIST,  # money with a token only
    "GET /v4/pnls/<string:number_of_items>": LIST,
    "POST /v4/regpair": FRESH,
    "PUT /v4/regpair": FRESH,
    "GET /v4/pairs/<string:number_of_items>": READ,
    "GET /v4/pair/<string:name>": READ,
    "DELETE /v4/pair/<string:name>": ADMIN,
    "POST /v4/reguser": ADMIN,
    "PUT /v4/reguser": ADMIN,
    "GET /v4/users/<string:number_of_users>": ADMIN,
    "GET /v4/user/<string:username>": ADMIN,
    "DELETE /v4/user/<string:username>": ADMIN,
    "POST /v4/login": OPEN,
    "POST /v4/logout": TOKEN,
    "POST /v4/refresh": REFRESH,
}

BODIES = {
    f"PUT /{version}/webhook": {"rowid": 999999} for version in ("v3", "v4")
}  # elsewhere an empty object: refused only once the caller may call
# Called last, each kind once only: the second one's token would be dead.
ENDS_TOKENS = ("POST /v3/logout", "POST /v3/refresh")
AS_IN_V3 = ("POST /v4/logout", "POST /v4/refresh")

NO_TOKEN = (401, {"message": "Request does not contain an access token.", "error": "authorization_required"})
INVALID = (401, {"message": "The token is invalid.", "error": "token_invalid"})
NOT_FRESH = (401, {"message": "The token is not fresh.", "error": "fresh_token_required"})
NOT_ADMIN = (403, {"message": "'admin' privilege required.", "error": "forbidden"})
WELCOME = "may call it"

ROLES = ("nobody", "stale user", "fresh user", "stale admin", "fresh admin", "refresh token", "nonsense")


def expected(access, role, *, open_reads):
    """Return what the table says about a role, in the words of the answer."""
    if access == OPEN or (access == READ and open_reads):
        return WELCOME
    if role == "nobody":
        return WELCOME if access == LIST and open_reads else NO_TOKEN
    if role == "nonsense":
        return INVALID
    if (access == REFRESH) != (role == "refresh token"):
        return INVALID
    if access in (FRESH, ADMIN) and role.startswith("stale"):
        return NOT_FRESH
    return NOT_ADMIN if access == ADMIN and role == "fresh user" else WELCOME


def headers_of(role, app, client):
    if role == "nobody":
        return {}
    if role == "nonsense":
        return bearer("nonsense")
    if role.endswith("user"):
        make_user(app, "reader", "a password to read with", Role.USER)
        tokens = log_in(client, "reader", "a password to read with")
    else:
        tokens = log_in(client)
    if role == "refresh token":
        return bearer(tokens["refresh_token"])
    if role.startswith("stale"):
        tokens = client.post("/v3/refresh", headers=bearer(tokens["refresh_token"])).json
    return bearer(tokens["access_token"])


def call(client, route, headers):
    verb, _, rule = route.partition(" ")
    path = "/".join("1" if part.startswith("<") else part for part in rule.split("/"))
    response = client.open(path, method=verb, json=BODIES.get(route, {}), headers=headers)
    return (response.status_code, response.json) if response.status_code in (401, 403) else WELCOME


def test_every_route_has_a_row(app):
    """The API's paths, whoever serves them."""
    served = {
        f"{verb} {rule}"
        for rule in app.url_map.iter_rules()
        for verb in rule.methods - {"HEAD", "OPTIONS"}
        if str(rule).startswith(("/v3", "/v4", "/healthz", "/readyz"))
    }
    assert served == set(TABLE)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_let_in_and_refused_as_the_table_says(app, client, role):
    headers = headers_of(role, app, client)
    routes = sorted(TABLE.keys() - set(AS_IN_V3), key=lambda route: (route in ENDS_TOKENS, route))
    answers = {route: call(client, route, headers) for route in routes}
    assert answers == {route: expected(TABLE[route], role, open_reads=True) for route in routes}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", AS_IN_V3)
def test_each_role_may_end_its_tokens_by_v4_as_by_v3(app, client, role, route):
    assert call(client, route, headers_of(role, app, client)) == expected(TABLE[route], role, open_reads=True)


@pytest.mark.parametrize("role", ROLES)
def test_closed_reads_ask_everyone_for_a_token(database_url, tmp_path, role):
    with closing_app(make_config(database_url, tmp_path, OPEN_READS="false")) as app:
        client = app.test_client()
        headers = headers_of(role, app, client)
        routes = [route for route in TABLE if TABLE[route] in (READ, LIST)]
        answers = {route: call(client, route, headers) for route in routes}
        assert answers == {route: expected(TABLE[route], role, open_reads=False) for route in routes}


def test_the_role_is_read_from_the_table_not_from_the_token(app, client, admin_headers):
    make_user(app, "second", "a password of the second admin", Role.ADMIN)
    second = log_in(client, "second", "a password of the second admin")["headers"]
    assert client.get("/v3/users/0", headers=second).status_code == 200
    demoted = {"username": "second", "password": "a password of the second admin", "role": "user"}
    assert client.put("/v3/reguser", json=demoted, headers=admin_headers).status_code == 200
    assert client.get("/v3/users/0", headers=second).status_code == 401
    again = log_in(client, "second", "a password of the second admin")["headers"]
    assert client.get("/v3/users/0", headers=again).status_code == 403
