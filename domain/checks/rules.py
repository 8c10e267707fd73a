"""Which mode, limit and choice of a check are in force for a signal: the narrowest scope that says something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from domain.checks.catalog import CHECKS
from domain.enums import CheckMode, Scope, TickerType


@dataclass(frozen=True, slots=True)
class RuleRow:
    """What one check does in one scope; what is None is left to the wider scope."""

    scope: Scope
    scope_name: str  # empty for the whole desk
    check: str
    mode: CheckMode | None = None
    limit: Decimal | None = None
    choice: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a signal trades and where; any of the three may be unknown, as when somebody asks in general."""

    account: str = ""
    name: str = ""
    kind: TickerType | None = None

    @property
    def scopes(self) -> tuple[tuple[Scope, str], ...]:
        """Return the scopes it lies in, narrowest first."""
        own = {TickerType.SINGLE: Scope.STOCK, TickerType.PAIR: Scope.PAIR}
        narrow = ((own[self.kind], self.name),) if self.kind and self.name else ()
        return (*narrow, *(((Scope.ACCOUNT, self.account),) if self.account else ()), (Scope.DESK, ""))

    @property
    def may_be_legs(self) -> tuple[str, ...]:
        """Return what the legs of a pair can be called by its name; a symbol may have a hyphen of its own."""
        parts = self.name.split("-") if self.kind is TickerType.PAIR else []
        cuts = range(1, len(parts))
        return tuple("-".join(part) for cut in cuts for part in (parts[:cut], parts[cut:]))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A limit and the scope that set it; `scope` is None for the built-in one."""

    limit: Decimal
    scope: Scope | None
    scope_name: str

    @property
    def where(self) -> str:
        """Return the scope in words."""
        if self.scope is None:
            return "built in"
        return "the desk" if self.scope is Scope.DESK else f"{self.scope} {self.scope_name}"


@dataclass(frozen=True, slots=True)
class LegLimit:
    """A stock's own limit where it is a leg of a pair, and what the check does by the rules of that stock."""

    symbol: str
    ceiling: Ceiling
    mode: CheckMode
    choice: str


class Rules:
    """All rules of the desk."""

    def __init__(self, rows: Iterable[RuleRow] = ()) -> None:
        self._by_check: dict[str, dict[tuple[Scope, str], RuleRow]] = defaultdict(dict)
        for row in rows:
            self._by_check[row.check][row.scope, row.scope_name] = row

    def without_limits(self) -> Rules:
        """Return rules that leave everything to a person, but for the stops."""
        return Rules(
            RuleRow(Scope.DESK, "", check, CheckMode.OFF) for check, spec in CHECKS.items() if spec.scopes and spec.mode
        )

    def mode(self, check: str, subject: Subject, default: CheckMode | None = None) -> CheckMode:
        """Return what the check does when it fails; `default` goes before the built-in one."""
        for row in self._rows(check, subject):
            if row.mode is not None:
                return row.mode
        return default or CHECKS[check].mode or CheckMode.OFF

    def choice(self, check: str, subject: Subject) -> str:
        """Return the choice in force; empty where the check has none."""
        for row in self._rows(check, subject):
            if row.choice is not None:
                return row.choice
        choices = CHECKS[check].choices
        return str(choices[0]) if choices else ""

    def limit(self, check: str, subject: Subject) -> Ceiling | None:
        """Return the limit in force: that of the narrowest scope, else the built-in one, if there is one."""
        return next(iter(self.ceilings(check, subject)), None)

    def ceilings(self, check: str, subject: Subject) -> tuple[Ceiling, ...]:
        """Return the limits of all scopes that set one, narrowest first."""
        found = tuple(
            Ceiling(row.limit, row.scope, row.scope_name) for row in self._rows(check, subject) if row.limit is not None
        )
        spec = CHECKS[check].limit
        if found or spec is None or spec.default is None:
            return found
        return (Ceiling(spec.default, None, ""),)

    def is_on(self, check: str, subject: Subject) -> bool:
        """Return True if the check has something to do; one that needs a limit has not until there is one."""
        if subject.kind is TickerType.PAIR and self.of_legs(check, subject.account, subject.may_be_legs):
            return True
        if self.mode(check, subject) is CheckMode.OFF:
            return False
        spec = CHECKS[check].limit
        return spec is None or check == "age" or bool(self.ceilings(check, subject))

    def of_legs(self, check: str, account: str, symbols: Iterable[str]) -> tuple[LegLimit, ...]:
        """Return the limits that stocks set for themselves and that hold for them as legs of a pair too."""
        spec = CHECKS[check].limit
        if spec is None or not spec.of_legs:
            return ()
        found = []
        for symbol in symbols:
            subject = Subject(account, symbol, TickerType.SINGLE)
            row = self._by_check[check].get((Scope.STOCK, symbol)) if check in self._by_check else None
            mode = self.mode(check, subject)
            if row is not None and row.limit is not None and mode is not CheckMode.OFF:
                ceiling = Ceiling(row.limit, Scope.STOCK, symbol)
                found.append(LegLimit(symbol, ceiling, mode, self.choice(check, subject)))
        return tuple(found)

    def source(self, check: str, subject: Subject, part: str) -> RuleRow | None:
        """Return the row that decides `mode`, `limit` or `choice`; None where it is built in."""
        return next((row for row in self._rows(check, subject) if getattr(row, part) is not None), None)

    def _rows(self, check: str, subject: Subject) -> list[RuleRow]:
        rows = self._by_check.get(check)
        return [rows[scope] for scope in subject.scopes if scope in rows] if rows else []
