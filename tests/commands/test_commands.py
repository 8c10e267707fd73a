"""The `flask` commands for users, secrets, set-up and health."""

import pytest

from tests.support.factories import ADMIN_PASSWORD, PASSPHRASE, bearer, log_in, make_stock, make_user, post_alert


@pytest.fixture
def run(app):
    """Run a command; returns exit code and output."""

    def run(*words, typed=""):
        result = app.test_cli_runner().invoke(args=list(words), input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return run


def test_a_user_is_added_listed_changed_and_deleted(run, client, other_client):
    assert run("users", "add", "reader", typed="a long password\na long password\n")[0] == 0
    assert run("users", "list")[1].splitlines()[-2:] == ["reader\tuser", "admin\tadmin"]
    token = log_in(other_client, "reader", "a long password")["headers"]
    assert run("users", "password", "reader", typed="another password\nanother password\n")[0] == 0
    assert other_client.get("/v3/signals/1", headers=token).status_code == 401
    assert log_in(client, "reader", "another password")
    assert run("users", "delete", "reader", typed="n\n")[0] == 1
    assert run("users", "delete", "reader", typed="y\n")[0] == 0
    assert "reader" not in run("users", "list")[1]


def test_an_admin_is_added_who_may_do_what_admins_may(run, client):
    run("users", "add", "chief", "--admin", typed="a long password\na long password\n")
    assert client.get("/v3/users/0", headers=log_in(client, "chief", "a long password")["headers"]).status_code == 200


@pytest.mark.parametrize(
    ("words", "typed", "told"),
    [
        (("users", "add", "admin"), "a long password\na long password\n", "'username' already exists."),
        (("users", "add", "reader"), "short\nshort\n", "password: must have at least 8 characters"),
        (("users", "add", ""), "a long password\na long password\n", "username"),
        (("users", "add", "white space"), "a long password\na long password\n", "username"),
        (("users", "add", "x" * 65), "a long password\na long password\n", "username"),
        (("users", "password", "nobody"), "a long password\na long password\n", "item not found."),
        (("users", "delete", "nobody"), "y\n", "item not found."),
        (("users", "delete", "admin"), "y\n", "the last admin stays"),
        (("secrets", "passphrase", "--value", "webhook"), "", "must have at least 16 characters"),
        (("secrets", "passphrase", "--keep-old-hours", "-1"), "", "-1 is not in the range"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run, words, typed, told):
    code, output = run(*words, typed=typed)
    assert code != 0
    assert told in output.splitlines()[-1]
    assert "Traceback" not in output


def test_passwords_are_not_shown(run):
    assert "a long password" not in run("users", "add", "reader", typed="a long password\na long password\n")[1]


def test_a_new_passphrase_is_made_and_shown_once(run, app, client):
    make_stock(app, "LNT")
    code, output = run("secrets", "passphrase")
    new = output.split("shown only now): ")[1].split()[0]
    assert code == 0
    assert len(new) >= 32
    assert post_alert(client, passphrase=new).status_code == 201
    assert post_alert(client, passphrase=PASSPHRASE).status_code == 401


def test_a_given_passphrase_is_not_repeated_and_the_old_one_may_stay(run, client):
    code, output = run("secrets", "passphrase", "--value", "a passphrase given by hand", "--keep-old-hours", "24")
    assert code == 0
    assert "given by hand" not in output
    assert [
        post_alert(client, passphrase=p, order_comment=p).status_code
        for p in ("a passphrase given by hand", PASSPHRASE)
    ] == [201, 201]


def test_setup_is_harmless_to_repeat(run, client):
    assert run("setup") == (0, "The database is up to date.\n")
    assert log_in(client, "admin", ADMIN_PASSWORD)


def test_health_names_what_is_wrong(run):
    code, output = run("health")
    assert code == 1
    assert [line.split()[:2] for line in output.splitlines()] == [
        ["ok", "database:"],
        ["ok", "migrations:"],
        ["FAIL", "worker:"],
        ["ok", "exits:"],
        ["ok", "differences:"],
        ["ok", "refused:"],
        ["ok", "keys:"],
        ["ok", "accounts:"],
        ["ok", "positions:"],
    ]


def test_a_lost_password_is_replaced_by_hand(run, app, client):
    make_user(app)
    tokens = log_in(client, "reader", "a reader of this desk")
    run("users", "password", "reader", typed="a new long password\na new long password\n")
    assert client.post("/v3/refresh", headers=bearer(tokens["refresh_token"])).status_code == 401


def test_the_desk_is_stopped_and_released_from_the_shell(run, app):
    make_stock(app, "LNT")
    assert run("stop", "list") == (0, "No stop is in force.\n")
    code, told = run("stop", "entries", "--scope", "stock", "--name", "lnt", "--reason", "news")
    assert (code, "1  entries  stock LNT" in told) == (0, True)
    assert "by shell user" in run("stop", "list")[1]
    assert run("stop", "release", "1", "--reason", "calm")[0] == 0
    assert run("stop", "list")[1] == "No stop is in force.\n"
    assert "released by shell user" in run("stop", "list", "--all")[1]
    code, told = run("stop", "release", "1", "--reason", "calm")
    assert (code, "was released by" in told) == (1, True)


def test_a_stop_of_nothing_is_refused_in_the_shell(run):
    code, told = run("stop", "flatten", "--scope", "pair", "--name", "NO-PE", "--reason", "x")
    assert (code, "no pair is called NO-PE" in told) == (1, True)
    assert run("stop", "cancel")[0] == 2  # no reason
