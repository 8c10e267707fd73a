"""People: who exists, who may log in, and what ends when a password changes."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import ConfigError, check_password
from domain.enums import Role
from domain.errors import AlreadyExists, InvalidInput, NotAuthenticated, NotFound
from extensions import db, transaction
from models import User
from services import journal
from services.identity import throttle
from services.identity.passwords import hash_password, needs_rehash, verify_password

logger = logging.getLogger(__name__)

THE_DESK = "the desk"  # who does what nobody has asked for
NAME = re.compile(r"[\w.@+-]{1,64}")


def authenticate(username: str, password: str, address: str) -> User:
    """Return the user whose password this is; raises NotAuthenticated, or TooMany after many failures."""
    throttle.check_failures(throttle.LOGIN_FAILURES_PER_ADDRESS, f"login-address:{address}")
    throttle.check_failures(throttle.LOGIN_FAILURES_PER_NAME, f"login-name:{username}")
    user = find_user(username)
    if not verify_password(user.password_hash if user else None, password) or user is None:
        throttle.count_failure(throttle.LOGIN_FAILURES_PER_ADDRESS, f"login-address:{address}")
        throttle.count_failure(throttle.LOGIN_FAILURES_PER_NAME, f"login-name:{username}")
        logger.warning("log-in failed from %s", address)
        raise NotAuthenticated("Invalid Credentials!", "invalid_credentials")
    if needs_rehash(user.password_hash):
        new = hash_password(password)
        with transaction() as session:
            session.execute(sa.update(User).where(User.id == user.id).values(password_hash=new))
    logger.info("user %s: logged in from %s", user.id, address)
    return user


def find_user(username: str) -> User | None:
    """Return the user of that name."""
    return db.session.execute(sa.select(User).where(User.username == username)).scalar_one_or_none()


def get_user(username: str) -> User:
    """Return the user of that name; raises NotFound."""
    if (user := find_user(username)) is None:
        raise NotFound("item not found.")
    return user


def find_user_by_id(user_id: int, epoch: int) -> User | None:
    """Return the user if the credential of that epoch is still good."""
    return db.session.execute(sa.select(User).where(User.id == user_id, User.epoch == epoch)).scalar_one_or_none()


def list_users(limit: int | None) -> Sequence[User]:
    """Return users, newest first; None = all."""
    return db.session.execute(sa.select(User).order_by(User.id.desc()).limit(limit)).scalars().all()


def create_user(username: str, password: str, role: Role = Role.USER, *, actor: str = THE_DESK) -> None:
    """Add a user; raises AlreadyExists, or InvalidInput for a password that is too easy."""
    user = new_user(username, password, role)
    try:
        with transaction() as session:
            session.add(user)
            session.flush()
            _put_on_record(session, actor, "user added", username, f"role: {role}")
    except IntegrityError:
        raise AlreadyExists("'username' already exists.") from None
    logger.info("user %r created as %s", username, role)


def new_user(username: str, password: str, role: Role) -> User:
    """Return a user to be stored; raises InvalidInput for a name that is none, or a password that is too easy."""
    if not NAME.fullmatch(username):
        raise InvalidInput({"username": "must have 1 to 64 letters, digits or any of . @ + - _"})
    check_new_password(password)
    return User(username=username, password_hash=hash_password(password), role=role)


def change_user(username: str, password: str, role: Role | None = None, *, actor: str = THE_DESK) -> None:
    """Set a password, and the role when given; ends all sessions and tokens of that user. Raises NotFound."""
    check_new_password(password)
    hashed = hash_password(password)
    with transaction() as session:
        user = _locked(session, username)
        if role is Role.USER:
            _keep_an_admin(session, user)
        before = user.role
        user.password_hash = hashed
        user.role = role or user.role
        user.epoch += 1
        changed = "" if user.role == before else f"; role: {before} -> {user.role}"
        _put_on_record(session, actor, "user changed", username, f"password: set anew{changed}")
    logger.info("user %r: password changed, older sessions and tokens ended", username)


def delete_user(username: str, *, actor: str = THE_DESK) -> None:
    """Delete a user; raises NotFound, or InvalidInput for the last admin."""
    with transaction() as session:
        user = _locked(session, username)
        _keep_an_admin(session, user)
        _put_on_record(session, actor, "user deleted", username, f"role: {user.role}")
        session.delete(user)
    logger.info("user %r deleted", username)


def _put_on_record(session: Session, actor: str, action: str, username: str, text: str) -> None:
    journal.record(session, actor, action, f"user {username}", text, level=logging.INFO)


def _locked(session: Session, username: str) -> User:
    # Admins are locked together, in one order: two admins deleting each other must not both succeed.
    admins = (User.username == username) | (User.role == Role.ADMIN)
    rows = session.execute(sa.select(User).where(admins).order_by(User.id).with_for_update()).scalars().all()
    for user in rows:
        if user.username == username:
            return user
    raise NotFound("item not found.")


def _keep_an_admin(session: Session, user: User) -> None:
    others = sa.select(sa.func.count()).select_from(User).where(User.role == Role.ADMIN, User.id != user.id)
    if user.is_admin and session.execute(others).scalar_one() == 0:
        raise InvalidInput({"username": "the last admin stays"})


def check_new_password(password: str) -> None:
    """Raise InvalidInput for a password that is too easy."""
    try:
        check_password(password)
    except ConfigError as e:
        raise InvalidInput({"password": str(e)}) from None
