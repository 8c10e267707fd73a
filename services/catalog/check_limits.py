"""The limits of the checks: who may set what where, and what is in force."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.checks.catalog import CHECKS, CheckSpec, Limit
from domain.checks.rules import Ceiling, RuleRow, Subject
from domain.enums import CheckMode, Scope, TickerType
from domain.errors import InvalidInput, NotFound
from extensions import db, reading, transaction, utc_now
from models import BrokerAccount, CheckRule, Instrument, JournalEntry, Pair
from services.catalog import snapshots

logger = logging.getLogger(__name__)

NAMED = {Scope.ACCOUNT: BrokerAccount.name, Scope.STOCK: Instrument.symbol, Scope.PAIR: Pair.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleForm:
    """What a client may say of one check in one scope; what is None is left to the wider scope."""

    check: str
    scope: Scope = Scope.DESK
    scope_name: str = ""
    mode: CheckMode | None = None
    limit: Decimal | None = None
    choice: str | None = None

    @property
    def where(self) -> str:
        """Return the scope in words."""
        return f"{self.scope} {self.scope_name}".strip()


@dataclass(frozen=True, slots=True)
class InForce:
    """One check as it is for a subject; a row that is None means that the value is built in."""

    name: str
    spec: CheckSpec
    mode: CheckMode | None
    mode_from: RuleRow | None
    limit: Decimal | None
    limit_from: RuleRow | None
    ceilings: tuple[Ceiling, ...]
    of_legs: tuple[Ceiling, ...]  # of a pair: the limits that its stocks set for themselves
    choice: str | None
    choice_from: RuleRow | None


def _legs(pair: str) -> tuple[str, ...]:
    row = db.session.execute(sa.select(Pair).where(Pair.name == pair)).scalar_one_or_none()
    return () if row is None else (row.leg1.symbol, row.leg2.symbol)


def list_rules() -> Sequence[CheckRule]:
    """Return all rules, by check and scope."""
    with reading() as session:
        rows = session.execute(
            sa.select(CheckRule).order_by(CheckRule.check_name, CheckRule.scope, CheckRule.scope_name)
        )
        found = rows.scalars().all()
        session.expunge_all()
    return found


def in_force(*, stock: str | None = None, pair: str | None = None, account: str | None = None) -> list[InForce]:
    """Return every check as it is for a stock or pair, an account, or the whole desk.

    A stock or pair is looked at in its own account. Raises InvalidInput for a name that is not registered.
    """
    if stock and pair:
        raise InvalidInput({"pair": "a stock and a pair cannot be asked for at once"})
    known = snapshots.snapshot(fresh=True)
    name = stock or pair or ""
    subject = Subject(account or "")
    if name:
        found = known.find_instrument(name) if stock else known.find_pair(name)
        kind = TickerType.SINGLE if stock else TickerType.PAIR
        if found is None:
            what = "stock" if stock else "pair"
            raise InvalidInput({what: f"no {what} {name} is registered"})
        subject = Subject(account or found.account, name, kind)
    if account:
        with reading() as session:
            _check_name(session, Scope.ACCOUNT, account, "account")
    rules, legs = known.rules, _legs(name) if pair else ()
    result = []
    for check, spec in CHECKS.items():
        ceilings = rules.ceilings(check, subject)
        result.append(
            InForce(
                name=check,
                spec=spec,
                mode=rules.mode(check, subject) if spec.mode else None,
                mode_from=rules.source(check, subject, "mode"),
                limit=ceilings[0].limit if ceilings else None,
                limit_from=rules.source(check, subject, "limit"),
                ceilings=ceilings,
                of_legs=tuple(own.ceiling for own in rules.of_legs(check, subject.account, legs)),
                choice=rules.choice(check, subject) or None,
                choice_from=rules.source(check, subject, "choice"),
            )
        )
    return result


def set_rule(form: RuleForm, actor: str, reason: str = "") -> CheckRule:
    """Put a rule in force in place of the one that its check had in that scope; raises InvalidInput."""
    _check_form(form)
    with transaction() as session:
        snapshots.bump_version(session)
        _check_name(session, form.scope, form.scope_name, "name")
        row = session.get(CheckRule, (form.scope, form.scope_name, form.check))
        if row is None:
            row = CheckRule(scope=form.scope, scope_name=form.scope_name, check_name=form.check)
            session.add(row)
        before = _words_of(row)
        row.mode, row.limit_value, row.choice = form.mode, form.limit, form.choice
        row.changed_at, row.changed_by = utc_now(), actor
        _write_down(session, actor, "limit set", form, _with_reason(f"{before} -> {_in_words(form)}", reason))
        session.flush()
        session.refresh(row)
    logger.info("%s: check %s of %s is now %s", actor, form.check, form.where, _in_words(form))
    return row


def clear_rule(check: str, scope: Scope, scope_name: str, actor: str, reason: str = "") -> None:
    """Delete the rule of a check in one scope, so that the wider scope decides again; NotFound where there is none."""
    form = RuleForm(check=check, scope=scope, scope_name=scope_name)
    with transaction() as session:
        snapshots.bump_version(session)
        row = session.get(CheckRule, (scope, scope_name, check))
        if row is None:
            raise NotFound("item not found.")
        session.delete(row)
        text = f"{_words_of(row)} -> left to the wider scope"
        _write_down(session, actor, "limit cleared", form, _with_reason(text, reason))
    logger.info("%s: check %s of %s is left to the wider scope", actor, check, form.where)


def forget(session: Session, scope: Scope, scope_name: str) -> None:
    """Delete the rules of a stock or pair that is deleted itself, inside that change of the registry."""
    session.execute(sa.delete(CheckRule).where(CheckRule.scope == scope, CheckRule.scope_name == scope_name))


def _check_form(form: RuleForm) -> None:
    spec = CHECKS.get(form.check)
    if spec is None:
        raise InvalidInput({"check": f"must be one of: {', '.join(CHECKS)}"})
    if not spec.scopes:
        raise InvalidInput({"check": "this one always holds and cannot be set"})
    wrong = _scope_rules(spec, form)
    if form.mode is not None and spec.mode is None:
        wrong["mode"] = "this is a number that other checks use; it has no mode"
    if form.limit is not None and (rule := _limit_rule(spec.limit, form.limit)):
        wrong["limit"] = rule
    if form.choice is not None and form.choice not in spec.choices:
        choices = f"must be one of: {', '.join(spec.choices)}"
        wrong["choice"] = choices if spec.choices else "this check has no choices"
    if not wrong and form.mode is None and form.limit is None and form.choice is None:
        wrong["mode"] = "one of mode, limit and choice is needed"
    if wrong:
        raise InvalidInput(wrong)


def _scope_rules(spec: CheckSpec, form: RuleForm) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if form.scope not in spec.scopes:
        wrong["scope"] = f"must be one of: {', '.join(spec.scopes)}"
    if form.scope is Scope.DESK and form.scope_name:
        wrong["name"] = "must be empty for the whole desk"
    elif form.scope is not Scope.DESK and not form.scope_name:
        wrong["name"] = "'name' cannot be empty!"
    return wrong


def _limit_rule(limit: Limit | None, value: Decimal) -> str | None:
    if limit is None:
        return "this check has no limit"
    if not limit.low <= value <= limit.high:
        return f"must be between {limit.low:f} and {limit.high:f} ({limit.unit})"
    if limit.whole and value != value.to_integral_value():
        return "must be a whole number"
    return None


def _check_name(session: Session, scope: Scope, name: str, field: str) -> None:
    column = NAMED.get(scope)
    if column is not None and session.execute(sa.select(column).where(column == name)).first() is None:
        raise InvalidInput({field: f"no {scope} {name} is registered"})


def _in_words(form: RuleForm) -> str:
    parts = {"mode": form.mode, "limit": None if form.limit is None else f"{form.limit:f}", "choice": form.choice}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


def _words_of(row: CheckRule) -> str:
    limit = None if row.limit_value is None else f"{row.limit_value:f}"
    parts = {"mode": row.mode, "limit": limit, "choice": row.choice}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None) or "nothing set"


def _with_reason(text: str, reason: str) -> str:
    return f"{text}; {reason}" if reason else text


def _write_down(session: Session, actor: str, action: str, form: RuleForm, text: str) -> None:
    session.add(
        JournalEntry(
            actor=actor, action=action, subject=f"{form.check} of {form.where}"[:160], text=f"{form.check}: {text}"
        )
    )
