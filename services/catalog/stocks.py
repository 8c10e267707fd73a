"""Stocks (and currencies, coins, futures) that alerts may name.

Each change of the registry locks the row of its version number until the end: changes run one by
one, so what they check stays true and none waits for another in a circle.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Activity, AssetClass, OrderType, Scope, TimeInForce
from domain.errors import AlreadyExists, InvalidInput, NotFound
from extensions import db, transaction
from models import Instrument, Pair
from services.catalog import broker_terms, check_limits
from services.catalog.orphaned_positions import refuse_to_strand
from services.catalog.registry_changes import (
    Changes,
    Editor,
    changes_between,
    find_account,
    lock_registry,
    needs_admin,
    record_change,
    record_values,
    refuse_to_redirect,
    set_values,
)
from services.catalog.snapshots import bump_version
from services.catalog.usage import held_in, held_of_symbol, in_words, refuse_if_used, uses_of_stock

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


FIELDS = tuple(field.name for field in fields(StockForm) if field.name != "symbol")
# What decides how a stock that is held can be closed: by its own alerts, and also by those of its pairs.
OF_OWN_BOOK = ("activity", "order_type", "time_in_force", "extended_hours")
OF_EVERY_BOOK = ("primary_exchange", "asset_class", "currency")


def create_stock(form: StockForm, editor: Editor) -> None:
    """Register a stock; raises AlreadyExists or InvalidInput."""
    with transaction() as session:
        lock_registry(session)
        if session.execute(_by_symbol(form.symbol)).scalar_one_or_none() is not None:
            raise AlreadyExists("'stock' with that name already exists.")
        _add(session, form, editor)
    logger.info("stock %s registered, %s", form.symbol, form.activity)


def put_stock(form: StockForm, editor: Editor, named: Collection[str] | None = None) -> tuple[Instrument, bool]:
    """Register or change a stock; returns it and whether it is new.

    Of a stock that is there only the fields in `named` change, None = all of them. Raises InvalidInput, and NotAllowed
    where an admin is needed: to send its alerts to another account, or to change how what is held can be closed.
    """
    with transaction() as session:
        lock_registry(session)
        stock = session.execute(_by_symbol(form.symbol)).scalar_one_or_none()
        is_new = stock is None
        if stock is None:
            stock = _add(session, form, editor)
        else:
            wanted = {field: getattr(form, field) for field in FIELDS if named is None or field in named}
            _change(session, stock, wanted, editor)
    logger.info("stock %s %s, %s", form.symbol, "registered" if is_new else "changed", stock.activity)
    return stock, is_new


def get_stock(symbol: str) -> Instrument:
    """Return the stock of that symbol; raises NotFound."""
    if (stock := db.session.execute(_by_symbol(symbol)).scalar_one_or_none()) is None:
        raise NotFound("item not found.")
    return stock


def list_stocks(limit: int | None) -> Sequence[Instrument]:
    """Return stocks, newest first; None = all."""
    return db.session.execute(sa.select(Instrument).order_by(Instrument.id.desc()).limit(limit)).scalars().all()


def delete_stock(symbol: str, editor: Editor) -> None:
    """Delete a stock; raises NotFound, or Conflict that names what uses it: then nothing is changed.

    The lock on its row keeps out alerts that were decided on before, so none can come between the look and the end.
    """
    with transaction() as session:
        lock_registry(session)
        stock = session.execute(_by_symbol(symbol).with_for_update(of=Instrument)).scalar_one_or_none()
        if stock is None:
            raise NotFound("item not found.")
        refuse_if_used(symbol, uses_of_stock(session, stock))
        record_values(session, editor, "stock deleted", f"stock {symbol}", values_of(stock))
        session.delete(stock)
        check_limits.forget(session, Scope.STOCK, symbol)
        bump_version(session)
    logger.info("stock %s deleted", symbol)


def _check_terms(form: StockForm) -> None:
    if form.order_type.has_trail:
        known = ", ".join(kind for kind in OrderType if not kind.has_trail)
        rule = f"must be one of {known}: how far a stop trails is said by an alert (trail_percent or trail_price)"
        raise InvalidInput({"order_type": rule})
    lasting = form.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
    if form.extended_hours and not (form.order_type is OrderType.LIMIT and lasting):
        raise InvalidInput({"extended_hours": "needs order_type LIMIT and time_in_force DAY or GTC"})
    if form.order_type.has_stop and not lasting:
        raise InvalidInput({"time_in_force": f"must be DAY or GTC for order_type {form.order_type}"})


def _by_symbol(symbol: str) -> sa.Select[Instrument]:
    return sa.select(Instrument).where(Instrument.symbol == symbol)


def values_of(stock: Instrument) -> dict[str, Any]:
    """Return what is registered of a stock, by the fields of the form."""
    return {
        "primary_exchange": stock.primary_exchange,
        "secondary_exchange": stock.secondary_exchange,
        "activity": Activity(stock.activity),
        "asset_class": AssetClass(stock.asset_class),
        "currency": stock.currency,
        "order_type": OrderType(stock.order_type),
        "time_in_force": TimeInForce(stock.time_in_force),
        "extended_hours": stock.extended_hours,
        "account": stock.account.name if stock.account else None,
    }


def add_passive(session: Session, symbol: str, field: str, editor: Editor) -> Instrument:
    """Register a stock that only a pair has named, with all defaults; raises InvalidInput for the field of its name."""
    return _add(session, StockForm(symbol=symbol), editor, field)


def _add(session: Session, form: StockForm, editor: Editor, field: str = "symbol") -> Instrument:
    if (
        session.execute(sa.select(Pair.id).where(Pair.name == form.symbol)).first() is not None
    ):  # it would get its alerts
        raise InvalidInput({field: f"a pair is called {form.symbol}; a stock must have another name"})
    _check_terms(form)
    stock = Instrument(symbol=form.symbol)
    session.add(stock)
    set_values(session, stock, {name: getattr(form, name) for name in FIELDS})
    broker_terms.refuse_terms(session, stock)
    record_values(session, editor, "stock registered", f"stock {form.symbol}", values_of(stock))
    bump_version(session)
    return stock


def _change(session: Session, stock: Instrument, wanted: Mapping[str, object], editor: Editor) -> None:
    before = values_of(stock)
    changes = changes_between(before, wanted)
    if not changes:
        return
    account_id = find_account(session, changes["account"][1]) if "account" in changes else stock.account_id
    if not editor.is_admin:
        _check_rights(session, stock, changes, account_id)
    _check_terms(StockForm(symbol=stock.symbol, **{**before, **wanted}))
    refuse_to_strand(session, stock.symbol, stock.account_id, account_id)
    if changes.get("activity", ("", ""))[1] is Activity.ACTIVE:
        _refuse_active_leg(session, stock)
    set_values(session, stock, {field: new for field, (_, new) in changes.items()})
    if broker_terms.is_to_be_judged(changes, stock.activity):
        broker_terms.refuse_terms(session, stock)
    record_change(session, editor, "stock changed", f"stock {stock.symbol}", changes)
    bump_version(session)


def _check_rights(session: Session, stock: Instrument, changes: Changes, account_id: int | None) -> None:
    refuse_to_redirect(session, stock.symbol, stock.account_id, account_id)
    for fields_of, uses_of in ((OF_OWN_BOOK, held_in), (OF_EVERY_BOOK, held_of_symbol)):
        touched = [field for field in fields_of if field in changes]
        if touched and (uses := uses_of(session, stock.symbol)):
            raise needs_admin(stock.symbol, touched, in_words(uses))


def _refuse_active_leg(session: Session, stock: Instrument) -> None:
    in_pair = (
        sa.select(Pair.name)
        .where((Pair.leg1_id == stock.id) | (Pair.leg2_id == stock.id))
        .where(Pair.activity == Activity.ACTIVE)
    )
    if (pair := session.execute(in_pair.limit(1)).scalar()) is not None:
        text = f"{stock.symbol} is a leg of the active pair {pair}; it cannot be active singly"
        raise InvalidInput({"active": text})
