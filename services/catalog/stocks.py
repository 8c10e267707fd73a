"""Stocks (and currencies, coins, futures) that alerts may name.

Each change of the registry begins with a new version number, whose row stays locked until the
end: changes run one by one, so what they check stays true and none waits for another in a circle.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Activity, AssetClass, OrderType, Scope, TimeInForce
from domain.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from extensions import db, transaction
from models import BrokerAccount, Instrument, Pair
from services.catalog import check_limits
from services.catalog.orphaned_positions import refuse_to_strand
from services.catalog.snapshots import bump_version

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockForm:
    """What a client may say of a stock; `account` is a broker account's name, None = the default account."""

    symbol: str
    primary_exchange: str = "SMART"
    secondary_exchange: str = "ISLAND"
    activity: Activity = Activity.PASSIVE
    asset_class: AssetClass = AssetClass.STOCK
    currency: str = "USD"
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    extended_hours: bool = False
    account: str | None = None


def create_stock(form: StockForm) -> None:
    """Register a stock; raises AlreadyExists or InvalidInput."""
    with transaction() as session:
        bump_version(session)
        if session.execute(_by_symbol(form.symbol)).scalar_one_or_none() is not None:
            raise AlreadyExists("'stock' with that name already exists.")
        _fill(session, Instrument(symbol=form.symbol), form, is_new=True)
    logger.info("stock %s registered, %s", form.symbol, form.activity)


def put_stock(form: StockForm) -> tuple[Instrument, bool]:
    """Register or change a stock; returns it and whether it is new. Raises InvalidInput."""
    with transaction() as session:
        bump_version(session)
        stock = session.execute(_by_symbol(form.symbol)).scalar_one_or_none()
        is_new = stock is None
        stock = stock or Instrument(symbol=form.symbol)
        _fill(session, stock, form, is_new=is_new)
    logger.info("stock %s %s, %s", form.symbol, "registered" if is_new else "changed", form.activity)
    return stock, is_new


def get_stock(symbol: str) -> Instrument:
    """Return the stock of that symbol; raises NotFound."""
    if (stock := db.session.execute(_by_symbol(symbol)).scalar_one_or_none()) is None:
        raise NotFound("item not found.")
    return stock


def list_stocks(limit: int | None) -> Sequence[Instrument]:
    """Return stocks, newest first; None = all."""
    return db.session.execute(sa.select(Instrument).order_by(Instrument.id.desc()).limit(limit)).scalars().all()


def delete_stock(symbol: str) -> None:
    """Delete a stock; raises NotFound, or Conflict while it is a leg of a pair."""
    with transaction() as session:
        bump_version(session)
        stock = session.execute(_by_symbol(symbol)).scalar_one_or_none()
        if stock is None:
            raise NotFound("item not found.")
        pair = session.execute(
            sa.select(Pair.name).where((Pair.leg1_id == stock.id) | (Pair.leg2_id == stock.id)).limit(1)
        ).scalar()
        if pair is not None:
            raise Conflict(f"{symbol} is a leg of the pair {pair}; delete the pair first.")
        session.delete(stock)
        check_limits.forget(session, Scope.STOCK, symbol)
    logger.info("stock %s deleted", symbol)


def find_account(session: Session, name: str | None) -> int | None:
    """Return the id of a broker account by name; None stays None. Raises InvalidInput."""
    if name is None:
        return None
    account = session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.name == name)).scalar_one_or_none()
    if account is None:
        known = ", ".join(session.execute(sa.select(BrokerAccount.name).order_by(BrokerAccount.id)).scalars())
        raise InvalidInput({"account": f"no broker account has this name; there are: {known}"})
    return account


def _check_terms(form: StockForm) -> None:
    lasting = form.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
    if form.extended_hours and not (form.order_type is OrderType.LIMIT and lasting):
        raise InvalidInput({"extended_hours": "needs order_type LIMIT and time_in_force DAY or GTC"})
    if form.order_type.has_stop and not lasting:
        raise InvalidInput({"time_in_force": f"must be DAY or GTC for order_type {form.order_type}"})


def _by_symbol(symbol: str) -> sa.Select[Instrument]:
    return sa.select(Instrument).where(Instrument.symbol == symbol)


def _fill(session: Session, stock: Instrument, form: StockForm, *, is_new: bool) -> None:
    _check_terms(form)
    stock.primary_exchange = form.primary_exchange
    stock.secondary_exchange = form.secondary_exchange
    stock.activity = form.activity
    stock.asset_class = form.asset_class
    stock.currency = form.currency
    stock.order_type = form.order_type
    stock.time_in_force = form.time_in_force
    stock.extended_hours = form.extended_hours
    account_id = find_account(session, form.account)
    if not is_new:
        refuse_to_strand(session, form.symbol, stock.account_id, account_id)
    stock.account_id = account_id
    if is_new:
        session.add(stock)
    elif form.activity is Activity.ACTIVE:
        in_pair = (
            sa.select(Pair.name)
            .where((Pair.leg1_id == stock.id) | (Pair.leg2_id == stock.id))
            .where(Pair.activity == Activity.ACTIVE)
        )
        if (pair := session.execute(in_pair.limit(1)).scalar()) is not None:
            raise InvalidInput(
                {"active": f"{form.symbol} is a leg of the active pair {pair}; it cannot be active singly"}
            )
    session.flush()
    session.refresh(stock)
