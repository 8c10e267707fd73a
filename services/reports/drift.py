"""How far each pair's legs are from hedging each other, by our own book and its working orders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

import sqlalchemy as sa

from domain.drift import SMALLEST_STEP, USUAL_LIMIT, Drift, LegHolding, measure
from domain.enums import Route, Side
from domain.exact import EXACT, round8
from domain.order_status import OrderStatus
from domain.valuation import middle
from extensions import db, reading_at_one_moment
from models import AssetState, BrokerAccount, Instrument, Order, Pair, Position, Quote
from models.order import OPEN
from services.paging import account_names

NOT_OURS = "your own executor trades this account; the desk sends nothing there"
UNKNOWN = (OrderStatus.UNKNOWN, OrderStatus.MANUAL)
AccountName = tuple[int, str]  # of a book or of a symbol


@dataclass(frozen=True, slots=True)
class PairDrift:
    """A pair at an account. `state` is the same as long as holdings, working orders and hedge ratio are.

    `imbalance_money` is the imbalance of leg 2 at `price2`, whose origin is `price2_from`: its quote, else its
    average price; None where there is neither.
    """

    pair: str
    account_id: int
    account: str
    hedge_ratio: Decimal
    leg1: LegHolding
    leg2: LegHolding
    drift: Drift
    price2: Decimal | None
    price2_from: str | None
    imbalance_money: Decimal | None
    working_orders: list[int]
    state: str


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was read, by account and book, by account and symbol, or by all three."""

    positions: dict[tuple[int, str, str], Position]
    orders: dict[AccountName, list[Order]]
    steps: dict[AccountName, Decimal]
    middles: dict[AccountName, Decimal | None]
    accounts: dict[int, str]
    external: frozenset[int]  # accounts that an outside executor trades


def report(pair: str | None = None, limit_percent: Decimal = USUAL_LIMIT) -> list[PairDrift]:
    """Return all pairs, or one by name, that hold something or have open orders, by name and account.

    Holdings and orders are those of one moment: a fill in between would look like drift.
    """
    with reading_at_one_moment():
        return look(pair, limit_percent)


def look(pair: str | None = None, limit_percent: Decimal = USUAL_LIMIT) -> list[PairDrift]:
    """Return the same inside the caller's transaction, which has to keep fills away."""
    only = [] if pair is None else [Pair.name == pair]
    pairs = {row.name: row for row in db.session.execute(sa.select(Pair).where(*only)).scalars()}
    facts = _read(only)
    wanted = {(name, account_id) for (account_id, name, _), row in facts.positions.items() if row.quantity}
    wanted |= {(name, account_id) for account_id, name in facts.orders}
    return [_measure(pairs[name], account_id, facts, limit_percent) for name, account_id in sorted(wanted)]


def _read(only: list[sa.ColumnElement[bool]]) -> _Facts:
    positions = sa.select(Position).join(Pair, Pair.name == Position.name).where(*only)
    open_orders = sa.select(Order).join(Pair, Pair.name == Order.name).where(OPEN, *only).order_by(Order.id)
    steps = (
        sa.select(AssetState.account_id, AssetState.symbol, AssetState.quantity_step)
        .join(Instrument, Instrument.symbol == AssetState.symbol)
        .join(Pair, sa.or_(Pair.leg1_id == Instrument.id, Pair.leg2_id == Instrument.id))
        .where(*only)
    )
    quotes = (
        sa.select(Quote.account_id, Quote.symbol, Quote.bid, Quote.ask)
        .join(Instrument, Instrument.symbol == Quote.symbol)
        .join(Pair, Pair.leg2_id == Instrument.id)
        .where(*only)
    )
    external = sa.select(BrokerAccount.id).where(BrokerAccount.route == Route.EXTERNAL)
    orders: dict[AccountName, list[Order]] = {}
    for order in db.session.execute(open_orders).scalars():
        orders.setdefault((order.account_id, order.name), []).append(order)
    return _Facts(
        {(row.account_id, row.name, row.symbol): row for row in db.session.execute(positions).scalars()},
        orders,
        {(row.account_id, row.symbol): row.quantity_step for row in db.session.execute(steps)},
        {(row.account_id, row.symbol): middle(row.bid, row.ask) for row in db.session.execute(quotes)},
        account_names(),
        frozenset(db.session.execute(external).scalars()),
    )


def _measure(pair: Pair, account_id: int, facts: _Facts, limit_percent: Decimal) -> PairDrift:
    symbols = (pair.leg1.symbol, pair.leg2.symbol)
    positions = [facts.positions.get((account_id, pair.name, symbol)) for symbol in symbols]
    orders = facts.orders.get((account_id, pair.name), [])
    leg1, leg2 = (
        _leg(symbol, position, orders, facts.steps.get((account_id, symbol)))
        for symbol, position in zip(symbols, positions, strict=True)
    )
    unknown = any(order.status in UNKNOWN for order in orders)
    drift = measure(pair.hedge_ratio, leg1, leg2, limit_percent, unknown=unknown)
    if account_id in facts.external and not drift.within:
        drift = replace(drift, proposal=None, note=NOT_OURS)
    price2, price2_from = facts.middles.get((account_id, leg2.symbol)), "quote"
    if price2 is None and positions[1] is not None and positions[1].quantity:
        price2, price2_from = positions[1].average_price, "average price"
    return PairDrift(
        pair=pair.name,
        account_id=account_id,
        account=facts.accounts[account_id],
        hedge_ratio=pair.hedge_ratio,
        leg1=leg1,
        leg2=leg2,
        drift=drift,
        price2=price2,
        price2_from=None if price2 is None else price2_from,
        imbalance_money=None if price2 is None else round8(EXACT.multiply(drift.imbalance2, price2)),
        working_orders=[order.id for order in orders],
        state=_state(pair, account_id, (leg1, leg2), orders),
    )


def _leg(symbol: str, position: Position | None, orders: Iterable[Order], step: Decimal | None) -> LegHolding:
    working = Decimal(0)
    for order in orders:
        if order.symbol == symbol:
            rest = max(EXACT.subtract(order.quantity, order.filled_quantity), Decimal(0))
            working = EXACT.add(working, Side(order.side).sign * rest)
    return LegHolding(symbol, position.quantity if position else Decimal(0), working, step or SMALLEST_STEP)


def _state(pair: Pair, account_id: int, legs: Iterable[LegHolding], orders: Iterable[Order]) -> str:
    """Return what tells two looks at the same state of a pair from looks at two states."""
    parts = [pair.name, str(account_id), f"{round8(pair.hedge_ratio):f}"]
    parts += [f"{leg.symbol} {round8(leg.held):f}" for leg in legs]
    parts += [f"{order.id} {order.status} {round8(order.filled_quantity):f}" for order in orders]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
