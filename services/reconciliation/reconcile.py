"""Comparing our book with the broker's: orders and fills before anything is sent, then positions, then all again.

Reads only what the broker says; what does not agree is shown, and never traded away without a person.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from brokers.base import Broker
from domain.exact import plain_text
from extensions import announce, database_time, insert_or_update, reading, transaction, utc_now
from models import AccountState, Fill, Order, Position, PositionDifference
from models.order import OPEN
from services.account_lock import lock_accounts
from services.broker_state.account_state import set_state
from services.ledger import crypto_fees
from services.reconciliation.foreign_orders import traded_by_others
from services.reconciliation.lost_orders import look_for_lost
from services.reconciliation.sync_broker import poll_account
from services.timing import LONGEST_LOOK_BACK, LOOK_BACK, POSITION_LAG

logger = logging.getLogger(__name__)

ZERO = Decimal(0)


def start_account(account_id: int, broker: Broker, worker: str) -> datetime:
    """Bring an account into step with its broker before anything is sent to it; returns where the next poll begins.

    Looks back to the oldest order that is open in our book, or to the last poll. Raises BrokerUnavailable.
    """
    with reading() as session:
        now = database_time()
        oldest = session.execute(
            sa.select(sa.func.min(Order.created_at)).where(OPEN, Order.account_id == account_id)
        ).scalar()
        last = session.execute(
            sa.select(AccountState.synced_until).where(AccountState.account_id == account_id)
        ).scalar()
    since = min([now, *(at for at in (oldest, last) if at is not None)])
    until = poll_account(account_id, broker, max(since - LOOK_BACK, now - LONGEST_LOOK_BACK), worker).until
    compare_positions(account_id, broker, worker)
    set_state(account_id, synced_until=until, reconciled_at=until)
    return until


def take_turn(account_id: int, seconds: float) -> bool:
    """Return True if it is on this worker to poll an account; others pass until `seconds` are over."""
    turn = (
        sa.update(AccountState)
        .where(AccountState.account_id == account_id)
        .where(AccountState.polled_at.is_(None) | (AccountState.polled_at <= _ago(seconds)))
        .values(polled_at=utc_now())
    )
    with transaction() as session:
        if session.execute(turn).rowcount:  # type: ignore[attr-defined]
            return True
        known = sa.select(AccountState.account_id).where(AccountState.account_id == account_id)
        if session.execute(known).first() is not None:
            return False
        session.execute(
            insert_or_update(AccountState).values(account_id=account_id, polled_at=utc_now()).on_conflict_do_nothing()
        )
    return True


def last_poll(account_id: int) -> datetime | None:
    """Return the time up to which changes at the broker are booked, by any worker."""
    with reading() as session:
        query = sa.select(AccountState.synced_until).where(AccountState.account_id == account_id)
        return session.execute(query).scalar()


def compare_positions(account_id: int, broker: Broker, worker: str = "the comparison") -> int:
    """Compare what the broker holds with what our fills add up to; returns how many symbols differ.

    Where they differ, orders that were given up are looked for first. A coin of which the account holds less, by no
    more than a fee can be, had its fee taken: that is booked. Symbols with orders on their way are passed over: their
    fills may be on one side only. Raises BrokerUnavailable, and then nothing changes: no answer is no proof of flat.
    """
    before, theirs = _ours(account_id), _theirs(broker)
    odd = {symbol for symbol in {*before, *theirs} if before.get(symbol, ZERO) != theirs.get(symbol, ZERO)}
    if odd and look_for_lost(account_id, broker, worker, odd):
        before, theirs = _ours(account_id), _theirs(broker)
    with transaction() as session:
        lock_accounts(session, [account_id])  # nobody books a fill between what is read here and what is written
        ours, busy = _held(session, account_id), _busy(session, account_id)
        if broker.capabilities.is_remote:
            busy |= _just_filled(session, account_id)
        differing = {
            symbol: (ours.get(symbol, ZERO), theirs.get(symbol, ZERO))
            for symbol in {*ours, *theirs} - busy
            if ours.get(symbol, ZERO) == before.get(symbol, ZERO)  # else it moved while we asked
            and ours.get(symbol, ZERO) != theirs.get(symbol, ZERO)
        }
        for symbol, (held, there) in sorted(differing.items()):
            found = crypto_fees.Holdings(account_id=account_id, symbol=symbol, ours=held, theirs=there)
            if crypto_fees.book_fee(session, found, broker.capabilities.coin_fee):
                del differing[symbol]
        _store(session, account_id, differing, busy)
    return len(differing)


def _store(session: Session, account_id: int, differing: Mapping[str, tuple[Decimal, Decimal]], busy: set[str]) -> None:
    query = sa.select(PositionDifference).where(PositionDifference.account_id == account_id).with_for_update()
    known = {row.symbol: row for row in session.execute(query).scalars()}
    for symbol, row in known.items():
        if symbol not in differing and symbol not in busy:
            logger.warning("account %s: %s agrees with the broker again", account_id, symbol)
            session.delete(row)
            announce(session)
    by_others = traded_by_others(session, account_id, differing)
    for symbol, (ours, theirs) in differing.items():
        row = known.get(symbol) or PositionDifference(account_id=account_id, symbol=symbol, first_seen_at=utc_now())
        if symbol not in known or (row.ours, row.theirs) != (ours, theirs):
            explained = by_others.get(symbol) == theirs - ours
            level = logging.ERROR if explained else logging.CRITICAL
            why = ", by orders that are not ours" if explained else ", and nothing on record explains it"
            held = (plain_text(ours), symbol, plain_text(theirs), why)
            logger.log(level, "account %s: our book holds %s %s, the broker %s%s", account_id, *held)
            announce(session)
        row.ours, row.theirs, row.seen_at = ours, theirs, utc_now()
        session.add(row)


def _theirs(broker: Broker) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for report in broker.list_positions():
        total[report.symbol] = total.get(report.symbol, ZERO) + report.quantity
    return total


def _ours(account_id: int) -> dict[str, Decimal]:
    with reading() as session:
        return _held(session, account_id)


def _held(session: Session, account_id: int) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    query = sa.select(Position.symbol, Position.quantity).where(Position.account_id == account_id)
    for symbol, quantity in session.execute(query):
        total[symbol] = total.get(symbol, ZERO) + quantity
    return total


def _busy(session: Session, account_id: int) -> set[str]:
    return set(session.execute(sa.select(Order.symbol).where(OPEN, Order.account_id == account_id)).scalars())


def _just_filled(session: Session, account_id: int) -> set[str]:
    """Return what was filled a moment ago: a broker may show that in its positions some seconds later."""
    query = sa.select(Order.symbol).join(Fill, Fill.order_id == Order.id)
    return set(session.execute(query.where(Fill.account_id == account_id, Fill.at > _ago(POSITION_LAG))).scalars())


def _ago(seconds: float) -> datetime:
    return database_time() - timedelta(seconds=seconds)
