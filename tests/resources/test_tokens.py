"""Log-in, expiry, refresh, log-out: what a token may do and when it is dead."""

from datetime import UTC, datetime, timedelta

import jwt as pyjwt
import pytest
from flask_jwt_extended import create_access_token, decode_token

from services.identity import passwords, tokens
from tests.support.factories import ADMIN_PASSWORD, USER_PASSWORD, bearer, log_in, make_user, together

NO_TOKEN = {"message": "Request does not contain an access token.", "error": "authorization_required"}
EXPIRED = {"message": "The token has expired.", "error": "token_expired"}
INVALID = {"message": "The token is invalid.", "error": "token_invalid"}
NOT_FRESH = {"message": "The token is not fresh.", "error": "fresh_token_required"}
REVOKED = {"message": "The token has been revoked.", "error": "token_revoked"}


def answer(response):
    return response.status_code, response.json


def knock(client, headers):
    """Ask for something that every access token may have, and nobody without one that is sent."""
    return answer(client.get("/v3/signals/1", headers=headers))


def is_welcome(client, headers):
    return knock(client, headers)[0] == 200


def forge(app, key=None, header=None, algorithm="HS256", **claims):
    """Return a token made outside the desk; a claim given as None is left out."""
    now = datetime.now(UTC)
    usual = {
        "iss": "pairs-api", "aud": "pairs-api", "iat": now, "nbf": now, "exp": now + timedelta(minutes=10),
        "jti": "0d6a1c3e", "type": "access", "fresh": True, "sub": "1", "epoch": 1, "family": "f",
    }  # fmt: skip
    claims = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    key = app.config["JWT_SECRET_KEY"] if key is None else key
    return pyjwt.encode(claims, key, algorithm=algorithm, headers=header)


def test_login_gives_a_fresh_and_a_refresh_token(client):
    response = client.post("/v3/login", json={"username": "admin", "password": ADMIN_PASSWORD})
    assert response.status_code == 200
    assert set(response.json) == {"access_token", "refresh_token", "expire"}
    assert response.json["expire"] == 10


@pytest.mark.parametrize("minutes", [1, 60, 1440])
def test_expire_is_the_life_of_the_access_token_in_minutes(context, client, minutes):
    response = client.post("/v3/login", json={"username": "admin", "password": ADMIN_PASSWORD, "expire": minutes})
    claims = decode_token(response.json["access_token"])
    assert response.json["expire"] == minutes
    assert claims["exp"] - claims["iat"] == minutes * 60
    assert claims["fresh"] is True


def test_expire_must_be_a_whole_number_of_minutes_up_to_the_cap(client):
    rules = {
        0: "must be at least 1",
        -1: "must be at least 1",
        1441: "must be at most 1440 minutes",
        10.5: "must be a whole number",
        "10": "must be a whole number",
        True: "must be a whole number",
        (): "must be a whole number",
    }
    credentials = {"username": "admin", "password": ADMIN_PASSWORD}
    answers = {expire: answer(client.post("/v3/login", json={**credentials, "expire": expire})) for expire in rules}
    assert answers == {
        expire: (400, {"message": {"expire": rule}, "error": "invalid"}) for expire, rule in rules.items()
    }


def test_a_missing_field_is_named(client):
    without_password = client.post("/v3/login", json={"username": "admin"})
    assert answer(without_password) == (
        400,
        {"message": {"password": "'password' cannot be empty!"}, "error": "invalid"},
    )
    without_both = client.post("/v3/login", json={})
    assert set(without_both.json["message"]) == {"username", "password"}


def test_wrong_types_name_the_field_and_the_rule(client):
    response = client.post("/v3/login", json={"username": ["admin"], "password": 5})
    assert answer(response) == (
        400,
        {"message": {"username": "must be text", "password": "must be text"}, "error": "invalid"},
    )


def test_wrong_name_and_wrong_password_are_told_apart_by_nothing(client, monkeypatch):
    tries = []

    class Counting:
        def verify(self, stored, password):
            tries.append(password)
            return genuine.verify(stored, password)

        def hash(self, password):
            return genuine.hash(password)

    genuine = passwords.HASHER
    monkeypatch.setattr(passwords, "HASHER", Counting())
    wrong_password = client.post("/v3/login", json={"username": "admin", "password": "not the password"})
    wrong_name = client.post("/v3/login", json={"username": "nobody", "password": "not the password"})
    assert answer(wrong_password) == answer(wrong_name)
    assert wrong_name.status_code == 401
    assert wrong_name.json["message"] == "Invalid Credentials!"
    assert tries == ["not the password"] * 2  # the same work for both, so the same time


