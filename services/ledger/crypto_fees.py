"""What a broker keeps of coins that were bought, as its fee.

No execution says it, and its own entry comes a day later without the order's name. What tells it is the account: it
holds a little less than the fills add up to. So much is booked as a fee, and no more than a fee can be.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Side
from domain.exact import EIGHT, EXACT, plain_text
from extensions import announce, database_time
from models import AccountState, AssetState, CoinFee, Fill, Order, Position
from services.ledger.positions import book_coin_fee

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
WINDOW = timedelta(days=2)  # so long after a buy its fee may be taken; entries are made at the end of the day


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What our fills say that an account holds of a symbol, and what the broker says."""

    account_id: int
    symbol: str
    ours: Decimal
    theirs: Decimal


def book_fee(session: Session, found: Holdings, part: Decimal) -> Decimal:
    """Book the missing quantity of a coin as the broker's fee; returns how much, 0 where it cannot be a fee.

    `part` of what was bought lately is the most that it can be. When our book has changed meanwhile, nothing is booked.
    """
    account_id, symbol, missing = found.account_id, found.symbol, found.ours - found.theirs
    if not part or found.theirs < 0 or missing <= 0 or not _is_coin(session, account_id, symbol):
        return ZERO
    query = sa.select(Position).where(Position.account_id == account_id, Position.symbol == symbol)
    locked = query.order_by(Position.name).with_for_update().execution_options(populate_existing=True)
    held = session.execute(locked).scalars().all()
    if sum((row.quantity for row in held), ZERO) != found.ours or any(row.quantity < 0 for row in held):
        return ZERO
    since = _since(session, account_id)
    bought = _bought(session, account_id, symbol, since)
    if missing + _kept(session, account_id, symbol, since) > part * sum(bought.values(), ZERO):
        return ZERO
    shares = _shares(held, bought, missing)
    for row, fee in shares:
        book_coin_fee(session, row, fee)
    if not shares:
        return ZERO
    logger.info("account %s: %s %s were kept as the fee", account_id, plain_text(missing), symbol)
    announce(session)
    return missing


def on_record(session: Session, account_id: int, name: str, symbol: str) -> Decimal:
    """Return what was kept of a coin in one book so far."""
    query = sa.select(CoinFee.quantity).where(CoinFee.account_id == account_id, CoinFee.symbol == symbol)
    return sum(session.execute(query.where(CoinFee.name == name)).scalars(), ZERO)


def _is_coin(session: Session, account_id: int, symbol: str) -> bool:
    asset = session.get(AssetState, (account_id, symbol))
    return asset is not None and asset.always_open


def _since(session: Session, account_id: int) -> datetime:
    """Return how far back buys may still have fees to come: two days before the books were last compared."""
    now, state = database_time(), session.get(AccountState, account_id)
    compared = state.reconciled_at if state is not None else None
    return min(now, compared or now) - WINDOW


def _bought(session: Session, account_id: int, symbol: str, since: datetime) -> dict[str, Decimal]:
    """Return what was bought lately, by book."""
    query = (
        sa.select(Order.name, Fill.quantity)
        .join(Order, Fill.order_id == Order.id)
        .where(Fill.account_id == account_id, Fill.at > since, Order.symbol == symbol, Order.side == Side.BUY)
    )
    bought: dict[str, Decimal] = {}
    for name, quantity in session.execute(query):
        bought[name] = bought.get(name, ZERO) + quantity
    return bought


def _kept(session: Session, account_id: int, symbol: str, since: datetime) -> Decimal:
    query = sa.select(CoinFee.quantity).where(CoinFee.account_id == account_id, CoinFee.symbol == symbol)
    return sum(session.execute(query.where(CoinFee.at > since)).scalars(), ZERO)


def _shares(
    held: Sequence[Position], bought: Mapping[str, Decimal], missing: Decimal
) -> list[tuple[Position, Decimal]]:
    """Return what each book gives, by what it has bought, and none more than it holds."""
    rows = sorted((row for row in held if row.quantity > 0), key=lambda row: bought.get(row.name, ZERO))
    total, left, shares = sum((bought.get(row.name, ZERO) for row in rows), ZERO), missing, []
    for row in rows:
        fair = EXACT.divide(missing * bought.get(row.name, ZERO), total) if total else ZERO
        fee = left if row is rows[-1] else fair.quantize(EIGHT, ROUND_DOWN, EXACT)
        shares.append((row, min(fee, row.quantity)))
        left -= min(fee, row.quantity)
    return [(row, fee) for row, fee in shares if fee] if left == 0 else []
