"""Accounts that were opened at the brokerage: the connection to it, and who may see which account."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import current_app

from brokers.alpaca.settings import BrokerageSettings
from config import Config
from domain.errors import NotConfigured, NotFound
from extensions import db
from models import BrokerageAccount, User
from services.paging import Page, cut

if TYPE_CHECKING:
    from brokers.alpaca.accounts import BrokerageClient

LONGEST_ROWID = 15  # digits
_making = threading.Lock()


def is_configured() -> bool:
    """Return True if this desk has a key for the brokerage."""
    config: Config = current_app.config["DESK"]
    return bool(config.broker_api_key and config.broker_api_secret)


def environment() -> str:
    """Return where accounts are opened: sandbox, live or simulator."""
    config: Config = current_app.config["DESK"]
    return config.broker_api_environment


def connected() -> BrokerageClient:
    """Return the process's connection to the brokerage; raises NotConfigured naming the settings."""
    if not is_configured():
        raise NotConfigured(
            "This desk opens no brokerage accounts: APCA_BROKER_API_KEY and APCA_BROKER_API_SECRET are not set."
        )
    from brokers.alpaca.accounts import BrokerageClient  # large, and most desks never use it

    with _making:
        client: BrokerageClient | None = current_app.extensions.get("brokerage")
        if client is None:
            client = current_app.extensions["brokerage"] = BrokerageClient(settings())
        return client


def settings() -> BrokerageSettings:
    """Return what a connection to the brokerage is opened with."""
    config: Config = current_app.config["DESK"]
    return BrokerageSettings(
        environment=config.broker_api_environment,
        key_id=config.broker_api_key,
        secret_key=config.broker_api_secret,
        simulator_url=config.alpaca_simulator_url,
        by_token=config.broker_api_login == "oauth",
    )


def get_account(name: str, viewer: User) -> BrokerageAccount:
    """Return an account by Alpaca's id or our row's number; NotFound for one that this user may not see, too."""
    if name.isascii() and name.isdigit() and len(name) <= LONGEST_ROWID:
        wanted = BrokerageAccount.id == int(name)
    else:
        wanted = BrokerageAccount.alpaca_id == name.lower()
    row = db.session.execute(_seen_by(viewer).where(wanted)).scalar_one_or_none()
    if row is None:
        raise NotFound("item not found.")
    return row


def list_accounts(viewer: User, limit: int, after: int | None = None) -> Page[BrokerageAccount, int]:
    """Return the accounts that this user may see, newest first, before the row `after`."""
    query = _seen_by(viewer).order_by(BrokerageAccount.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(BrokerageAccount.id < after)
    return cut(db.session.execute(query).scalars().all(), limit, lambda row: row.id)


def all_accounts() -> list[BrokerageAccount]:
    """Return the accounts of all users, oldest first."""
    return list(db.session.execute(sa.select(BrokerageAccount).order_by(BrokerageAccount.id)).scalars())


def owner_names(rows: Iterable[BrokerageAccount]) -> dict[int, str]:
    """Return the names of the owners by their number."""
    numbers = {row.owner_id for row in rows if row.owner_id is not None}
    return {row.id: row.username for row in db.session.execute(sa.select(User).where(User.id.in_(numbers))).scalars()}


def _seen_by(viewer: User) -> sa.Select[BrokerageAccount]:
    query = sa.select(BrokerageAccount)
    return query if viewer.is_admin else query.where(BrokerageAccount.owner_id == viewer.id)
