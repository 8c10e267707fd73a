"""Gathering what a batch of signals is planned by: each part is read once for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from domain.alert import OwnTerms
from domain.checks.facts import Money, signed
from domain.checks.rules import Subject
from domain.enums import AssetClass, MarketPosition, Side, Source, TickerType, WhenClosed
from domain.intake import decide
from domain.lanes.account_book import AccountBook
from domain.lanes.values import Ahead
from domain.planning.values import PairTerms, PlanContext, PlanLeg, Request
from domain.venue.order_plans import BrokerFacts
from models import Signal
from services.catalog.snapshots import AccountRef, Snapshot
from services.planning.check_inputs import gather


def symbols_of(signal: Signal) -> tuple[str, ...]:
    """Return the symbols that a signal trades."""
    return tuple(symbol for symbol in (signal.symbol1, signal.symbol2) if symbol)


def request_of(signal: Signal, account: str) -> Request:
    """Return a signal as planning looks at it."""
    return Request(
        signal_id=signal.id,
        source=Source(signal.source) if signal.source in set(Source) else Source.WEBHOOK,
        name=str(signal.name),
        kind=TickerType(str(signal.ticker_type)),
        account=account,
        symbols=symbols_of(signal),
        side=Side(signal.side),
        quantity=signal.quantity,
        price=signal.price,
        hedge_ratio=signal.hedge_ratio,
        bound=_signed(signal.position, signal.position_size),
        previous=_signed(signal.previous_position, signal.previous_position_size),
        when_closed=WhenClosed(signal.when_closed) if signal.when_closed else None,
        own_terms=OwnTerms.of(signal.order_terms),
        aimed_at=signal.aimed_at,
    )


def _signed(position: str | None, size: Decimal | None) -> Decimal | None:
    return signed(MarketPosition(position) if position else None, size)


class Contexts:
    """The contexts of one batch. `books` change as the batch is decided, so a context is made when its turn comes."""

    def __init__(
        self,
        session: Session,
        signals: Sequence[Signal],
        *,
        now: datetime,
        known: Snapshot,
        desk_lifetime: timedelta,
        books: Mapping[int, AccountBook],
        ahead: Mapping[int, tuple[Ahead, ...]] | None = None,
    ) -> None:
        self._now, self._known = now, known
        self.books = books
        self._ahead = ahead or {}
        known.load(symbols={symbol for signal in signals for symbol in symbols_of(signal)}, pairs=_pairs(signals))
        self._inputs = gather(session, signals, now=now, known=known, desk_lifetime=desk_lifetime)

    def of(self, signal: Signal, broker: BrokerFacts, **more: Any) -> tuple[Request, PlanContext]:
        """Return what a signal asks for, and what it is planned by."""
        account_id, known = signal.account_id or 0, self._known
        account = AccountRef(account_id, known.account_name(account_id))
        request = request_of(signal, account.name)
        book = self.books[account_id]
        money = None if broker.account is None else Money(broker.account.cash, broker.account.buying_power)
        facts = replace(
            self._inputs.said(signal),
            books=book.lines(request.symbols),
            stops=known.stops,
            quotes=broker.quotes,
            money=money,
            **self._inputs.of(signal),
        )
        registered = None
        if request.source is Source.WEBHOOK:
            registered = decide(signal.ticker, known.find_instrument, known.find_pair, known.terms)
        name, positions = request.name, {symbol: book.account_position(symbol) for symbol in request.symbols}
        return request, PlanContext(
            now=self._now,
            lane=book.lane(
                name, request.symbols, hedge_ratio=request.hedge_ratio, ahead=self._ahead.get(signal.id, ())
            ),
            facts=facts,
            rules=known.rules,
            broker=replace(broker, classes={s: AssetClass(known.terms_of(s).asset_class) for s in request.symbols}),
            registered=registered,
            instruments={symbol: known.terms_of(symbol) for symbol in request.symbols},
            pair=known.terms_of_pair(name) if request.kind is TickerType.PAIR else PairTerms(),
            live_is_off=account_id in known.switched_off,
            account_positions=positions,
            holdings={symbol: book.holding(symbol) for symbol in request.symbols},
            averages={symbol: book.position(name, symbol).average_price for symbol in request.symbols},
            **more,
        )

    def count(self, signal: Signal, orders: Sequence[PlanLeg]) -> None:
        """Add what was planned for this signal to what later signals of the batch are planned by."""
        self._inputs.count(signal, orders)


def _pairs(signals: Sequence[Signal]) -> set[str]:
    return {str(signal.name) for signal in signals if signal.ticker_type == TickerType.PAIR}


def subject_of(signal: Signal, known: Snapshot) -> Subject:
    """Return what a signal trades and where, as the rules ask for it."""
    account = known.account_name(signal.account_id or 0)
    return Subject(account, str(signal.name), TickerType(str(signal.ticker_type)))
