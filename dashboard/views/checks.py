"""The checks before trading as the page of controls shows them, and the form that sets one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dashboard.formatting import Moment, moment, number
from dashboard.forms import Form
from domain.checks.catalog import CHECKS
from domain.checks.rules import RuleRow
from domain.enums import CheckMode, Scope
from domain.errors import InvalidInput
from domain.ticker import TickerError, normalise_name
from models import CheckRule
from services.catalog import check_limits
from services.catalog.check_limits import InForce, RuleForm

MAX_NAME = 129
LIMIT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,8})?")
MODE_LOOK = {CheckMode.OFF: "canceled", CheckMode.WARN: "waiting", CheckMode.REFUSE: "created"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One check as it is for what is looked at."""

    name: str
    title: str
    text: str
    mode: str
    look: str
    mode_from: str
    limit: str
    limit_from: str
    choice: str
    choice_from: str
    changes: bool  # whether anything can be set for it


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One rule that somebody set."""

    key: str
    check: str
    name: str
    scope: str
    scope_name: str
    where: str
    what: str
    changed: Moment
    by: str


@dataclass(slots=True)
class Look:
    """For whom the checks are shown, and which one the form is to begin with."""

    scope: Scope = Scope.DESK
    name: str = ""
    check: str = ""
    message: str | None = None

    @property
    def where(self) -> str:
        """Return it in words."""
        return "the whole desk" if self.scope is Scope.DESK else f"the {self.scope} {self.name}"


def read_look(args: Mapping[str, str]) -> Look:
    """Return for whom the address asks; never raises, `message` tells what is wrong."""
    look = Look(check=args.get("check", "") if args.get("check") in CHECKS else "")
    name = args.get("of", "").strip()
    try:
        look.scope = Scope(args.get("scope") or Scope.DESK)
        if look.scope is not Scope.DESK:
            look.name = book_name(look.scope, name)
    except TickerError as e:
        look.message = e.reason
    except ValueError:
        look.message = f"must be one of: {', '.join(Scope)}"
    else:
        if look.scope is not Scope.DESK and not look.name:
            look.message = "a name is needed, unless it is the whole desk"
    return look


def book_name(scope: Scope, text: str) -> str:
    """Return a name as it is registered; raises TickerError for what cannot be one."""
    if len(text) > MAX_NAME or not text.isprintable():
        raise TickerError("is not a name")
    return normalise_name(text) if text and scope in (Scope.STOCK, Scope.PAIR) else text


def lines_for(look: Look) -> list[CheckLine]:
    """Return every check as it is there; a name that is not registered becomes the look's message."""
    if look.message:
        return []
    asked = {} if look.scope is Scope.DESK else {str(look.scope): look.name}
    try:
        return [_line(found) for found in check_limits.in_force(**asked)]
    except InvalidInput as e:
        look.message = "; ".join(e.fields.values())
        return []


def _line(found: InForce) -> CheckLine:
    spec = found.spec
    mode = "" if found.mode is None else str(found.mode)
    look = MODE_LOOK[found.mode] if found.mode else ""
    own = found.ceilings if spec.limit and spec.limit.cumulative else found.ceilings[:1]
    limits = (*own, *found.of_legs)
    if spec.limit and not limits and found.name != "age" and found.mode is not CheckMode.OFF:
        mode, look = "no limit set", "canceled"
    units = f" {spec.limit.unit}" if spec.limit else ""
    each = [f"{number(ceiling.limit)}{units}" for ceiling in own]
    each += [f"{number(ceiling.limit)} for the leg {ceiling.scope_name}" for ceiling in found.of_legs]
    return CheckLine(
        name=found.name,
        title=spec.title,
        text=spec.text,
        mode=mode,
        look=look,
        mode_from=_origin(found.mode_from),
        limit="; ".join(each) if each else ("–" if spec.limit else ""),
        limit_from="; ".join(ceiling.where for ceiling in limits),
        choice=(found.choice or "").replace("_", " "),
        choice_from=_origin(found.choice_from),
        changes=bool(spec.scopes),
    )


def _origin(row: RuleRow | None) -> str:
    if row is None:
        return "built in"
    return "the desk" if row.scope is Scope.DESK else f"{row.scope} {row.scope_name}"


def rule_lines(rows: Sequence[CheckRule], now: datetime) -> list[RuleLine]:
    """Return the rules that were set."""
    lines = []
    for row in rows:
        spec = CHECKS.get(row.check_name)
        unit = f" {spec.limit.unit}" if spec and spec.limit else ""
        limit = None if row.limit_value is None else f"limit {number(row.limit_value)}{unit}"
        lines.append(
            RuleLine(
                key=f"rule-{row.scope}-{row.scope_name}-{row.check_name}",
                check=row.check_name,
                name=spec.title if spec else row.check_name,
                scope=row.scope,
                scope_name=row.scope_name,
                where="the desk" if row.scope == Scope.DESK else f"{row.scope} {row.scope_name}",
                what=", ".join(part for part in (row.mode, limit, row.choice) if part),
                changed=moment(row.changed_at, now),
                by=row.changed_by.removeprefix("user "),
            )
        )
    return lines


def begin(look: Look, rows: Sequence[CheckRule]) -> Form:
    """Return the form filled with what is in force for the check that was chosen, since a new rule replaces it all."""
    form = Form("rule", typed={"check": look.check, "scope": look.scope, "name": look.name})
    for row in rows:
        if (row.check_name, row.scope, row.scope_name) == (look.check, look.scope, look.name):
            form.typed["mode"] = row.mode or ""
            form.typed["limit"] = "" if row.limit_value is None else f"{row.limit_value:f}"
            form.typed["choice"] = row.choice or ""
    return form


def read_rule(form: Form) -> RuleForm | None:
    """Return the rule that a form asks for; None, with messages, where it cannot be read."""
    scope, check = form.word("scope", Scope), form.text("check", 32)
    name = form.text("name", MAX_NAME, needed=False)
    texts = {part: form.text(part, 40, needed=False) for part in ("mode", "limit", "choice")}
    mode = form.word("mode", CheckMode) if texts["mode"] else None
    if texts["limit"] and not LIMIT.fullmatch(texts["limit"]):
        form.messages["limit"] = "must be a number, with at most 8 decimals"
    if form.messages or scope is None:
        return None
    try:
        name = book_name(scope, name)
    except TickerError as e:
        form.messages["name"] = e.reason
        return None
    limit = Decimal(texts["limit"]) if texts["limit"] else None
    return RuleForm(check=check, scope=scope, scope_name=name, mode=mode, limit=limit, choice=texts["choice"] or None)


def choices() -> list[str]:
    """Return all choices that any check knows."""
    return list(dict.fromkeys(str(choice) for spec in CHECKS.values() for choice in spec.choices))
