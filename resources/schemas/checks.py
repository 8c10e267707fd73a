"""Checks and their limits as clients write and read them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from domain.checks.rules import RuleRow
from domain.enums import CheckMode, Scope
from models import CheckRule
from resources.schemas.fields import Blank, Closed, Number, Out, OutNumber, show_iso, symbol_in_path
from services.catalog.check_limits import InForce, RuleForm


def _readable(text: str) -> str:
    if not text.isprintable():  # nor does every database take a NUL
        raise ValueError("has a character that is not allowed here")
    return text


Readable = AfterValidator(_readable)
CheckName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32), Readable]
ScopeName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=129), Readable]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=129), Readable]
Traded = Annotated[Name, AfterValidator(symbol_in_path)]


class RuleKey(Closed):
    """Which check, and where."""

    check: CheckName
    scope: Scope = Scope.DESK
    name: ScopeName = Field("", description="of the account, stock or pair; empty for the desk")

    @model_validator(mode="after")
    def _as_stored(self) -> RuleKey:
        if self.scope in (Scope.STOCK, Scope.PAIR):
            self.name = symbol_in_path(self.name)
        return self


class RuleIn(RuleKey):
    """One check in one scope; what is left out or null is left to the wider scope."""

    mode: Annotated[CheckMode | None, Blank] = None
    limit: Annotated[Number | None, Blank] = None
    choice: Annotated[Annotated[str, StringConstraints(max_length=16)] | None, Blank] = None

    def form(self) -> RuleForm:
        """Return the rule in the desk's terms."""
        return RuleForm(
            check=self.check,
            scope=self.scope,
            scope_name=self.name,
            mode=self.mode,
            limit=self.limit,
            choice=self.choice,
        )


class ChecksQuery(Closed):
    stock: Traded | None = None
    pair: Traded | None = None
    account: Name | None = None


class RuleOut(Out):
    check: str
    scope: str
    name: str
    mode: str | None
    limit: OutNumber | None
    choice: str | None
    changed_at: str
    changed_by: str

    @classmethod
    def of(cls, row: CheckRule) -> RuleOut:
        """Return the rule as it is stored."""
        return cls(
            check=row.check_name,
            scope=row.scope,
            name=row.scope_name,
            mode=row.mode,
            limit=row.limit_value,
            choice=row.choice,
            changed_at=show_iso(row.changed_at),
            changed_by=row.changed_by,
        )


class LimitOut(Out):
    scope: str | None
    name: str
    limit: OutNumber


class TradeCheckOut(Out):
    check: str
    title: str
    text: str
    mode: str | None
    mode_from: str
    limit: OutNumber | None
    limit_from: str
    unit: str | None
    limits: list[LimitOut] = Field(
        description="where more than one limit holds, all of them: each scope's against its own sum, and of a pair "
        "those that its stocks set for themselves"
    )
    choice: str | None
    choice_from: str
    choices: list[str]
    scopes: list[str]

    @classmethod
    def of(cls, check: InForce) -> TradeCheckOut:
        """Return what is in force of one check, and where each part comes from."""
        limit = check.spec.limit
        each = check.ceilings if limit and limit.cumulative else check.ceilings[:1] if check.of_legs else ()
        return cls(
            check=check.name,
            title=check.spec.title,
            text=check.spec.text,
            mode=check.mode,
            mode_from=_source(check.mode_from),
            limit=check.limit,
            limit_from=_source(check.limit_from),
            unit=limit.unit if limit else None,
            limits=[LimitOut(scope=c.scope, name=c.scope_name, limit=c.limit) for c in (*each, *check.of_legs)],
            choice=check.choice,
            choice_from=_source(check.choice_from),
            choices=[str(choice) for choice in check.spec.choices],
            scopes=[str(scope) for scope in check.spec.scopes],
        )


class TradeCheckList(Out):
    checks: list[TradeCheckOut]
    rows: list[RuleOut]


def _source(row: RuleRow | None) -> str:
    return "default" if row is None else str(row.scope)
