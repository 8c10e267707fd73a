"""What a process remembers of accounts, stocks, pairs, passphrases and rules, and how it knows that it still holds."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import Session

from domain.checks.rules import RuleRow, Rules
from domain.enums import (
    Activity,
    CheckMode,
    FailurePolicy,
    LegPolicy,
    OrderType,
    Route,
    Scope,
    StopLevel,
    TimeInForce,
)
from domain.intake import Terms, Tradable
from domain.planning.values import InstrumentTerms, PairTerms
from domain.stops import StopInForce
from extensions import db
from models import BrokerAccount, CheckRule, Instrument, Pair, RegistryVersion, Stop, WebhookSecret
from models.control import IN_FORCE

MAX_REMEMBERED = 20_000
T = TypeVar("T")


class AccountRef(NamedTuple):
    """A broker account by number and name."""

    id: int
    name: str


class Unasked:
    """A name that was not looked up yet; None stands for one that is unknown."""


NEVER_ASKED = Unasked()


@dataclass(slots=True)
class Snapshot:
    """The registry at one version. What is looked up is kept; a name that is unknown is kept as None."""

    version: int
    installation: str
    default_account: BrokerAccount
    secrets: tuple[tuple[str, datetime | None], ...]
    accounts: Mapping[int, str]
    switched_off: frozenset[int] = frozenset()  # live accounts whose trading is not switched on
    rules: Rules = field(default_factory=Rules)
    stops: tuple[StopInForce, ...] = ()
    instruments: dict[str, Tradable | None] = field(default_factory=dict)
    pairs: dict[str, Tradable | None] = field(default_factory=dict)
    instrument_terms: dict[str, InstrumentTerms] = field(default_factory=dict)
    pair_terms: dict[str, PairTerms] = field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """Return what alerts are decided by."""
        account = self.default_account
        return Terms(self.rules, account.id, account.route == Route.EXTERNAL, account.name)

    def account_name(self, account_id: int) -> str:
        """Return the name of an account."""
        return self.accounts.get(account_id, str(account_id))

    def find_instrument(self, symbol: str) -> Tradable | None:
        """Return the instrument of that symbol."""
        kept = self.instruments.get(symbol, NEVER_ASKED)
        if not isinstance(kept, Unasked):
            return kept
        row = db.session.execute(sa.select(Instrument).where(Instrument.symbol == symbol)).scalar_one_or_none()
        found = self._tradable(row.symbol, row.activity, row.account) if row else None
        return self._keep(self.instruments, symbol, found)

    def find_pair(self, name: str) -> Tradable | None:
        """Return the pair of that name."""
        kept = self.pairs.get(name, NEVER_ASKED)
        if not isinstance(kept, Unasked):
            return kept
        row = db.session.execute(sa.select(Pair).where(Pair.name == name)).scalar_one_or_none()
        found = self._tradable(row.name, row.activity, row.account, row.hedge_ratio) if row else None
        return self._keep(self.pairs, name, found)

    def find_leg(self, symbol: str) -> Tradable | None:
        """Return the instrument; one that is not active as a leg of an active pair that an outside executor trades."""
        found = self.find_instrument(symbol)
        if found is None or found.activity is Activity.ACTIVE:
            return found
        legs = sa.select(Instrument.id).where(Instrument.symbol == symbol).scalar_subquery()
        query = sa.select(Pair).where((Pair.leg1_id == legs) | (Pair.leg2_id == legs), Pair.activity == Activity.ACTIVE)
        for row in db.session.execute(query.order_by(Pair.id)).scalars():
            pair = self._tradable(row.name, row.activity, row.account)
            if pair.external:
                return replace(found, account_id=pair.account_id, account=pair.account, external=True, leg_of=pair.name)
        return found

    def terms_of(self, symbol: str) -> InstrumentTerms:
        """Return how an instrument is traded; one that is not registered, or not any more, as a stock at the market."""
        if (kept := self.instrument_terms.get(symbol)) is not None:
            return kept
        row = db.session.execute(sa.select(Instrument).where(Instrument.symbol == symbol)).scalar_one_or_none()
        return self._keep(self.instrument_terms, symbol, _terms_of(symbol, row))

    def terms_of_pair(self, name: str) -> PairTerms:
        """Return how the legs of a pair are traded together; the default terms for one that is not registered."""
        if (kept := self.pair_terms.get(name)) is not None:
            return kept
        row = db.session.execute(sa.select(Pair).where(Pair.name == name)).scalar_one_or_none()
        return self._keep(self.pair_terms, name, _terms_of_pair(row))

    def load(self, *, symbols: Collection[str], pairs: Collection[str]) -> None:
        """Look up many at once that were not looked up yet."""
        new_symbols = [
            symbol for symbol in symbols if symbol not in self.instruments or symbol not in self.instrument_terms
        ]
        if len(new_symbols) > 1:
            rows = db.session.execute(sa.select(Instrument).where(Instrument.symbol.in_(new_symbols))).scalars()
            found = {row.symbol: row for row in rows}
            for symbol in new_symbols:
                row = found.get(symbol)
                self._keep(
                    self.instruments, symbol, self._tradable(row.symbol, row.activity, row.account) if row else None
                )
                self._keep(self.instrument_terms, symbol, _terms_of(symbol, row))
        new_pairs = [name for name in pairs if name not in self.pairs or name not in self.pair_terms]
        if len(new_pairs) > 1:
            pair_rows = db.session.execute(sa.select(Pair).where(Pair.name.in_(new_pairs))).scalars()
            of_name = {row.name: row for row in pair_rows}
            for name in new_pairs:
                pair = of_name.get(name)
                tradable = self._tradable(pair.name, pair.activity, pair.account, pair.hedge_ratio) if pair else None
                self._keep(self.pairs, name, tradable)
                self._keep(self.pair_terms, name, _terms_of_pair(pair))

    def accepts(self, passphrase: str) -> bool:
        """Return True if the passphrase is one of those in force; takes the same time for every wrong one."""
        given = hashlib.sha256(passphrase.encode()).hexdigest().encode()
        now = datetime.now(UTC)
        found = False
        for stored, expires_at in self.secrets:
            equal = hmac.compare_digest(given, stored.encode())
            found = found or (equal and (expires_at is None or expires_at > now))
        return found

    def _tradable(
        self, name: str, activity: str, account: BrokerAccount | None, hedge_ratio: Decimal | None = None
    ) -> Tradable:
        account = account or self.default_account
        external = account.route == Route.EXTERNAL
        return Tradable(name, Activity(activity), account.id, external, hedge_ratio, account.name)

    @staticmethod
    def _keep(kept: dict[str, T], name: str, found: T) -> T:
        if len(kept) >= MAX_REMEMBERED:
            kept.clear()  # other threads read with get(), never by what they stored
        kept[name] = found
        return found


def _terms_of(symbol: str, row: Instrument | None) -> InstrumentTerms:
    if row is None:
        return InstrumentTerms(symbol)
    order_type, time_in_force = OrderType(row.order_type), TimeInForce(row.time_in_force)
    return InstrumentTerms(symbol, row.asset_class, row.currency, order_type, time_in_force, row.extended_hours)


def _terms_of_pair(row: Pair | None) -> PairTerms:
    if row is None:
        return PairTerms()
    return PairTerms(LegPolicy(row.leg_policy), FailurePolicy(row.on_leg_failure), row.leg_timeout)


def snapshot(*, fresh: bool = False, version: int | None = None) -> Snapshot:
    """Return what this process remembers, read from the database the first time, when `fresh`, or for another version.

    `version` is the number that the caller has just read.
    """
    kept: Snapshot | None = current_app.extensions.get("registry")
    if fresh and kept is not None:
        version = current_version(db.session())
    if kept is None or (version is not None and kept.version != version):
        current_app.extensions["registry"] = kept = _load()
    return kept


def _load() -> Snapshot:
    # The version is read first: whatever changes after it makes the version stale, never the other way round.
    row = db.session.execute(sa.select(RegistryVersion.version, RegistryVersion.installation)).one()
    account = db.session.execute(sa.select(BrokerAccount).where(BrokerAccount.is_default)).scalar_one()
    db.session.expunge(account)
    secrets = db.session.execute(sa.select(WebhookSecret.sha256, WebhookSecret.expires_at)).all()
    stops = db.session.execute(sa.select(Stop).where(IN_FORCE).order_by(Stop.id)).scalars()
    accounts = db.session.execute(sa.select(BrokerAccount)).scalars().all()
    return Snapshot(
        row.version,
        row.installation,
        account,
        tuple((row.sha256, row.expires_at) for row in secrets),
        {row.id: row.name for row in accounts},
        frozenset(row.id for row in accounts if not row.may_trade),
        _load_rules(),
        tuple(
            StopInForce(row.id, StopLevel(row.level), Scope(row.scope), row.scope_name, row.reason, row.at)
            for row in stops
        ),
    )


def _load_rules() -> Rules:
    rows = db.session.execute(sa.select(CheckRule)).scalars()
    return Rules(
        RuleRow(
            Scope(row.scope),
            row.scope_name,
            row.check_name,
            CheckMode(row.mode) if row.mode else None,
            row.limit_value,
            row.choice,
        )
        for row in rows
    )


def bump_version(session: Session) -> None:
    """Let every process read the registry anew; the first statement of each transaction that changes the registry.

    Until that transaction ends, every other change waits here.
    """
    session.execute(sa.update(RegistryVersion).values(version=RegistryVersion.version + 1))


def current_version(session: Session) -> int:
    """Return the registry's version as this transaction sees it."""
    version: int = session.execute(sa.select(RegistryVersion.version)).scalar_one()
    return version
