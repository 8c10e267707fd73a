"""Accounts at brokers: added with keys that work, switched to live by hand, removed while they have no history.

Each change bumps the registry's version first, so that changes run one by one and what they check stays true.
The broker is asked before the transaction begins, never within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from brokers import registry
from brokers.registry import USUAL, opened_with_credentials, spec_of, wants_credentials
from config import ConfigError, account_name
from domain.enums import Environment, Route, Scope
from domain.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from extensions import announce, db, reading, transaction
from models import (
    AccountState,
    AssetState,
    BrokerAccount,
    DailyResult,
    Fill,
    ForeignOrder,
    Instrument,
    Order,
    Pair,
    Position,
    PositionDifference,
    Quote,
    Signal,
)
from services import journal
from services.accounts.broker_keys import Keys, store_keys, stored_identity, try_keys
from services.catalog import check_limits
from services.catalog.snapshots import bump_version

PAPER, EXTERNAL, SIMULATOR = registry.BUILT_IN, "external", f"{registry.SIMULATED}-sim"
BUILT_IN = (PAPER, EXTERNAL, SIMULATOR)
HISTORY = {
    "orders": Order.account_id,
    "fills": Fill.account_id,
    "positions": Position.account_id,
    "results": DailyResult.account_id,
    "signals": Signal.account_id,
}
HEARD = (AccountState, AssetState, Quote, ForeignOrder, PositionDifference)  # what the broker said; nothing of ours
LONGEST_NUMBER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountForm:
    """What a person says of an account that is to be added."""

    name: str
    broker: str = USUAL
    environment: Environment = Environment.PAPER
    keys: Keys


class KnownAccount(NamedTuple):
    """An account, and what a worker heard of it last; None = its broker was never asked."""

    account: BrokerAccount
    state: AccountState | None

    @property
    def wants_keys(self) -> bool:
        """Return True if its broker opens it with keys."""
        return wants_credentials(self.account.broker)


def list_accounts() -> Sequence[KnownAccount]:
    """Return all accounts, in the order in which they were added."""
    return [KnownAccount(*row) for row in db.session.execute(_known().order_by(BrokerAccount.id))]


def get_account(name: str) -> KnownAccount:
    """Return the account of that name; raises NotFound."""
    row = db.session.execute(_known().where(BrokerAccount.name == name)).one_or_none()
    if row is None:
        raise NotFound("item not found.")
    return KnownAccount(*row)


def add_account(form: AccountForm, actor: str) -> None:
    """Add an account whose keys its broker accepts; live trading is off.

    Raises InvalidInput, AlreadyExists, or BrokerAway when the keys cannot be tried now.
    """
    _check_form(form)
    with reading() as session:
        _refuse_taken(session, form.name)
    report = try_keys(form.broker, form.name, form.environment, form.keys)
    number = report.number[:LONGEST_NUMBER]
    with transaction() as session:
        bump_version(session)
        _refuse_taken(session, form.name)
        account = BrokerAccount(
            name=form.name, broker=form.broker, route=Route.DESK, environment=form.environment, live_enabled=False
        )
        _refuse_twin(session, account, form.keys, number)
        session.add(account)
        session.flush()
        store_keys(account, form.keys, number)
        text = f"{form.broker} {form.environment}, key …{account.key_hint}, {number or 'number not known'}"
        journal.record(session, actor, "add account", form.name, text)
        announce(session)


def set_keys(name: str, keys: Keys, actor: str) -> None:
    """Give an account other keys of the same account at the broker; workers connect anew.

    Raises NotFound, Conflict for an account without keys, InvalidInput, or BrokerAway.
    """
    with reading() as session:
        account = _find(session, name)
        _refuse_without_keys(account)
        if wrong := spec_of(account.broker).wrong(keys):
            raise InvalidInput(wrong)
        account_id, broker, environment = account.id, account.broker, Environment(account.environment)
    report = try_keys(broker, name, environment, keys)
    number = report.number[:LONGEST_NUMBER]
    with transaction() as session:
        bump_version(session)
        account = _find(session, name)
        if account.id != account_id:  # removed and added anew while the broker was asked
            raise NotFound("item not found.")
        if number and account.broker_number and number != account.broker_number:
            # Its orders and positions would be looked for where they never were.
            rule = f"they open the account {number}, this one is {account.broker_number}; add it as another account"
            raise InvalidInput({spec_of(account.broker).credentials[0].name: rule})
        _refuse_twin(session, account, keys, number)
        store_keys(account, keys, number)
        account.revision += 1
        journal.record(session, actor, "set keys", name, f"key …{account.key_hint}, {number or 'number not known'}")
        announce(session)


def remove_keys(name: str, reason: str, actor: str) -> None:
    """Forget the keys of an account: the desk no longer connects to it, and live trading is off.

    Nothing waits for this, also when orders are open there: it is what one does with keys that leaked.
    Raises NotFound, Conflict for an account without keys, or InvalidInput without a reason.
    """
    _check_reason(reason)
    with transaction() as session:
        bump_version(session)
        account = _find(session, name)
        _refuse_without_keys(account)
        account.credentials = account.key_hint = None
        account.live_enabled = False
        account.revision += 1
        journal.record(session, actor, "remove keys", name, reason)
        announce(session)


def switch_live(name: str, on: bool, reason: str, actor: str) -> None:
    """Let orders go to an account of real money, or hold them back; nothing is done where it stands so already.

    Raises NotFound, Conflict for an account without its keys, or InvalidInput for one of play money.
    """
    _check_reason(reason)
    with transaction() as session:
        bump_version(session)
        account = _find(session, name)
        if account.environment != Environment.LIVE:
            raise InvalidInput({"on": f"'{name}' trades play money ({account.environment}); it has no switch"})
        if on and account.credentials is None:
            raise Conflict(f"'{name}' has no keys; set them first.")
        if account.live_enabled == on:
            return
        account.live_enabled = on
        journal.record(session, actor, f"live trading {'on' if on else 'off'}", name, reason)
        announce(session)


def remove_account(name: str, reason: str, actor: str) -> None:
    """Remove an account without a history; raises NotFound, InvalidInput without a reason, or Conflict saying why."""
    _check_reason(reason)
    with transaction() as session:
        bump_version(session)
        # Locked, so that a worker cannot write down meanwhile what it hears.
        account = _find(session, name, lock=True)
        if name in (PAPER, EXTERNAL):
            raise Conflict(f"'{name}' is built in and stays.")
        if account.is_default:
            raise Conflict(f"'{name}' is the default account; let BROKER name another one first.")
        _refuse_used(session, account)
        for table in HEARD:
            session.execute(sa.delete(table).where(table.account_id == account.id))
        check_limits.forget(session, Scope.ACCOUNT, name)
        session.delete(account)
        journal.record(session, actor, "remove account", name, reason)
        announce(session)


def _known() -> sa.Select[BrokerAccount, AccountState]:
    return sa.select(BrokerAccount, AccountState).outerjoin(AccountState, AccountState.account_id == BrokerAccount.id)


def _find(session: Session, name: str, *, lock: bool = False) -> BrokerAccount:
    query = sa.select(BrokerAccount).where(BrokerAccount.name == name)
    account = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if account is None:
        raise NotFound("item not found.")
    return account


def _check_form(form: AccountForm) -> None:
    wrong: dict[str, str] = {}
    try:
        account_name(form.name)
    except ConfigError as e:
        wrong["name"] = str(e)
    if form.name in BUILT_IN:
        wrong["name"] = "is the name of a built-in account"
    if not wants_credentials(form.broker):
        wrong["broker"] = f"must be one of: {', '.join(opened_with_credentials())}"
    else:
        spec = spec_of(form.broker)
        if form.environment not in {each.value for each in spec.environments}:
            wrong["environment"] = f"{spec.title} has no accounts of {form.environment}"
        wrong |= spec.wrong(form.keys)
    if wrong:
        raise InvalidInput(wrong)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput({"reason": "'reason' cannot be empty!"})


def _refuse_taken(session: Session, name: str) -> None:
    if session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.name == name)).first() is not None:
        raise AlreadyExists("'account' with that name already exists.")


def _refuse_without_keys(account: BrokerAccount) -> None:
    if not wants_credentials(account.broker):
        raise Conflict(f"'{account.name}' is opened without keys.")


def _refuse_twin(session: Session, account: BrokerAccount, keys: Keys, number: str) -> None:
    """Refuse keys of an account that the desk trades under another name: both would book the same orders."""
    others = sa.select(BrokerAccount).where(
        BrokerAccount.broker == account.broker,
        BrokerAccount.environment == account.environment,
        BrokerAccount.name != account.name,
        BrokerAccount.credentials.is_not(None),
    )
    spec = spec_of(account.broker)
    for other in session.execute(others).scalars():
        if (number and other.broker_number == number) or stored_identity(other) == spec.identity(keys):
            rule = f"they open the same account as '{other.name}'; both would book the same orders"
            raise InvalidInput({spec_of(account.broker).credentials[0].name: rule})


def _refuse_used(session: Session, account: BrokerAccount) -> None:
    name = account.name
    for user, owner in ((Instrument.symbol, Instrument.account_id), (Pair.name, Pair.account_id)):
        found = session.execute(sa.select(user).where(owner == account.id).order_by(user).limit(1)).scalar()
        if found is not None:
            raise Conflict(f"{found} is traded at '{name}'; give it another account first.")
    for what, owner in HISTORY.items():
        if session.execute(sa.select(owner).where(owner == account.id).limit(1)).first() is not None:
            raise Conflict(
                f"'{name}' has {what} on record and stays; remove its keys instead, and nothing is sent there."
            )
