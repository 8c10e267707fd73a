"""What an alert is worth on arrival: a ticker that is understood, registered, active and hedged as agreed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from domain.enums import Activity, TickerType
from domain.order_status import SignalStatus
from domain.ticker import Pair, Single, TickerError, parse_ticker
from domain.trace import step


@dataclass(frozen=True, slots=True)
class Tradable:
    """What the registry knows of an instrument or a pair; `hedge_ratio` is None for an instrument."""

    name: str
    activity: Activity
    account_id: int
    external: bool
    hedge_ratio: Decimal | None = None


@dataclass(slots=True)
class Decision:
    """What to store with an alert."""

    status: SignalStatus = SignalStatus.WAITING
    reason: str | None = None
    error_text: str | None = None
    ticker_type: TickerType | None = None
    name: str | None = None
    symbol1: str | None = None
    symbol2: str | None = None
    hedge_ratio: Decimal | None = None
    account_id: int | None = None
    external: bool = False
    trace: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, status: SignalStatus, reason: str, text: str) -> "Decision":
        """End with a status that does not trade; `text` is the sentence shown to people."""
        self.status, self.reason, self.error_text = status, reason, f"{reason}: {text}"[:1000]
        return self


def decide(
    ticker: str,
    find_instrument: Callable[[str], Tradable | None],
    find_pair: Callable[[str], Tradable | None],
) -> Decision:
    """Return what becomes of an alert for that ticker text, with each check. Never raises for a bad ticker."""
    result = Decision()
    try:
        parsed = parse_ticker(ticker, lambda symbol: find_instrument(symbol) is not None)
    except TickerError as e:
        result.trace.append(step("ticker", False, e.reason, ticker=ticker))
        return result.refuse(SignalStatus.ERROR, "problematic ticker!", e.reason)
    result.name = parsed.name
    if isinstance(parsed, Single):
        result.ticker_type, result.symbol1 = TickerType.SINGLE, parsed.symbol
        text = f"'{ticker}' is the single instrument {parsed.symbol}."
        result.trace.append(step("ticker", True, text, symbol=parsed.symbol))
        found = find_instrument(parsed.symbol)
    else:
        result.ticker_type = TickerType.PAIR
        result.symbol1, result.symbol2 = parsed.leg1.symbol, parsed.leg2.symbol
        result.hedge_ratio = parsed.hedge_ratio
        text = f"'{ticker}' is the pair {parsed.name} with hedge ratio {parsed.hedge_ratio}."
        result.trace.append(step("ticker", True, text, pair=parsed.name, hedge_ratio=parsed.hedge_ratio))
        found = find_pair(parsed.name)
    return _check_registered(result, parsed, found)


def _check_registered(result: Decision, parsed: Single | Pair, found: Tradable | None) -> Decision:
    what = "pair" if isinstance(parsed, Pair) else "stock"
    if found is None:
        text = f"No {what} {parsed.name} is registered."
        result.trace.append(step("registered", False, text, name=parsed.name))
        return result.refuse(SignalStatus.ERROR, "unknown ticker", text)
    result.account_id, result.external = found.account_id, found.external
    result.trace.append(step("registered", True, f"The {what} {found.name} is registered.", name=found.name))
    if found.activity is not Activity.ACTIVE:
        state = "on the watch-list" if found.activity is Activity.WATCH else "passive"
        text = f"The {what} {found.name} is registered but {state}."
        result.trace.append(step("active", False, text, activity=found.activity))
        return result.refuse(SignalStatus.CANCELED, "passive ticker", text)
    result.trace.append(step("active", True, f"The {what} {found.name} is active.", activity=found.activity))
    if isinstance(parsed, Pair):
        equal = parsed.hedge_ratio == found.hedge_ratio
        relation = "equals" if equal else "differs from"
        text = f"The alert's hedge ratio {parsed.hedge_ratio} {relation} the registered {found.hedge_ratio}."
        result.trace.append(step("hedge", equal, text, alert=parsed.hedge_ratio, registered=found.hedge_ratio))
        if not equal:
            return result.refuse(SignalStatus.CANCELED, "wrong hedge", text)
    return result
