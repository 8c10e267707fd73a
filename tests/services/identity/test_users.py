"""Users at the same moment, and what their passwords leave behind."""

import pytest

from domain.enums import Role
from domain.errors import InvalidInput
from services.identity import passwords, users
from services.identity.users import change_user, create_user, delete_user, list_users
from tests.support.factories import together


def within(app, action):
    with app.app_context():
        return action()


def admins(app):
    return within(app, lambda: [user.username for user in list_users(None) if user.is_admin])


@pytest.mark.parametrize(
    "remove", [delete_user, lambda name: change_user(name, "a long password", Role.USER)], ids=["delete", "demote"]
)
def test_two_admins_who_remove_each_other_at_once_do_not_both_succeed(app, other_app, remove):
    within(app, lambda: create_user("second", "a long password", Role.ADMIN))
    for _ in range(3):
        names = admins(app)
        results = together(
            lambda names=names: within(app, lambda: remove(names[0])),
            lambda names=names: within(other_app, lambda: remove(names[1])),
        )
        assert [type(result) for result in results if result is not None] == [InvalidInput]
        (left,) = admins(app)
        other = next(name for name in names if name != left)
        within(app, lambda other=other: users.find_user(other) and delete_user(other))
        within(app, lambda other=other: create_user(other, "a long password", Role.ADMIN))


def test_eight_who_take_one_name_at_once(app, other_app):
    results = together(
        *(lambda one=one: within(one, lambda: create_user("taken", "a long password")) for one in (app, other_app) * 4)
    )
    assert [type(result).__name__ for result in results].count("NoneType") == 1
    assert {type(result).__name__ for result in results} == {"NoneType", "AlreadyExists"}


def test_an_older_hash_is_renewed_at_log_in(context):
    from argon2 import PasswordHasher

    from extensions import transaction
    from models import User

    with transaction() as session:
        session.query(User).filter_by(username="admin").one().password_hash = PasswordHasher(
            time_cost=2, memory_cost=16, parallelism=1
        ).hash("old")
    assert passwords.needs_rehash(users.get_user("admin").password_hash)
    users.authenticate("admin", "old", "127.0.0.1")
    assert not passwords.needs_rehash(users.get_user("admin").password_hash)
    assert users.authenticate("admin", "old", "127.0.0.1").username == "admin"


def test_a_broken_hash_lets_nobody_in(context):
    from extensions import transaction
    from models import User

    with transaction() as session:
        session.query(User).filter_by(username="admin").one().password_hash = "no hash at all"
    assert passwords.verify_password("no hash at all", "anything") is False
