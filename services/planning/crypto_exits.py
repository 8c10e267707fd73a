"""Fees that a broker has kept of coins: booked before coins are sold, for an alert asks for a little too much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from sqlalchemy.orm import Session

from domain.exact import plain_text
from domain.lanes.account_book import AccountBook
from domain.planning.values import note
from domain.venue.order_plans import BrokerFacts
from models import Signal
from services.ledger import crypto_fees
from services.planning.contexts import symbols_of


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
