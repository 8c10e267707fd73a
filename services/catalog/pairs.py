"""Pairs that alerts may name: two stocks and the hedge ratio that alerts must carry."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Activity, FailurePolicy, LegPolicy, Scope
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
from services.catalog.stocks import add_passive
from services.catalog.usage import held_in, in_words, refuse_if_used, uses_of_pair

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairForm:
    """What a client may say of a pair; contracts in shares of leg 1, hedge ratio = shares of leg 2 for one of leg 1.

    `leg_timeout` in seconds, None = as the desk is set. A pair that is there already may be changed without its ratio.
    """

    symbol1: str
    symbol2: str
    hedge_ratio: Decimal | None = None
    activity: Activity = Activity.PASSIVE
    notes: str | None = None
    contracts: Decimal | None = None
    account: str | None = None
    leg_policy: LegPolicy = LegPolicy.TOGETHER
    on_leg_failure: FailurePolicy = FailurePolicy.UNWIND
    leg_timeout: int | None = None

    @property
    def name(self) -> str:
        """Return the pair's name."""
        return f"{self.symbol1}-{self.symbol2}"


FIELDS = tuple(field.name for field in fields(PairForm) if field.name not in ("symbol1", "symbol2"))
# What decides how a pair that is held is closed, and what becomes of a leg without the other.
OF_HELD = ("hedge_ratio", "activity", "leg_policy", "on_leg_failure", "leg_timeout")


def create_pair(form: PairForm, editor: Editor) -> None:
    """Register a pair; raises AlreadyExists or InvalidInput."""
    with transaction() as session:
        lock_registry(session)
        if session.execute(_by_name(form.name)).scalar_one_or_none() is not None:
            raise AlreadyExists("'pair' with that name already exists.")
        _add(session, form, editor)
    logger.info("pair %s registered, %s", form.name, form.activity)


def put_pair(form: PairForm, editor: Editor, named: Collection[str] | None = None) -> tuple[Pair, bool]:
    """Register or change a pair; returns it and whether it is new.

    Of a pair that is there only the fields in `named` change, None = all of them. Raises InvalidInput, and NotAllowed
    where an admin is needed: to send its alerts to another account, or to change how what is held is closed.
    """
    with transaction() as session:
        lock_registry(session)
        pair = session.execute(_by_name(form.name)).scalar_one_or_none()
        is_new = pair is None
        if pair is None:
            pair = _add(session, form, editor)
        else:
            wanted = {field: getattr(form, field) for field in FIELDS if named is None or field in named}
            _change(session, pair, form, wanted, editor)
    logger.info("pair %s %s, %s", form.name, "registered" if is_new else "changed", pair.activity)
    return pair, is_new


def get_pair(name: str) -> Pair:
    """Return the pair of that name; raises NotFound."""
    if (pair := db.session.execute(_by_name(name)).scalar_one_or_none()) is None:
        raise NotFound("item not found.")
    return pair


def list_pairs(limit: int | None) -> Sequence[Pair]:
    """Return pairs, newest first; None = all."""
    return db.session.execute(sa.select(Pair).order_by(Pair.id.desc()).limit(limit)).scalars().all()


def delete_pair(name: str, editor: Editor) -> None:
    """Delete a pair; its signals stay. Raises NotFound, or Conflict that names what uses it: then nothing is changed.

    The lock on its row keeps out alerts that were decided on before, so none can come between the look and the end.
    """
    with transaction() as session:
        lock_registry(session)
        pair = session.execute(_by_name(name).with_for_update(of=Pair)).scalar_one_or_none()
        if pair is None:
            raise NotFound("item not found.")
        refuse_if_used(name, uses_of_pair(session, name))
        record_values(session, editor, "pair deleted", f"pair {name}", values_of(pair))
        session.delete(pair)
        check_limits.forget(session, Scope.PAIR, name)
        bump_version(session)
    logger.info("pair %s deleted", name)


