"""Encrypting all stored keys anew after CREDENTIALS_KEY has got a new first part."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import current_app

from extensions import transaction
from models import BrokerAccount
from services import journal
from services.accounts.credentials import CredentialsUnreadable, reseal
from services.catalog.snapshots import bump_version


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many accounts' keys were encrypted anew, and whose could not be read."""

    count: int
    unreadable: tuple[str, ...]


def reseal_all(actor: str) -> Resealed:
    """Encrypt the keys of all accounts with the first part of CREDENTIALS_KEY; what cannot be read stays as it is."""
    secret = current_app.config["DESK"].credentials_key
    count, unreadable = 0, []
    with transaction() as session:
        bump_version(session)
        rows = session.execute(
            sa.select(BrokerAccount).where(BrokerAccount.credentials.is_not(None)).order_by(BrokerAccount.id)
        ).scalars()
        for row in rows:
            try:
                row.credentials = reseal(secret, row.credentials or "")
                count += 1
            except CredentialsUnreadable:
                unreadable.append(row.name)
        text = f"{count} encrypted anew" + (f"; cannot be read: {', '.join(unreadable)}" if unreadable else "")
        journal.record(session, actor, "reseal", "keys of accounts", text)
    return Resealed(count, tuple(unreadable))
