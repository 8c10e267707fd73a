"""What the checks go by, read from the database for a batch of signals: only what those that are on need.

Each part is one statement for all signals that need it. Untouched rules cost one, for the last signals of the names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from domain.checks.alert_rules import default_mode
from domain.checks.catalog import CHECKS, STRICT, TARGET
from domain.checks.facts import Facts, LastTarget, NotTraded, signed
from domain.checks.hours import Session as MarketSession
from domain.checks.hours import market_hours
from domain.checks.rules import Rules, Subject
from domain.enums import AssetClass, CheckMode, MarketPosition, Side, TickerType, WhenClosed
from domain.order_status import SignalStatus
from models import BrokerAccount, Instrument, Signal
from models.signal import WAITING
from services.catalog.snapshots import AccountRef, Snapshot
from services.planning.totals import Needs, PlannedOrder, SlipKey, read_totals

OF_EXITS_TOO = ("price_deviation", "spread_limit")
USES_QUOTES = ("price_deviation", "max_notional", "funds_floor", "spread_limit")
REFUSED = (SignalStatus.CANCELED, SignalStatus.ERROR)
ROUTED = ("SMART", "ISLAND")  # no exchange: the broker's own choice, which for dollars is an American one


class Inputs:
    """What the checks of a batch need to know beside the books."""

    def __init__(
        self, session: Session, known: Snapshot, asked: Mapping[int, tuple[Facts, AccountRef]], now: datetime
    ) -> None:
        self._asked = asked
        self._by_signal: dict[int, dict[str, Any]] = defaultdict(dict)
        self._on = {
            rowid: {check for check in CHECKS if _is_on(check, facts, known.rules)}
            for rowid, (facts, _) in asked.items()
        }
        for check, read in READERS:
            wanted = [facts for rowid, (facts, _) in asked.items() if check in self._on[rowid]]
            if wanted:
                for rowid, found in read(session, wanted).items():
                    self._by_signal[rowid].update(found)
        slips = {
            SlipKey(account.id, facts.subject.name, facts.side)
            for rowid, (facts, account) in asked.items()
            if "slippage_guard" in self._on[rowid]
        }
        self._totals = read_totals(session, now, Needs.of(set().union(*self._on.values()), slips))

    def of(self, signal: Signal) -> dict[str, Any]:
        """Return the fields of a signal's facts."""
        facts, account = self._asked[signal.id]
        sums = self._totals.answer(facts, account, self._on[signal.id])
        return {**self._by_signal[signal.id], **sums}

    def said(self, signal: Signal) -> Facts:
        """Return what a signal itself says."""
        return self._asked[signal.id][0]

    def count(self, signal: Signal, orders: Sequence[PlannedOrder]) -> None:
        """Count the orders that were planned for this signal when later ones of the batch are checked."""
        facts, account = self._asked[signal.id]
        self._totals.add_planned(account, facts.subject.name, orders)


def gather(
    session: Session, signals: Sequence[Signal], *, now: datetime, known: Snapshot, desk_lifetime: timedelta
) -> Inputs:
    """Return what the checks of these signals need to know."""
    asked = {}
    for signal in signals:
        account_id = signal.account_id or 0
        account = AccountRef(account_id, known.account_name(account_id))
        asked[signal.id] = (said(signal, account, now, desk_lifetime=desk_lifetime, rules=known.rules), account)
    return Inputs(session, known, asked, now)


def needs_quotes(rules: Rules, subject: Subject) -> bool:
    """Return True if a check that is on goes by quotes."""
    return any(rules.is_on(check, subject) for check in USES_QUOTES)


def insists_on_quotes(rules: Rules, subject: Subject) -> bool:
    """Return True if a check that is on refuses exits too for want of a quote."""
    return any(rules.is_on(check, subject) and rules.choice(check, subject) == STRICT for check in OF_EXITS_TOO)


