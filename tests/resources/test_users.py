"""/v3/reguser, /v3/users and /v3/user."""

import pytest

from tests.support.factories import log_in, make_user


def answer(response):
    return response.status_code, response.json


@pytest.fixture
def admin(client, admin_headers):
    """A client whose every request carries the admin's token."""
    client.environ_base["HTTP_AUTHORIZATION"] = admin_headers["Authorization"]
    return client


def test_a_user_is_added_and_may_log_in(admin, other_client):
    response = admin.post("/v3/reguser", json={"username": "reader", "password": "a long password"})
    assert answer(response) == (201, {"message": "'user' created successfully."})
    assert log_in(other_client, "reader", "a long password")
    assert answer(admin.get("/v3/user/reader")) == (200, {"username": "reader", "role": "user"})


def test_a_name_is_taken_once(admin):
    body = {"username": "reader", "password": "a long password"}
    assert admin.post("/v3/reguser", json=body).status_code == 201
    assert answer(admin.post("/v3/reguser", json=body)) == (
        400,
        {"message": "'username' already exists.", "error": "exists"},
    )


def test_a_password_is_changed(app, admin, other_client):
    make_user(app, "reader", "the password before")
    response = admin.put("/v3/reguser", json={"username": "reader", "password": "the password after"})
    assert answer(response) == (200, {"username": "reader", "role": "user"})
    assert (
        other_client.post("/v3/login", json={"username": "reader", "password": "the password before"}).status_code
        == 401
    )
    assert log_in(other_client, "reader", "the password after")


def test_a_password_of_nobody_is_not_changed(admin):
    response = admin.put("/v3/reguser", json={"username": "nobody", "password": "a long password"})
    assert answer(response) == (404, {"message": "item not found.", "error": "not_found"})


def test_users_are_listed_newest_first(app, admin):
    for name in ("first", "second", "third"):
        make_user(app, name)
    listed = admin.get("/v3/users/0").json["users"]
    assert [user["username"] for user in listed] == ["third", "second", "first", "admin"]
    assert [user["username"] for user in admin.get("/v3/users/2").json["users"]] == ["third", "second"]


def test_the_number_of_users_is_whole_and_not_negative(admin):
    assert {
        n: admin.get(f"/v3/users/{n}").status_code for n in ("-1", "x", "1.5", "1e3", "%D9%A3", "9" * 30)
    } == dict.fromkeys(("-1", "x", "1.5", "1e3", "%D9%A3", "9" * 30), 400)


def test_a_user_is_deleted(app, admin):
    make_user(app)
    log_in(admin, "reader", "a reader of this desk")  # who has logged in can be deleted, too
    assert answer(admin.delete("/v3/user/reader")) == (200, {"message": "'user' deleted successfully."})
    assert answer(admin.get("/v3/user/reader")) == (404, {"message": "item not found.", "error": "not_found"})
    assert admin.delete("/v3/user/reader").status_code == 404


def test_the_last_admin_stays(admin):
    assert answer(admin.delete("/v3/user/admin")) == (
        400,
        {"message": {"username": "the last admin stays"}, "error": "invalid"},
    )
    demoted = {"username": "admin", "password": "a long password", "role": "user"}
    assert admin.put("/v3/reguser", json=demoted).status_code == 400
    assert admin.get("/v3/users/0").status_code == 200


def test_what_breaks_a_rule_is_named(admin):
    bodies = {
        "password": {"username": "reader"},
        "username": {"password": "a long password"},
        "password ": {"username": "reader", "password": "short"},
        " password": {"username": "reader", "password": "password"},
        "password  ": {"username": "reader", "password": "x" * 129},
        "username ": {"username": "white space", "password": "a long password"},
        " username": {"username": "x" * 65, "password": "a long password"},
        "username  ": {"username": 5, "password": "a long password"},
        "role": {"username": "reader", "password": "a long password", "role": "root"},
    }
    answers = {name: answer(admin.post("/v3/reguser", json=body)) for name, body in bodies.items()}
    assert {name: (status, set(told["message"])) for name, (status, told) in answers.items()} == {
        name: (400, {name.strip()}) for name in bodies
    }
    assert [user["username"] for user in admin.get("/v3/users/0").json["users"]] == ["admin"]


def test_passwords_never_leave(app, admin):
    make_user(app, "reader", "never to be seen again")
    texts = [admin.get(path).text for path in ("/v3/users/0", "/v3/user/reader")]
    texts.append(admin.post("/v3/reguser", json={"username": "reader", "password": "never to be seen again"}).text)
    texts.append(admin.post("/v3/reguser", json={"username": "x y", "password": "never to be seen again"}).text)
    assert not any("never to be seen" in text or "argon2" in text for text in texts)


def test_a_name_from_the_url_that_no_database_can_keep_is_not_found(admin):
    assert {
        name: admin.get(f"/v3/user/{name}").status_code for name in ("%00", "a%00b", "%ED%A0%80", "%F0%9F%8C%B7")
    } == dict.fromkeys(("%00", "a%00b", "%ED%A0%80", "%F0%9F%8C%B7"), 404)
    assert admin.delete("/v3/user/%00").status_code == 404
