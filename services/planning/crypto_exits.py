"""Fees that a broker has kept of coins: booked before coins are sold, for an alert asks for a little too much."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.exact import plain_text
from domain.lanes.account_book import AccountBook
from domain.planning.values import note
from domain.venue.order_plans import BrokerFacts
from models import Fill, Signal
from services.broker_state.market import Market
from services.ledger import crypto_fees
from services.planning.contexts import symbols_of

OLDEST = timedelta(days=1)  # an execution is booked within a day


def drop_old_holdings(session: Session, market: Market, accounts: Collection[int]) -> None:
    """Let holdings be asked for anew that were heard before the last fill was booked, by whichever worker.

    By older ones a coin that was just bought lacks as if it were all a fee, and one that was sold is still there.
    """
    for account_id, heard in market.holdings_heard(accounts).items():
        newer = sa.exists().where(Fill.account_id == account_id, Fill.at > heard - OLDEST, Fill.recorded_at >= heard)
        if session.execute(sa.select(newer)).scalar_one():
            market.drop_holdings(account_id)


def settle_fees(
    session: Session,
    signals: Iterable[Signal],
    facts: Mapping[int, BrokerFacts],
    books: Mapping[int, AccountBook],
) -> bool:
    """Book the fees that were kept since the books were last compared; returns True if there were any.

    Passed over while an order of the coin works: then the account's holding may be ahead of the book.
    """
    settled = False
    for signal in signals:
        broker, book = facts[signal.id], books[signal.account_id or 0]
        if broker.holdings is None:
            continue
        for symbol in symbols_of(signal):
            if book.working.get(symbol):
                continue
            found = crypto_fees.Holdings(
                account_id=signal.account_id or 0,
                symbol=symbol,
                ours=book.account_position(symbol),
                theirs=broker.holdings.get(symbol, Decimal(0)),
            )
            fee = crypto_fees.book_fee(session, found, broker.able.coin_fee)
            if fee:
                left = plain_text(found.theirs)
                text = f"The broker has kept {plain_text(fee)} {symbol} as its fee; the account holds {left}."
                signal.trace = [*signal.trace, note("fee", True, text, fee=fee, held=found.theirs)]
                settled = True
    return settled


def fees_on_record(session: Session, signal: Signal, broker: BrokerFacts) -> Decimal:
    """Return what was kept of a signal's coin so far; 0 for all that are no coins."""
    symbol = str(signal.symbol1)
    if not broker.able.coin_fee or not broker.is_always_open(symbol):
        return Decimal(0)
    return crypto_fees.on_record(session, signal.account_id or 0, str(signal.name), symbol)