def _is_on(check: str, facts: Facts, rules: Rules) -> bool:
    asked_for = default_mode(check, facts) is not None
    return rules.is_on(check, facts.subject) or (
        asked_for and rules.mode(check, facts.subject, CheckMode.REFUSE) is not CheckMode.OFF
    )


def said(
    signal: Signal, account: AccountRef, now: datetime, *, desk_lifetime: timedelta, rules: Rules | None = None
) -> Facts:
    """Return what the signal itself says; by the rules it is sized to its target, where they are given and say so."""
    subject = Subject(account.name, str(signal.name), TickerType(str(signal.ticker_type)))
    return Facts(
        subject=subject,
        symbols=tuple(symbol for symbol in (signal.symbol1, signal.symbol2) if symbol is not None),
        now=now,
        rowid=signal.id,
        received_at=signal.received_at,
        alert_at=signal.alert_at,
        held_until=signal.held_until,
        desk_lifetime=Decimal(int(desk_lifetime.total_seconds())),
        side=Side(signal.side),
        quantity=signal.quantity,
        price=signal.price,
        hedge_ratio=signal.hedge_ratio,
        position=_position(signal.position),
        position_size=signal.position_size,
        previous_position=_position(signal.previous_position),
        previous_position_size=signal.previous_position_size,
        lifetime=None if signal.lifetime is None else Decimal(signal.lifetime),
        when_closed=WhenClosed(signal.when_closed) if signal.when_closed else None,
        to_target=rules is not None and rules.choice("sizing", subject) == TARGET,
    )


def _position(text: str | None) -> MarketPosition | None:
    return MarketPosition(text) if text else None


_TRADED = (*REFUSED, SignalStatus.WAITING, SignalStatus.REROUTED)


def _before(asked: Any, *conditions: Any) -> Any:
    """Return the newest signal of the same name before the one asked about, of those that meet the conditions."""
    earlier = aliased(Signal)
    return (
        sa.select(earlier.id)
        .where(earlier.name == asked.name, earlier.id < asked.id, *(condition(earlier) for condition in conditions))
        .order_by(earlier.received_at.desc(), earlier.id.desc())
        .limit(1)
        .correlate(asked)
        .scalar_subquery()
    )


_ASKED, _FOUND = aliased(Signal), aliased(Signal)
_COLUMNS = (
    _ASKED.id.label("asked"), _FOUND.id, _FOUND.position, _FOUND.position_size, _FOUND.received_at, _FOUND.status,
    _FOUND.account_id, BrokerAccount.name.label("account"),
)  # fmt: skip
_OF_ASKED = _ASKED.id.in_(sa.bindparam("asked", expanding=True))
# A strategy knows nothing of accounts, so its last alert counts wherever it was traded.
_LAST = (
    sa.select(*_COLUMNS)
    .select_from(_ASKED)
    .join(_FOUND, _FOUND.id == _before(_ASKED, lambda row: row.status.not_in(_TRADED)))
    .outerjoin(BrokerAccount, BrokerAccount.id == _FOUND.account_id)
    .where(_OF_ASKED)
)
_CAME_TO_NOTHING = (
    sa.select(*_COLUMNS)
    .select_from(_ASKED)
    .join(_FOUND, _FOUND.id == _before(_ASKED, lambda row: row.status.in_(REFUSED)))
    .outerjoin(BrokerAccount, BrokerAccount.id == _FOUND.account_id)
    .where(_OF_ASKED)
)
_NEVER_STORED = 2**62  # the rowid of a signal that only somebody asks about