def test_after_ten_failures_a_name_must_wait(client):
    failures = [
        client.post("/v3/login", json={"username": "admin", "password": "guess"}).status_code for _ in range(10)
    ]
    assert failures == [401] * 10
    refused = client.post("/v3/login", json={"username": "admin", "password": ADMIN_PASSWORD})
    assert refused.status_code == 429
    assert refused.json["error"] == "too_many"
    assert 0 < int(refused.headers["Retry-After"]) <= 301


def test_token_refusals_to_the_letter(app, client, stale_headers):
    with app.app_context():
        expired = create_access_token(
            "1", expires_delta=timedelta(seconds=-31), additional_claims={"epoch": 1, "family": "f"}
        )
    logged_out = log_in(client)["headers"]
    client.post("/v3/logout", headers=logged_out)
    assert answer(client.post("/v3/logout")) == (401, NO_TOKEN)
    assert knock(client, bearer(expired)) == (401, EXPIRED)
    assert knock(client, bearer("nonsense")) == (401, INVALID)
    assert knock(client, logged_out) == (401, REVOKED)
    assert answer(client.post("/v3/regstock", json={"symbol": "A"}, headers=stale_headers)) == (401, NOT_FRESH)


def test_clocks_may_differ_by_half_a_minute(app, client):
    with app.app_context():
        claims = {"epoch": 1, "family": "f"}
        late = create_access_token("1", expires_delta=timedelta(seconds=-20), additional_claims=claims)
    assert is_welcome(client, bearer(late))
    assert is_welcome(client, bearer(forge(app, iat=datetime.now(UTC) + timedelta(seconds=20))))


def test_forged_tokens_are_invalid(app, client):
    ahead = datetime.now(UTC) + timedelta(minutes=5)
    tokens = {
        "as the desk makes them": forge(app),
        "with a header that names a key elsewhere, which nobody reads": forge(
            app, header={"kid": "../../etc/hosts", "jku": "http://127.0.0.1/keys"}
        ),
        "no algorithm": forge(app, key="", algorithm="none"),
        "another algorithm": forge(app, algorithm="HS384"),
        "another key": forge(app, key="a key that is not the desk's, of good length"),
        "cut off": forge(app)[:-4],
        "without its signature": forge(app).rpartition(".")[0] + ".",
        "another issuer": forge(app, iss="another-desk"),
        "another audience": forge(app, aud="another-desk"),
        "no audience": forge(app, aud=None),
        "issued in the future": forge(app, iat=ahead),
        "valid in the future": forge(app, nbf=ahead),
        "a refresh token": forge(app, type="refresh"),
        "no name of its own": forge(app, jti=None),
        "no epoch": forge(app, epoch=None),
        "an epoch that is no number": forge(app, epoch="first"),
        "no subject": forge(app, sub=None),
        "a subject that is no number": forge(app, sub="admin"),
        "of 100 kB": forge(app, note="x" * 100_000, aud="another-desk"),
    }
    answers = {name: knock(client, bearer(token)) for name, token in tokens.items()}
    welcome = ["as the desk makes them", "with a header that names a key elsewhere, which nobody reads"]
    assert {name for name, (status, _) in answers.items() if status == 200} == set(welcome)
    assert {
        name: told for name, (status, told) in answers.items() if status != 200 and told not in (INVALID, REVOKED)
    } == {}


def test_a_token_of_nobody_is_dead(app, client):
    assert knock(client, bearer(forge(app, sub="999"))) == (401, REVOKED)
    assert knock(client, bearer(forge(app, epoch=7))) == (401, REVOKED)


def test_refresh_gives_a_new_pair_that_is_not_fresh(client):
    login = log_in(client)
    response = client.post("/v3/refresh", headers=bearer(login["refresh_token"]))
    assert response.status_code == 200
    assert set(response.json) == {"access_token", "refresh_token"}
    new = bearer(response.json["access_token"])
    assert is_welcome(client, new)
    assert answer(client.get("/v3/users/0", headers=new)) == (401, NOT_FRESH)
    assert client.post("/v3/refresh", headers=bearer(response.json["refresh_token"])).status_code == 200


