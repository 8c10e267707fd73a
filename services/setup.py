"""First start: tables, the first admin and the first passphrase. Harmless to repeat."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from flask_migrate import upgrade
from sqlalchemy.orm import Session

from config import Config
from domain.enums import Role, Route
from extensions import db, transaction
from models import BrokerAccount, User
from services import manage_secrets, manage_users, registry

logger = logging.getLogger(__name__)

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """What was made at this start and is shown once; None = it was there, or was given."""

    admin_password: str | None
    passphrase: str | None


def prepare_database(config: Config) -> FirstSecrets:
    """Bring the tables up to date, then make what the desk cannot do without."""
    upgrade()
    with transaction() as session:
        _accounts(session, config.broker)
        registry.bump_version(session)
    password = passphrase = None
    if db.session.execute(sa.select(User.id).limit(1)).first() is None:
        password = config.admin_password or secrets.token_urlsafe(18)
        manage_users.create_user(ADMIN, password, Role.ADMIN)
    if not manage_secrets.has_passphrase():
        passphrase = config.webhook_passphrase or secrets.token_urlsafe(32)
        manage_secrets.set_passphrase(passphrase)
    return FirstSecrets(None if config.admin_password else password, None if config.webhook_passphrase else passphrase)


def _accounts(session: Session, default: str) -> None:
    """Make the two built-in accounts and let the setting choose the default one."""
    known = {account.name: account for account in session.execute(sa.select(BrokerAccount)).scalars()}
    for name, broker, route in (("paper", "paper", Route.DESK), ("external", "external", Route.EXTERNAL)):
        if name not in known:
            known[name] = BrokerAccount(name=name, broker=broker, route=route)
            session.add(known[name])
    for account in known.values():
        account.is_default = False
    session.flush()
    known[default].is_default = True
