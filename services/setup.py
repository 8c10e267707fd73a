"""First start: tables, the first admin and the first passphrase. Harmless to repeat."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from flask_migrate import upgrade
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from brokers.registry import BUILT_IN, SIMULATED
from config import Config, ConfigError
from domain.enums import Environment, Role, Route
from extensions import transaction
from models import BrokerAccount, User, WebhookSecret
from services.accounts.broker_accounts import EXTERNAL, PAPER, SIMULATOR
from services.accounts.broker_keys import Keys, store_keys, stored_identity
from services.catalog import snapshots
from services.catalog.orphaned_positions import list_stranded
from services.health import check_keys
from services.identity import passphrases, users

logger = logging.getLogger(__name__)

ADMIN = "admin"
PATIENCE, AGAIN = 60.0, 0.5  # seconds
# Those that the simulator takes from everybody: they open nothing else.
SIMULATOR_KEYS = Keys(key_id="PKSIMULATOR000000000", secret_key="simulator-secret")  # noqa: S106


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """What was made at this start and is shown once; None = it was there, or was given."""

    admin_password: str | None
    passphrase: str | None


def prepare_database(config: Config) -> FirstSecrets:
    """Bring the tables up to date, then make what the desk cannot do without. ConfigError: BROKER names no account."""
    upgrade()
    first = _patiently(lambda: _make_first_rows(config))
    if not (keys := check_keys()).ok:  # told only: a desk that did not start would lose the alerts of all accounts
        logger.critical("keys of accounts: %s", keys.text)
    for each in list_stranded():
        logger.warning("no exit reaches %s", each)
    return first


def _make_first_rows(config: Config) -> FirstSecrets:
    with transaction() as session:
        snapshots.bump_version(session)  # several starts at once pass here one by one
        _accounts(session, config.broker)
        password = _first_admin(session, config.admin_password)
        passphrase = _first_passphrase(session, config.webhook_passphrase)
    return FirstSecrets(password, passphrase)


def _patiently(make: Callable[[], FirstSecrets]) -> FirstSecrets:
    """Do it, and again while somebody else keeps the database locked: another start may be at work, or a busy desk."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return make()
        except OperationalError as e:
            if time.monotonic() > end:
                raise
            logger.info("the database is not free yet (%s); trying again", str(e.orig).strip())
            time.sleep(AGAIN)


def _accounts(session: Session, default: str) -> None:
    """Make the built-in accounts and let the setting choose the default one."""
    known = {account.name: account for account in session.execute(sa.select(BrokerAccount)).scalars()}
    for name, broker, route in ((PAPER, BUILT_IN, Route.DESK), (EXTERNAL, "external", Route.EXTERNAL)):
        if name not in known:
            known[name] = BrokerAccount(name=name, broker=broker, route=route)
            session.add(known[name])
    if default == SIMULATOR:
        known[SIMULATOR] = _simulator_account(session, known.get(SIMULATOR))
    if default not in known:
        names = ", ".join(sorted(known))
        raise ConfigError(
            f"BROKER: no account is called '{default}'; there are: {names}. "
            "Start with one of them and add yours on the page Accounts, or by `flask accounts add`."
        )
    for account in known.values():
        account.is_default = False
    session.flush()
    known[default].is_default = True


def _simulator_account(session: Session, account: BrokerAccount | None) -> BrokerAccount:
    """Return the simulator's account; its keys are no secret, so lost ones are simply set again."""
    if account is None:
        account = BrokerAccount(name=SIMULATOR, broker=SIMULATED, route=Route.DESK, environment=Environment.SIMULATOR)
        session.add(account)
        session.flush()
        store_keys(account, SIMULATOR_KEYS, "")
    elif stored_identity(account) is None:
        store_keys(account, SIMULATOR_KEYS, "")
        account.revision += 1
    return account


def _first_admin(session: Session, given: str) -> str | None:
    """Make the admin when there is no user at all; returns the password if it was made here."""
    if session.execute(sa.select(User.id).limit(1)).first() is not None:
        return None
    password = given or secrets.token_urlsafe(18)
    session.add(users.new_user(ADMIN, password, Role.ADMIN))
    return None if given else password


def _first_passphrase(session: Session, given: str) -> str | None:
    """Put a passphrase in force when there is none; returns it if it was made here."""
    if session.execute(sa.select(WebhookSecret.id).limit(1)).first() is not None:
        return None
    passphrase = given or secrets.token_urlsafe(32)
    passphrases.put_in_force(session, passphrase, datetime.now(UTC))
    return None if given else passphrase
