"""Facts of a signal to check: a buy of 10 AAA, or of the pair AAA-BBB, with nothing in its way."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.checks.facts import BookLine, Facts, PlannedLeg
from domain.checks.rules import RuleRow, Rules, Subject
from domain.enums import CheckMode, Scope, Side, TickerType
from domain.messages import QuoteReport

D = Decimal
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday morning in New York
SINGLE = Subject("paper", "AAA", TickerType.SINGLE)
PAIR = Subject("paper", "AAA-BBB", TickerType.PAIR)
REFUSE, WARN, OFF = CheckMode.REFUSE, CheckMode.WARN, CheckMode.OFF


def single(**more: Any) -> Facts:
    values = {
        "subject": SINGLE,
        "symbols": ("AAA",),
        "now": NOW,
        "received_at": NOW - timedelta(seconds=1),
        "side": Side.BUY,
        "quantity": D(10),
        "price": D(50),
        **more,
    }
    values.setdefault("legs", (PlannedLeg("AAA", values["side"], values["quantity"]),))
    return Facts(**values)


def pair(**more: Any) -> Facts:
    values = {"subject": PAIR, "symbols": ("AAA", "BBB"), "hedge_ratio": D(2), "price": D(10), **more}
    side, quantity = values.get("side", Side.BUY), values.get("quantity", D(10))
    legs = (PlannedLeg("AAA", side, quantity), PlannedLeg("BBB", side.opposite, quantity * values["hedge_ratio"]))
    return single(**{"legs": legs, **values})


def held(symbol: str, quantity: str, name: str = "AAA", **more: Any) -> BookLine:
    return BookLine(name, symbol, D(quantity), **more)


def quote(symbol: str, bid: str, ask: str, age: int = 0) -> dict[str, QuoteReport]:
    at = NOW - timedelta(seconds=age)
    return {symbol: QuoteReport(symbol=symbol, bid=D(bid), ask=D(ask), at=at, source="test")}


def rule(check: str, *, mode: CheckMode | None = None, limit: Any = None, choice: str | None = None, at: Any = None):
    scope, name = at or (Scope.DESK, "")
    return RuleRow(scope, name, check, mode, None if limit is None else D(str(limit)), choice)


def rules(*rows: RuleRow) -> Rules:
    return Rules(rows)