def _last(session: Session, wanted: Sequence[Facts]) -> dict[int, dict[str, Any]]:
    """Return the last traded signal of each name, and one after it that should have led to where this one starts."""
    asked = [facts for facts in wanted if facts.previous is not None]  # else there is nothing to hold against it
    rows = {row.asked: row for row in _rows(session, _LAST, asked)}
    found: dict[int, dict[str, Any]] = {}
    doubtful = []
    for facts in asked:
        row = rows.get(facts.rowid)
        target = None if row is None else signed(_position(row.position), row.position_size)
        if row is not None:
            elsewhere = None if row.account == facts.subject.account else row.account
            found[facts.rowid] = {"last": LastTarget(row.id, target, row.received_at, elsewhere)}
        if facts.previous != (target or Decimal(0)):
            doubtful.append(facts)
    lost = {row.asked: row for row in _rows(session, _CAME_TO_NOTHING, doubtful)}
    for facts in doubtful:
        row, last = lost.get(facts.rowid), rows.get(facts.rowid)
        if row is None or (last is not None and row.id < last.id):
            continue
        if signed(_position(row.position), row.position_size) == facts.previous:
            found.setdefault(facts.rowid, {})["not_traded"] = NotTraded(row.id, row.status)
    return found


def _rows(session: Session, query: Any, wanted: Iterable[Facts]) -> list[Any]:
    """Return the rows of signals; of one that is not stored, those of the newest of its name are as good."""
    stored = [facts.rowid for facts in wanted if facts.rowid < _NEVER_STORED]
    rows = list(session.execute(query, {"asked": stored})) if stored else []
    for facts in wanted:
        if facts.rowid >= _NEVER_STORED:
            rows += _rows_of_name(session, query is _LAST, facts)
    return rows


def _rows_of_name(session: Session, traded: bool, facts: Facts) -> list[Any]:
    status = Signal.status.not_in(_TRADED) if traded else Signal.status.in_(REFUSED)
    query = (
        sa.select(
            sa.literal(facts.rowid, sa.BigInteger).label("asked"), Signal.id, Signal.position, Signal.position_size,
            Signal.received_at, Signal.status, Signal.account_id, BrokerAccount.name.label("account"),
        )
        .outerjoin(BrokerAccount, BrokerAccount.id == Signal.account_id)
        .where(Signal.name == facts.subject.name, status)
        .order_by(Signal.received_at.desc(), Signal.id.desc())
        .limit(1)
    )  # fmt: skip
    return list(session.execute(query))


def _newer_waiting(session: Session, wanted: Sequence[Facts]) -> dict[int, dict[str, Any]]:
    query = (
        sa.select(BrokerAccount.name.label("account"), Signal.name, Signal.side, sa.func.max(Signal.id).label("newest"))
        .join(BrokerAccount, BrokerAccount.id == Signal.account_id)
        .where(WAITING, Signal.external.is_(False), Signal.name.in_({facts.subject.name for facts in wanted}))
        .group_by(BrokerAccount.name, Signal.name, Signal.side)
    )
    newest = {(row.account, row.name, row.side): row.newest for row in session.execute(query)}
    found = {}
    for facts in wanted:
        number = newest.get((facts.subject.account, facts.subject.name, facts.side))
        found[facts.rowid] = {"newer_waiting": number if number is not None and number > facts.rowid else None}
    return found


def _sessions(session: Session, wanted: Sequence[Facts]) -> dict[int, dict[str, Any]]:
    symbols = {symbol for facts in wanted for symbol in facts.symbols}
    query = sa.select(
        Instrument.symbol, Instrument.primary_exchange, Instrument.asset_class, Instrument.currency
    ).where(Instrument.symbol.in_(symbols))
    rows = {row.symbol: row for row in session.execute(query)}
    return {
        facts.rowid: {"sessions": {symbol: _hours(rows.get(symbol), facts.now) for symbol in facts.symbols}}
        for facts in wanted
    }


def _hours(row: Any, now: datetime) -> MarketSession | None:
    if row is None:
        return None
    foreign = row.primary_exchange in ROUTED and row.currency != "USD"
    return market_hours("" if foreign else row.primary_exchange, AssetClass(row.asset_class), now)


# Which check needs which part, and how it is read for many signals; the sums are read apart.
READERS = (("missed_alert", _last), ("duplicate", _newer_waiting), ("trading_hours", _sessions))