def values_of(pair: Pair) -> dict[str, Any]:
    """Return what is registered of a pair, by the fields of the form."""
    return {
        "hedge_ratio": pair.hedge_ratio,
        "activity": Activity(pair.activity),
        "notes": pair.notes,
        "contracts": pair.contracts,
        "account": pair.account.name if pair.account else None,
        "leg_policy": LegPolicy(pair.leg_policy),
        "on_leg_failure": FailurePolicy(pair.on_leg_failure),
        "leg_timeout": pair.leg_timeout,
    }


def _by_name(name: str) -> sa.Select[Pair]:
    return sa.select(Pair).where(Pair.name == name)


def _add(session: Session, form: PairForm, editor: Editor) -> Pair:
    if form.hedge_ratio is None:
        raise InvalidInput({"hedge": "'hedge' cannot be empty!"})
    if session.execute(sa.select(Instrument.id).where(Instrument.symbol == form.name)).first() is not None:
        raise InvalidInput({"name": f"a stock is called {form.name}; it would get the alerts of the pair"})
    leg1, leg2 = _legs(session, form, editor)
    if form.activity is Activity.ACTIVE:
        _refuse_active_legs(form.name, (leg1, leg2))
    pair = Pair(name=form.name, leg1=leg1, leg2=leg2)
    session.add(pair)
    set_values(session, pair, {field: getattr(form, field) for field in FIELDS})
    broker_terms.refuse_legs(session, (leg1, leg2), pair.account_id)
    record_values(session, editor, "pair registered", f"pair {form.name}", values_of(pair))
    bump_version(session)
    return pair


def _change(session: Session, pair: Pair, form: PairForm, wanted: Mapping[str, object], editor: Editor) -> None:
    if (pair.leg1.symbol, pair.leg2.symbol) != (form.symbol1, form.symbol2):
        raise InvalidInput({"name": f"the pair {pair.name} has the legs {pair.leg1.symbol} and {pair.leg2.symbol}"})
    changes = changes_between(values_of(pair), wanted)
    if not changes:
        return
    account_id = find_account(session, form.account) if "account" in changes else pair.account_id
    if not editor.is_admin:
        _check_rights(session, pair, changes, account_id)
    refuse_to_strand(session, pair.name, pair.account_id, account_id)
    if changes.get("activity", ("", ""))[1] is Activity.ACTIVE:
        _refuse_active_legs(pair.name, (pair.leg1, pair.leg2))
    set_values(session, pair, {field: new for field, (_, new) in changes.items()})
    if broker_terms.is_to_be_judged(changes, pair.activity):
        broker_terms.refuse_legs(session, (pair.leg1, pair.leg2), pair.account_id)
    record_change(session, editor, "pair changed", f"pair {pair.name}", changes)
    bump_version(session)


def _check_rights(session: Session, pair: Pair, changes: Changes, account_id: int | None) -> None:
    refuse_to_redirect(session, pair.name, pair.account_id, account_id)
    touched = [field for field in OF_HELD if field in changes]
    if touched and (uses := held_in(session, pair.name)):
        raise needs_admin(pair.name, touched, in_words(uses))


def _refuse_active_legs(name: str, legs: Iterable[Instrument]) -> None:
    for leg in legs:
        if leg.activity == Activity.ACTIVE:
            text = f"{leg.symbol} is active singly; make it passive before the pair {name} is active"
            raise InvalidInput({"status": text})


def _legs(session: Session, form: PairForm, editor: Editor) -> tuple[Instrument, Instrument]:
    known = {
        stock.symbol: stock
        for stock in session.execute(
            sa.select(Instrument).where(Instrument.symbol.in_([form.symbol1, form.symbol2]))
        ).scalars()
    }
    missing = {f"ticker{n}": symbol for n, symbol in enumerate((form.symbol1, form.symbol2), 1) if symbol not in known}
    if missing and form.activity is Activity.ACTIVE:
        raise InvalidInput({name: f"no stock {symbol} is registered" for name, symbol in missing.items()})
    for field, symbol in missing.items():
        known[symbol] = add_passive(session, symbol, field, editor)
    return known[form.symbol1], known[form.symbol2]