def test_each_kind_of_token_serves_its_own_purpose_only(client):
    tokens = log_in(client)
    assert answer(client.post("/v3/refresh", headers=tokens["headers"])) == (401, INVALID)
    assert knock(client, bearer(tokens["refresh_token"])) == (401, INVALID)


def test_a_refresh_token_used_twice_ends_its_family_everywhere(client, other_client):
    first = log_in(client)["refresh_token"]
    second = client.post("/v3/refresh", headers=bearer(first)).json["refresh_token"]
    assert answer(other_client.post("/v3/refresh", headers=bearer(first))) == (401, REVOKED)
    assert answer(client.post("/v3/refresh", headers=bearer(second))) == (401, REVOKED)
    assert client.post("/v3/refresh", headers=bearer(log_in(client)["refresh_token"])).status_code == 200


def assert_one_won_and_kept_nothing(client, answers):
    assert sorted(response.status_code for response in answers) == [200, 401]
    winner = next(response for response in answers if response.status_code == 200)
    assert answer(client.post("/v3/refresh", headers=bearer(winner.json["refresh_token"]))) == (401, REVOKED)


def test_of_two_refreshes_at_once_one_wins_and_its_family_ends(client, other_client):
    token = bearer(log_in(client)["refresh_token"])
    answers = together(*(lambda c=c: c.post("/v3/refresh", headers=token) for c in (client, other_client)))
    assert_one_won_and_kept_nothing(client, answers)


def test_a_refresh_within_another_one_s_refresh_ends_the_family_too(client, other_client, monkeypatch):
    token = bearer(log_in(client)["refresh_token"])
    answers = []

    def interrupted(*args, **kwargs):
        if not answers:
            answers.append(None)
            answers[0] = other_client.post("/v3/refresh", headers=token)
        return create_access_token(*args, **kwargs)

    monkeypatch.setattr(tokens, "create_access_token", interrupted)
    answers.append(client.post("/v3/refresh", headers=token))
    assert_one_won_and_kept_nothing(client, answers)


def test_a_logged_out_token_is_dead_in_every_process(client, other_client):
    tokens, elsewhere = log_in(client), log_in(client)
    assert is_welcome(other_client, tokens["headers"])
    response = client.post("/v3/logout", headers=tokens["headers"])
    assert answer(response) == (200, {"message": "Successfully logged out"})
    assert knock(other_client, tokens["headers"]) == (401, REVOKED)
    assert answer(other_client.post("/v3/refresh", headers=bearer(tokens["refresh_token"]))) == (401, REVOKED)
    assert is_welcome(other_client, elsewhere["headers"])


def test_logging_out_four_times_at_once_ends_in_order(client, other_client):
    for _ in range(5):
        headers = log_in(client)["headers"]
        answers = together(
            *(lambda c=c, h=headers: c.post("/v3/logout", headers=h) for c in (client, other_client) * 2)
        )
        assert {response.status_code for response in answers} <= {200, 401}
        assert knock(client, headers) == (401, REVOKED)


def test_a_password_change_ends_all_tokens_of_that_user_everywhere(app, client, other_client, admin_headers):
    make_user(app)
    tokens = log_in(client, "reader", USER_PASSWORD)
    assert is_welcome(other_client, tokens["headers"])
    changed = {"username": "reader", "password": "quite another password"}
    assert client.put("/v3/reguser", json=changed, headers=admin_headers).status_code == 200
    assert knock(other_client, tokens["headers"]) == (401, REVOKED)
    assert answer(other_client.post("/v3/refresh", headers=bearer(tokens["refresh_token"]))) == (401, REVOKED)
    assert is_welcome(client, admin_headers)
    assert is_welcome(other_client, log_in(client, "reader", "quite another password")["headers"])


def test_a_deleted_user_s_tokens_are_dead_everywhere(app, client, other_client, admin_headers):
    make_user(app)
    tokens = log_in(client, "reader", USER_PASSWORD)
    client.delete("/v3/user/reader", headers=admin_headers)
    assert knock(other_client, tokens["headers"]) == (401, REVOKED)
    assert answer(other_client.post("/v3/refresh", headers=bearer(tokens["refresh_token"]))) == (401, REVOKED)


def test_an_authorization_that_is_no_bearer_token_is_refused(client):
    for value in ("Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", "Bearer a b", "\xe9\xe8"):
        status, told = knock(client, {"Authorization": value})
        assert (status, told) in [(401, NO_TOKEN), (401, INVALID)], value
