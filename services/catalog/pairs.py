"""Pairs that alerts may name: two stocks and the hedge ratio that alerts must carry."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Activity, FailurePolicy, LegPolicy, Scope
from domain.errors import AlreadyExists, InvalidInput, NotFound
from extensions import db, transaction
from models import Instrument, Pair
from services.catalog import check_limits
from services.catalog.orphaned_positions import refuse_to_strand
from services.catalog.snapshots import bump_version
from services.catalog.stocks import find_account

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairForm:
    """What a client may say of a pair; contracts in shares of leg 1, hedge ratio = shares of leg 2 for one of leg 1.

    How the legs belong together stays as it is where nothing is said; `leg_timeout` in seconds.
    """

    symbol1: str
    symbol2: str
    hedge_ratio: Decimal
    activity: Activity = Activity.PASSIVE
    notes: str | None = None
    contracts: Decimal | None = None
    account: str | None = None
    leg_policy: LegPolicy | None = None
    on_leg_failure: FailurePolicy | None = None
    leg_timeout: int | None = None

    @property
    def name(self) -> str:
        """Return the pair's name."""
        return f"{self.symbol1}-{self.symbol2}"


def create_pair(form: PairForm) -> None:
    """Register a pair; raises AlreadyExists or InvalidInput."""
    with transaction() as session:
        bump_version(session)
        if session.execute(_by_name(form.name)).scalar_one_or_none() is not None:
            raise AlreadyExists("'pair' with that name already exists.")
        _fill(session, Pair(name=form.name), form, is_new=True)
    logger.info("pair %s registered, %s", form.name, form.activity)


def put_pair(form: PairForm) -> tuple[Pair, bool]:
    """Register or change a pair; returns it and whether it is new. Raises InvalidInput."""
    with transaction() as session:
        bump_version(session)
        pair = session.execute(_by_name(form.name)).scalar_one_or_none()
        is_new = pair is None
        pair = pair or Pair(name=form.name)
        _fill(session, pair, form, is_new=is_new)
    logger.info("pair %s %s, %s", form.name, "registered" if is_new else "changed", form.activity)
    return pair, is_new


def get_pair(name: str) -> Pair:
    """Return the pair of that name; raises NotFound."""
    if (pair := db.session.execute(_by_name(name)).scalar_one_or_none()) is None:
        raise NotFound("item not found.")
    return pair


def list_pairs(limit: int | None) -> Sequence[Pair]:
    """Return pairs, newest first; None = all."""
    return db.session.execute(sa.select(Pair).order_by(Pair.id.desc()).limit(limit)).scalars().all()


def delete_pair(name: str) -> None:
    """Delete a pair; its signals stay. Raises NotFound."""
    with transaction() as session:
        bump_version(session)
        pair = session.execute(_by_name(name)).scalar_one_or_none()
        if pair is None:
            raise NotFound("item not found.")
        session.delete(pair)
        check_limits.forget(session, Scope.PAIR, name)
    logger.info("pair %s deleted", name)


def _by_name(name: str) -> sa.Select[Pair]:
    return sa.select(Pair).where(Pair.name == name)


def _fill(session: Session, pair: Pair, form: PairForm, *, is_new: bool) -> None:
    if is_new:
        pair.leg1, pair.leg2 = _legs(session, form)
    if form.activity is Activity.ACTIVE:
        for leg in (pair.leg1, pair.leg2):
            if leg.activity == Activity.ACTIVE:
                raise InvalidInput(
                    {"status": f"{leg.symbol} is active singly; make it passive before the pair {form.name} is active"}
                )
    pair.hedge_ratio = form.hedge_ratio
    pair.activity = form.activity
    pair.notes = form.notes
    pair.contracts = form.contracts
    account_id = find_account(session, form.account)
    if not is_new:
        refuse_to_strand(session, form.name, pair.account_id, account_id)
    pair.account_id = account_id
    pair.leg_policy = form.leg_policy or pair.leg_policy or LegPolicy.TOGETHER
    pair.on_leg_failure = form.on_leg_failure or pair.on_leg_failure or FailurePolicy.UNWIND
    pair.leg_timeout = form.leg_timeout or pair.leg_timeout
    if is_new:
        session.add(pair)
    session.flush()
    session.refresh(pair)


def _legs(session: Session, form: PairForm) -> tuple[Instrument, Instrument]:
    known = {
        stock.symbol: stock
        for stock in session.execute(
            sa.select(Instrument).where(Instrument.symbol.in_([form.symbol1, form.symbol2]))
        ).scalars()
    }
    missing = {f"ticker{n}": symbol for n, symbol in enumerate((form.symbol1, form.symbol2), 1) if symbol not in known}
    if missing and form.activity is Activity.ACTIVE:
        raise InvalidInput({name: f"no stock {symbol} is registered" for name, symbol in missing.items()})
    for symbol in missing.values():
        known[symbol] = Instrument(symbol=symbol)
        session.add(known[symbol])
    return known[form.symbol1], known[form.symbol2]
