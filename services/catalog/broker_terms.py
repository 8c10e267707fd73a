"""What the account of a stock or pair can do, held against what is registered. No broker is asked for it."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from brokers.registry import SPECS
from brokers.spec import BrokerSpec
from domain.enums import Activity, AssetClass, Environment, OrderType, Route, TimeInForce
from domain.errors import InvalidInput
from domain.venue.capabilities import AccountCapabilities
from domain.venue.registration import wrong_terms
from models import AssetState, BrokerAccount, Instrument

OF_TERMS = frozenset({"asset_class", "order_type", "time_in_force", "extended_hours", "account"})
NAMES = {"asset_class": "sectype"}  # as v3 calls it


def is_to_be_judged(changes: Iterable[str], activity: str) -> bool:
    """Return True if a change touches what the broker must be able to do, or makes a stock or pair active."""
    touched = set(changes)
    return bool(touched & OF_TERMS) or ("activity" in touched and activity == Activity.ACTIVE)


def refuse_terms(session: Session, stock: Instrument) -> None:
    """Raise InvalidInput naming field and rule if the stock's account cannot trade it as it is registered."""
    account = _account(session, stock.account_id)
    if (known := _known(account)) is None:
        return
    spec, able = known
    wrong = wrong_terms(
        able,
        spec.title,
        _class_of(session, account, stock),
        OrderType(stock.order_type),
        TimeInForce(stock.time_in_force),
        extended_hours=stock.extended_hours,
    )
    if wrong:
        raise InvalidInput({NAMES.get(field, field): text for field, text in wrong.items()})


def refuse_legs(session: Session, legs: Iterable[Instrument], account_id: int | None) -> None:
    """Raise InvalidInput if a pair's account does not trade both legs; they go to the market, for the day."""
    account = _account(session, account_id)
    if (known := _known(account)) is None:
        return
    spec, able = known
    for number, leg in enumerate(legs, 1):
        kind = _class_of(session, account, leg)
        wrong = wrong_terms(able, spec.title, kind, OrderType.MARKET, TimeInForce.DAY, extended_hours=False)
        if wrong:
            raise InvalidInput({f"ticker{number}": f"{leg.symbol}: {text}" for text in wrong.values()})


def _account(session: Session, account_id: int | None) -> BrokerAccount:
    which = BrokerAccount.is_default if account_id is None else BrokerAccount.id == account_id
    return session.execute(sa.select(BrokerAccount).where(which)).scalar_one()


def _known(account: BrokerAccount) -> tuple[BrokerSpec, AccountCapabilities] | None:
    """Return what the desk knows of an account's broker; nothing of those that an executor of the user's own trades."""
    spec = SPECS.get(account.broker)
    if spec is None or account.route == Route.EXTERNAL:
        return None
    return spec, spec.capabilities(Environment(account.environment))


def _class_of(session: Session, account: BrokerAccount, stock: Instrument) -> AssetClass:
    """Return what a stock is to its broker, where that was heard, else what it is registered as."""
    key = (AssetState.account_id == account.id, AssetState.symbol == stock.symbol)
    heard = session.execute(sa.select(AssetState.asset_class).where(*key)).scalar_one_or_none()
    return AssetClass(heard or stock.asset_class)
