"""What an alert is worth on arrival: a ticker that is understood, registered, active and hedged as agreed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from domain.checks.rules import Rules, Subject
from domain.enums import Activity, CheckMode, TickerType
from domain.exact import plain_text
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
    account: str = ""  # the account's name


@dataclass(frozen=True, slots=True)
class Terms:
    """What the desk decides by: its rules, and where a ticker goes that is not registered and yet traded."""

    rules: Rules
    account_id: int | None = None
    external: bool = False
    account: str = ""


BUILT_IN = Terms(Rules())


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
    terms: Terms = BUILT_IN,
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
        text = f"'{ticker}' is the pair {parsed.name} with hedge ratio {plain_text(parsed.hedge_ratio)}."
        result.trace.append(step("ticker", True, text, pair=parsed.name, hedge_ratio=parsed.hedge_ratio))
        found = find_pair(parsed.name)
    return _check_registered(result, parsed, found, terms)


def _check_registered(result: Decision, parsed: Single | Pair, found: Tradable | None, terms: Terms) -> Decision:
    what = "pair" if isinstance(parsed, Pair) else "stock"
    account = found.account if found else terms.account
    subject = Subject(account, parsed.name, result.ticker_type)
    if found is None:
        text = f"No {what} {parsed.name} is registered."
        mode = terms.rules.mode("registered", subject)
        if not _passes(result, mode, "registered", text, name=parsed.name):
            return result.refuse(SignalStatus.ERROR, "unknown ticker", text)
        result.account_id, result.external = terms.account_id, terms.external
        return result
    result.account_id, result.external = found.account_id, found.external
    if terms.rules.mode("registered", subject) is not CheckMode.OFF:
        result.trace.append(step("registered", True, f"The {what} {found.name} is registered.", name=found.name))
    mode = terms.rules.mode("active", subject)
    if found.activity is not Activity.ACTIVE:
        state = "on the watch-list" if found.activity is Activity.WATCH else "passive"
        text = f"The {what} {found.name} is registered but {state}."
        if not _passes(result, mode, "active", text, activity=found.activity):
            return result.refuse(SignalStatus.CANCELED, "passive ticker", text)
    elif mode is not CheckMode.OFF:
        result.trace.append(step("active", True, f"The {what} {found.name} is active.", activity=found.activity))
    return _check_hedge(result, parsed, found, terms.rules.mode("hedge", subject))


def _check_hedge(result: Decision, parsed: Single | Pair, found: Tradable, mode: CheckMode) -> Decision:
    if not isinstance(parsed, Pair) or mode is CheckMode.OFF:
        return result
    equal = parsed.hedge_ratio == found.hedge_ratio
    relation = "equals" if equal else "differs from"
    text = f"The alert's hedge ratio {plain_text(parsed.hedge_ratio)} {relation} the registered {found.hedge_ratio}."
    values = {"alert": parsed.hedge_ratio, "registered": found.hedge_ratio}
    if equal:
        result.trace.append(step("hedge", True, text, **values))
    elif not _passes(result, mode, "hedge", text, **values):
        return result.refuse(SignalStatus.CANCELED, "wrong hedge", text)
    return result


def _passes(result: Decision, mode: CheckMode, check: str, text: str, **values: Any) -> bool:
    """Put a check that failed on the trace; tell whether the signal is traded all the same."""
    if mode is CheckMode.WARN:
        values["outcome"] = "warning"
    if mode is not CheckMode.OFF:
        result.trace.append(step(check, False, text, **values))
    return mode is not CheckMode.REFUSE
