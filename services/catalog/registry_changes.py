"""What all changes of stocks and pairs share: one at a time, who may make them, and their record in the journal."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.errors import InvalidInput, NotAllowed
from domain.exact import plain_text
from models import BrokerAccount, Instrument, Pair, RegistryVersion
from services import journal
from services.catalog.orphaned_positions import goes_elsewhere

LONGEST = 80  # characters of one value in the journal

Changes = Mapping[str, tuple[Any, Any]]  # by field: before and after


@dataclass(frozen=True, slots=True)
class Editor:
    """Who changes the registry, by the name that the journal shows, and whether with the rights of an admin."""

    name: str
    is_admin: bool = False


def lock_registry(session: Session) -> None:
    """Let every other change of the registry wait until this one ends; its first statement, before anything is read.

    What a change checks stays true until it commits. The version moves only when something really changes.
    """
    session.execute(sa.select(RegistryVersion.version).with_for_update())


def changes_between(before: Mapping[str, object], wanted: Mapping[str, object]) -> Changes:
    """Return what differs, by field."""
    return {field: (before[field], value) for field, value in wanted.items() if before[field] != value}


def find_account(session: Session, name: str | None) -> int | None:
    """Return the id of a broker account by name; None stays None. Raises InvalidInput."""
    if name is None:
        return None
    account = session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.name == name)).scalar_one_or_none()
    if account is None:
        known = ", ".join(session.execute(sa.select(BrokerAccount.name).order_by(BrokerAccount.id)).scalars())
        raise InvalidInput({"account": f"no broker account has this name; there are: {known}"})
    return account


def set_values(session: Session, registered: Instrument | Pair, values: Mapping[str, Any]) -> None:
    """Set what is registered of a stock or pair, an account by its name, and read it back as it is stored."""
    for field, value in values.items():
        if field == "account":
            registered.account_id = find_account(session, value)
        else:
            setattr(registered, field, value)
    session.flush()
    session.refresh(registered)


def refuse_to_redirect(session: Session, name: str, old: int | None, new: int | None) -> None:
    """Raise NotAllowed if the alerts of a stock or pair would go to another account: only an admin may do that."""
    if goes_elsewhere(session, old, new):
        raise needs_admin(name, ["account"], "its alerts would be traded elsewhere")


def needs_admin(what: str, touched: Iterable[str], why: str) -> NotAllowed:
    """Return the refusal of a change that only an admin may make; `why` says in words what depends on it."""
    names = " and ".join(_words(field) for field in touched)
    return NotAllowed(f"'admin' privilege required to change the {names} of {what}: {why}.")


def record_change(session: Session, editor: Editor, action: str, subject: str, changes: Changes) -> None:
    """Put on record who changed what, from what to what."""
    text = "; ".join(f"{_words(field)}: {_show(old)} -> {_show(new)}" for field, (old, new) in changes.items())
    journal.record(session, editor.name, action, subject, text, level=logging.INFO)


def record_values(session: Session, editor: Editor, action: str, subject: str, values: Mapping[str, object]) -> None:
    """Put on record who has added or deleted what, and what it was like."""
    text = "; ".join(f"{_words(field)}: {_show(value)}" for field, value in values.items() if value is not None)
    journal.record(session, editor.name, action, subject, text, level=logging.INFO)


def _words(field: str) -> str:
    return field.replace("_", " ")


def _show(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = plain_text(value) if isinstance(value, Decimal) else " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
